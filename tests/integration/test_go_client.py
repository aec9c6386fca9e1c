"""A Go program that hosts a project in a child process, and what becomes of that child."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import alive, descendants, until

HERE = Path(__file__).parent
LIBRARY = HERE.parents[1] / "sdk" / "go"
SOURCE = """
import os

def pid() -> int: return os.getpid()
"""

pytestmark = pytest.mark.needs("go")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The caller, built."""
    folder = tmp_path_factory.mktemp("caller") / "caller"
    shutil.copytree(HERE / "sources" / "caller", folder)
    with (folder / "go.mod").open("a") as file:
        file.write(f'\nreplace github.com/dragoman/dragoman/sdk/go => "{LIBRARY}"\n')
    subprocess.run(["go", "build", "-o", folder / "caller", "."], cwd=folder, check=True)
    return folder / "caller"


@contextmanager
def calling(program: Path, folder: Path) -> Generator[tuple[subprocess.Popen[str], set[int]]]:
    """The running caller, after its call, and every process below it."""
    (folder / "work.py").write_text(SOURCE)
    env = os.environ | {"DRAGOMAN": str(Path(sys.executable).parent / "dragoman")}
    with subprocess.Popen(
        [program, folder / "work.py", "work.pid"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            worker = int(process.stdout.readline())
            family = descendants(process.pid)
            assert worker in family
            yield process, family
        finally:
            process.kill()


def test_a_project_ends_when_it_is_closed(program: Path, tmp_path: Path) -> None:
    with calling(program, tmp_path) as (process, family):
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.wait(20) == 0
        until(lambda: not any(alive(pid) for pid in family))


def test_a_project_dies_with_the_program_that_opened_it(program: Path, tmp_path: Path) -> None:
    with calling(program, tmp_path) as (process, family):
        process.kill()
        until(lambda: not any(alive(pid) for pid in family))
