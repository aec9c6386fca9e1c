import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.cli.scaffold import NotScaffolded, project_name, scaffold
from dragoman.config.load import load
from tests.cli.commandline import starters

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")
CARGO = ("cargo", "test", "--quiet", "--manifest-path", "hello/Cargo.toml")
GO = ("go", "test", "./hello")
SCRIPT = ("./test.sh",)
OWN_TESTS = {
    "python": PYTEST,
    "exec": PYTEST,
    "go": GO,
    "rust": CARGO,
    "java": SCRIPT,
    "node": SCRIPT,
    "typescript": SCRIPT,
}
"""How a project's own test is run, by language."""


@starters
def test_a_new_project_loads_and_passes_its_own_test(tmp_path: Path, language: str) -> None:
    folder = tmp_path / "my shop"
    made = scaffold(folder, language)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(made)
    assert {".gitignore", "README.md", "dragoman.toml"} < {path.name for path in made}
    assert load([folder]).name == "my-shop"
    done = subprocess.run(OWN_TESTS[language], cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_of_an_executable_project_may_be_run(tmp_path: Path) -> None:
    program = next(path for path in scaffold(tmp_path, "exec") if path.suffix == ".sh")
    done = subprocess.run([program, "to be or not", "3"], capture_output=True, text=True, timeout=10, check=True)
    assert done.stdout == '{"words": 1, "letters": 3}\n'


def test_missing_folders_are_made_and_an_empty_one_is_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert scaffold(tmp_path / "empty")
    assert scaffold(tmp_path / "a/b/c")


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    with pytest.raises(NotScaffolded, match="is not empty: name a new folder"):
        scaffold(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]
    with pytest.raises(NotScaffolded, match="is not a folder"):
        scaffold(tmp_path / ".hidden")
    with pytest.raises(NotScaffolded, match="cannot be written: Not a directory"):
        scaffold(tmp_path / ".hidden/x")
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(NotScaffolded, match="cannot be"):
            scaffold(tmp_path / name)


@pytest.mark.parametrize("language", ["cobol", "", "../python", "Python"])
def test_a_language_without_a_template_is_answered_with_those_that_have_one(tmp_path: Path, language: str) -> None:
    with pytest.raises(NotScaffolded, match="there are: python, go"):
        scaffold(tmp_path / "a", language)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("shop", "shop"), ("my shop!", "my-shop"), ("..x", "x"), ("é", "project"), ("x" * 200, "x" * 64)],
)
def test_a_projects_name_is_its_folders_made_fit(name: str, expected: str) -> None:
    assert project_name(Path("/") / name) == expected
