import tomllib
from pathlib import Path

import pytest

from dragoman.building.code import Code
from dragoman.building.recipe import Bench
from dragoman.building.shipped import PACKAGE
from dragoman.building.tool import Found
from dragoman.workers.runtimes.environment import GUEST_REQUIREMENT, recipe, uv_tool

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "work", tmp_path / "keep", {"uv": Found("/bin/uv", "uv 0.9")})


def code(tmp_path: Path, *requirements: str, python: str = "") -> Code:
    (tmp_path / "a.py").touch()
    return Code("a", "python", tmp_path / "a.py", tmp_path, requirements=requirements, python=python)


def test_a_source_that_asks_for_nothing_gets_no_environment(tmp_path: Path) -> None:
    assert recipe(code(tmp_path)) is None


def test_the_guests_own_requirement_is_the_packages() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert GUEST_REQUIREMENT in declared


def test_requirements_are_installed_beside_the_guests_own_and_the_package_is_linked(
    tmp_path: Path, bench: Bench
) -> None:
    made = recipe(code(tmp_path, "pandas>=2", python="3.12"))
    assert made is not None
    assert made.options[:2] == ("pandas>=2", "python 3.12")
    venv, install, link = made.stage(bench)
    assert venv.argv[-3:] == ("--python", "3.12", str(tmp_path / "work/venv"))
    assert install.argv[-2:] == (GUEST_REQUIREMENT, "pandas>=2")
    assert link.argv[0] == str(tmp_path / "work/venv/bin/python")
    assert link.argv[-1] == str(PACKAGE)
    assert venv.env["UV_PYTHON_DOWNLOADS"] == "never"


def test_files_that_a_file_of_requirements_names_are_part_of_the_key(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "more.txt").write_text("-r requirements.txt\n")
    listed = tmp_path / "requirements.txt"
    listed.write_text("pandas>=2\n-r more.txt\n-c missing.txt\n-e ./own[extra]\n# ./comment\n")
    made = recipe(code(tmp_path, str(listed)))
    assert made is not None
    assert set(made.files.roots) == {listed, tmp_path / "more.txt", tmp_path / "own"}
    assert made.stage(bench)[1].argv[-2:] == ("-r", str(listed))


def test_a_lock_file_beside_a_pyproject_is_what_is_installed(tmp_path: Path, bench: Bench) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "a"\nversion = "1"\n')
    made = recipe(code(tmp_path, str(project)))
    assert made is not None
    assert made.stage(bench)[1].argv[-2:] == ("-r", str(project))
    (tmp_path / "uv.lock").touch()
    made = recipe(code(tmp_path, str(project)))
    assert made is not None
    assert set(made.files.roots) == {project, tmp_path / "uv.lock"}
    _, export, install, _ = made.stage(bench)
    assert export.argv[1:3] == ("export", "--frozen")
    assert install.argv[-1] == str(tmp_path / "work/locked.txt")


def test_uv_may_be_the_python_package() -> None:
    assert uv_tool().locate("/nowhere") is not None
