import os
from pathlib import Path

import pytest

from dragoman.config import languages
from dragoman.config.languages import Language, Mode, check_executable, recognise
from dragoman.config.problem import Refused


def script(path: Path, mode: int = 0o755) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_a_python_file_a_package_and_an_executable_are_hosted(tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes/__init__.py").touch()
    assert recognise(tmp_path / "shapes") == "python"
    assert recognise(script(tmp_path / "a.py", 0o644)) == "python"
    assert recognise(script(tmp_path / "a.sh")) == "exec"
    assert recognise(script(tmp_path / "plain")) == "exec"


def test_what_a_source_says_comes_before_what_its_name_says(tmp_path: Path) -> None:
    assert recognise(script(tmp_path / "a.py"), "exec") == "exec"
    assert recognise(script(tmp_path / "a.js"), "exec") == "exec"
    with pytest.raises(Refused, match=r"ends in \.py"):
        recognise(script(tmp_path / "plain"), "python")
    with pytest.raises(Refused, match=r"plain cannot be Go: such a file ends in \.go"):
        recognise(script(tmp_path / "plain"), "go")
    with pytest.raises(Refused, match="is a folder, and no program"):
        recognise(tmp_path, "exec")


@pytest.mark.parametrize(("name", "language"), [("a.go", "go"), ("a.py", "python")])
def test_a_file_is_of_the_language_that_its_name_says(tmp_path: Path, name: str, language: str) -> None:
    assert recognise(script(tmp_path / name)) == language


@pytest.mark.parametrize(
    ("names", "language"),
    [
        (("go.mod",), "go"),
        (("main.go",), "go"),
        (("go.mod", "package.json"), "go"),
        (("go.mod", "__init__.py"), "python"),
    ],
)
def test_a_folder_is_of_the_language_that_its_files_say(tmp_path: Path, names: tuple[str, ...], language: str) -> None:
    folder = tmp_path / "shapes"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    assert recognise(folder) == language


def test_a_language_without_a_runtime_is_named_in_its_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "HOSTED", ("python", "exec"))
    with pytest.raises(
        Refused, match=r"a\.rs is Rust, which is not hosted by this version: it hosts Python, executables"
    ):
        recognise(script(tmp_path / "a.rs"))
    with pytest.raises(Refused, match="Rust is not hosted"):
        Language().read("rust")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("stats.py", "name one file, such as stats.py, or add an __init__.py"),
        ("notes.txt", "no source is recognised"),
    ],
)
def test_a_folder_that_is_no_package_is_refused_by_what_it_holds(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / entry).touch()
    with pytest.raises(Refused, match=message):
        recognise(tmp_path)


def test_a_package_whose_name_cannot_be_imported_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my-shapes").mkdir()
    (tmp_path / "my-shapes/__init__.py").touch()
    with pytest.raises(Refused, match="letters, digits and underscores"):
        recognise(tmp_path / "my-shapes")


def test_what_is_not_there_or_not_runnable_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no such file: .*/none\.py"):
        recognise(tmp_path / "none.py")
    with pytest.raises(Refused, match=r"is not executable: run chmod \+x a\.sh"):
        recognise(script(tmp_path / "a.sh", 0o644))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="is not a file"):
        recognise(tmp_path / "pipe")
    with pytest.raises(Refused, match="no such file"):
        recognise(tmp_path / ("x" * 5000))
    with pytest.raises(Refused, match="is not a program, but a folder"):
        check_executable(tmp_path)
    with pytest.raises(Refused, match="no such program"):
        check_executable(tmp_path / "none")


def test_a_link_is_what_it_points_to(tmp_path: Path) -> None:
    script(tmp_path / "real.sh")
    (tmp_path / "link").symlink_to(tmp_path / "real.sh")
    assert recognise(tmp_path / "link") == "exec"
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refused, match="no such file"):
        recognise(tmp_path / "dead")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("golang", "did you mean 'go'"),
        ("javascript", "did you mean 'node'"),
        ("pyhton", "did you mean 'python'"),
        (3, "expected a language, found the integer 3"),
    ],
)
def test_a_language_that_nobody_knows_is_refused(value: object, message: str) -> None:
    assert Language().read("python") == "python"
    with pytest.raises(Refused, match=message):
        Language().read(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [("forked", "did you mean 'fork'"), ("wram", "did you mean 'warm'"), (True, "expected a mode")],
)
def test_a_mode_that_this_version_does_not_have_is_refused(value: object, message: str) -> None:
    assert Mode().read("inline") == "inline"
    with pytest.raises(Refused, match=message):
        Mode().read(value)
