import os
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.js", "JavaScript"),
        ("a.mjs", "JavaScript"),
        ("a.ts", "TypeScript"),
        ("a.go", "Go"),
        ("a.rs", "Rust"),
        ("a.java", "Java"),
    ],
)
def test_a_language_of_later_versions_is_named_in_its_refusal(tmp_path: Path, name: str, language: str) -> None:
    with pytest.raises(Refused, match=f"{name} is {language}, which is not hosted by this version"):
        recognise(script(tmp_path / name))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("go.mod", "is Go"),
        ("package.json", "is JavaScript"),
        ("Cargo.toml", "is Rust"),
        ("pom.xml", "is Java"),
        ("main.go", "is Go"),
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
    [("go", "Go is not hosted"), ("pyhton", "did you mean 'python'"), (3, "expected a language, found the integer 3")],
)
def test_a_language_that_is_not_hosted_is_refused(value: object, message: str) -> None:
    assert Language().read("python") == "python"
    with pytest.raises(Refused, match=message):
        Language().read(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [("fork", '"fork" is not in this version'), ("wram", "did you mean 'warm'"), (True, "expected a mode")],
)
def test_a_mode_that_this_version_does_not_have_is_refused(value: object, message: str) -> None:
    assert Mode().read("inline") == "inline"
    with pytest.raises(Refused, match=message):
        Mode().read(value)
