"""Trouble with the file says which file, what is the matter, and what to do."""

import sqlite3
from pathlib import Path

import pytest

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite.trouble import explain, is_everybodys

CASES = [
    (sqlite3.SQLITE_FULL, "free some space", False, False),
    (sqlite3.SQLITE_BUSY, "locked by another process", True, False),
    (sqlite3.SQLITE_READONLY, "let this user write", True, False),
    (sqlite3.SQLITE_CORRUPT, "restore a backup", True, False),
    (sqlite3.SQLITE_NOTADB, "restore a backup", True, False),
    (sqlite3.SQLITE_IOERR | 4 << 8, "look at its disk", True, True),
    (sqlite3.SQLITE_ERROR, "does not do it", False, False),
]


@pytest.mark.parametrize(("code", "what", "everybodys", "unsure"), CASES)
def test_trouble_is_told_with_a_remedy(code: int, what: str, *, everybodys: bool, unsure: bool) -> None:
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code

    failed = explain(Path("/some/tasks.db"), error, committing=True)

    assert "/some/tasks.db" in str(failed)
    assert "as SQLite says" in str(failed)
    assert what in str(failed)
    assert failed.unsure is unsure
    assert is_everybodys(error) is everybodys


def test_what_is_explained_is_not_explained_again() -> None:
    failed = StoreFailed("so it is")

    assert explain(Path("x"), failed) is failed
