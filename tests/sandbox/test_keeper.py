"""Finding what a keeper is to start, and its entries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dragoman.sandbox.confinement import Exit, Launch
from dragoman.sandbox.keeper import find_program, resolve
from dragoman.sandbox.spawning import SpawnerConfinement


def test_a_program_with_a_slash_is_itself() -> None:
    assert find_program("./no/such", "/bin") == "./no/such"


def test_a_bare_name_is_the_first_executable_file_in_the_path(tmp_path: Path) -> None:
    for folder, mode in (("a", 0o644), ("b", 0o755), ("c", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").touch(mode)
    (tmp_path / "d" / "tool").mkdir(parents=True)
    path = ":".join(str(tmp_path / folder) for folder in "dabc")
    assert find_program("tool", path) == str(tmp_path / "b" / "tool") or os.getuid() == 0
    with pytest.raises(FileNotFoundError, match="no such program"):
        find_program("tool-of-nobody", path)


def test_an_entry_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(OSError, match="No module named"):
        resolve("dragoman.nowhere:main")
    with pytest.raises(OSError, match="no attribute 'nothing'"):
        resolve("dragoman.sandbox.probe:nothing")


async def test_an_entry_that_raises_ends_with_its_traceback_on_stderr(
    confinement: SpawnerConfinement, wire: int
) -> None:
    child = await confinement.start(Launch(entry="dragoman.sandbox.tree:strike"), wire)
    assert await child.wait() == Exit(70)
    assert b"TypeError" in os.read(child.stderr_fd, 10_000)
    os.close(child.stdout_fd)
    os.close(child.stderr_fd)


async def test_an_entry_sees_only_its_own_environment(confinement: SpawnerConfinement) -> None:
    told: dict[str, Any] = await confinement.report()
    assert told["environment"] == ["DRAGOMAN_WIRE_FD"]
