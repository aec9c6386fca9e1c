from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.generate.folder import NotOurs, differing, write
from dragoman.generate.writing import MARK

FILES = {"a.go": f"// {MARK}\n", "in/b.go": f"// {MARK} é\n"}


def test_what_differs_is_written_and_nothing_else(tmp_path: Path) -> None:
    assert differing(tmp_path, FILES) == ["a.go", "in/b.go"]
    assert write(tmp_path, FILES) == ["a.go", "in/b.go"]
    assert (tmp_path / "in" / "b.go").read_text("utf-8") == FILES["in/b.go"]
    assert write(tmp_path, FILES) == []
    (tmp_path / "a.go").write_text(f"// {MARK} of another day\n")
    assert write(tmp_path, FILES) == ["a.go"]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.go", "b.go"]


def test_a_file_that_is_not_ours_is_left_alone_and_all_others_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.go").write_text("package mine\n")
    with pytest.raises(NotOurs, match=r"b\.go was not made by dragoman generate"):
        write(tmp_path, FILES)
    assert not (tmp_path / "a.go").exists()
