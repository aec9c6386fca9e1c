"""Runs `dragoman` as its users do: a process of its own, with nothing of this one's terminal or environment."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.cli.starters import TRIES
from dragoman.config.environment import build_environment

if TYPE_CHECKING:
    from collections.abc import Generator

SHOP = Path(__file__).parent / "sources" / "shop.py"
COMMAND_S_MAX = 100
"""A new project in a compiled language is built in it."""
BASE = build_environment()


def dragoman(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run one command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "dragoman", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=COMMAND_S_MAX,
        cwd=cwd,
        env={**BASE, **(env or {})},
        check=False,
    )


@contextmanager
def start(
    *arguments: str | Path, cwd: Path | None = None, stdin: int = subprocess.DEVNULL
) -> Generator[subprocess.Popen[str]]:
    """Start one that goes on running; it ends with the block at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman", *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=BASE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    """The next line that it prints; empty where it has ended."""
    assert process.stdout is not None
    return process.stdout.readline()


@contextmanager
def serving(*arguments: str | Path, cwd: Path | None = None) -> Generator[dict[str, Any]]:
    """Serve on a free port meanwhile; gives what the server says when it is ready."""
    with start("serve", *arguments, "--port", "0", "--json", "--log", "error", cwd=cwd) as server:
        line = read_line(server)
        if not line:
            raise AssertionError(f"it did not start: {server.communicate(timeout=COMMAND_S_MAX)}")
        try:
            yield json.loads(line)
        finally:
            server.terminate()
            server.communicate(timeout=COMMAND_S_MAX)


NEEDS = {"go": ("go",), "node": ("node", "npm"), "typescript": ("node", "npm"), "rust": ("cargo",), "java": ("javac",)}
"""The programs without which a new project in a language does not run."""

starters = pytest.mark.parametrize(
    "language", [pytest.param(name, marks=pytest.mark.needs(*NEEDS.get(name, ()))) for name in TRIES]
)
"""For each language that a project can be made in."""
