"""Dragoman's own side of the comparisons that need no server: `dragoman.open`, called from a blocking program."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dragoman
from bench.servers import FUNCTIONS, prepare_guest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextlib.contextmanager
def opened(function: str, given: Any) -> Generator[Callable[[], Any]]:
    """Call one function of the bench's Python source."""
    with dragoman.open(FUNCTIONS) as project:
        yield lambda: project.call(function, given)


@contextlib.contextmanager
def guest(language: str, text: str) -> Generator[Callable[[], Any]]:
    """Call `mirror` in another language."""
    with dragoman.open(prepare_guest(language)) as project:
        yield lambda: project.call("functions.mirror", {"text": text})


@contextlib.contextmanager
def executable(command: list[str]) -> Generator[Callable[[], bytes]]:
    """Call a program as a source of its own, hosted with every default."""
    words = ", ".join(f"'{word}'" for word in command)
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        text = f'[project]\nname = "bench"\n\n[sources.program]\ncommand = [{words}]\nstdout = "bytes"\n'
        (Path(folder) / "dragoman.toml").write_text(text)
        with dragoman.open(folder) as project:
            yield lambda: project.call("program", {})
