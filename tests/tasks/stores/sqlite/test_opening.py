"""A file is made whole, and what is not ours, or no more, is refused and left alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite import opening
from dragoman.tasks.stores.sqlite.opening import connect, create, ready


def test_a_new_file_is_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tasks.db"

    create(path)

    assert [each.name for each in path.parent.iterdir()] == ["tasks.db"]
    with closing(connect(path, 1.0)) as db:
        ready(db, path)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_is_there_is_left_as_it_is(path: Path) -> None:
    before = path.read_bytes()

    create(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_what_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tasks.db"
    path.write_bytes(content)
    create(path)

    with pytest.raises(StoreFailed, match=r"tasks\.db.*(restore a backup)"):
        connect(path, 1.0)

    assert path.read_bytes() == content


def test_the_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (a)")
    with closing(connect(path, 1.0)) as db, pytest.raises(StoreFailed, match="another program"):
        ready(db, path)


def test_the_log_gives_back_what_one_large_commit_took(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "CHECKPOINT_PAGES", 10)
    monkeypatch.setattr(opening, "LOG_BYTES_MAX", 100_000)
    with closing(connect(path, 1.0)) as db:
        log = path.with_name(f"{path.name}-wal")
        db.execute("INSERT INTO bodies (slot, data) VALUES (1, zeroblob(2000000))")
        assert log.stat().st_size > 2_000_000
        for slot in range(2, 5):
            db.execute("INSERT INTO bodies (slot, data) VALUES (?, x'00')", (slot,))
        assert log.stat().st_size <= 100_000
