import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.building import files
from dragoman.building.files import Files
from dragoman.core.fault import StartFailed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    (made / "sub").mkdir(parents=True)
    (made / "a.go").write_text("a")
    (made / "sub/b.txt").write_text("b")
    return made


def test_a_copy_elsewhere_has_the_same_fingerprint(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    os.utime(tmp_path / "copy/a.go", (1, 1))
    assert Files((folder,)).fingerprint() == Files((tmp_path / "copy",)).fingerprint()


CHANGES: list[Callable[[Path], object]] = [
    lambda folder: (folder / "a.go").write_text("A"),
    lambda folder: (folder / "a.go").rename(folder / "c.go"),
    lambda folder: (folder / "sub/b.txt").unlink(),
    lambda folder: (folder / "new").touch(),
    lambda folder: (folder / "a.go").chmod(0o755),
    lambda folder: (folder / "link").symlink_to("a.go"),
    lambda folder: (folder / "sub/b.txt").rename(folder / "b.txt"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_name_content_or_kind_changes_it(folder: Path, change: Callable[[Path], object]) -> None:
    before = Files((folder,)).fingerprint()
    change(folder)
    assert Files((folder,)).fingerprint() != before


def test_what_tools_and_editors_leave_does_not(folder: Path) -> None:
    known = Files((folder,), ignored=frozenset({"node_modules"}))
    before = known.fingerprint()
    for name in (".git", "node_modules", "__pycache__", "sub/.dragoman"):
        (folder / name).mkdir()
        (folder / name / "x").touch()
    for name in ("a.go~", ".a.go.swp", ".#a.go"):
        (folder / name).touch()
    os.mkfifo(folder / "pipe")
    assert known.fingerprint() == before


def test_only_the_wanted_endings_count(folder: Path) -> None:
    known = Files((folder,), suffixes=(".go",))
    before = known.fingerprint()
    (folder / "sub/b.txt").write_text("other")
    assert known.fingerprint() == before


def test_it_knows_which_paths_are_its_own(folder: Path) -> None:
    known = Files((folder, folder.parent / "go.sum"), frozenset({"target"}))
    assert known.hold(str(folder / "sub/new.go"))
    assert known.hold(str(folder.parent / "go.sum"))
    assert not known.hold(str(folder / "target/debug/x"))
    assert not known.hold(str(folder / ".git/index"))
    assert not known.hold(str(folder.parent / "made2/x"))
    assert not Files((folder,), suffixes=(".go",)).hold(str(folder / "x.txt"))
    assert set(known.folders()) == {folder, folder.parent}


def test_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILES_MAX", 1)
    with pytest.raises(StartFailed, match="keep data out of the folder of a source"):
        Files((folder,)).fingerprint()
    monkeypatch.undo()
    monkeypatch.setattr(files, "BYTES_MAX", 1)
    with pytest.raises(StartFailed, match="keep data out"):
        Files((folder,)).fingerprint()


def test_what_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"gone\.go cannot be read: No such file"):
        Files((tmp_path / "gone.go",)).fingerprint()
