"""What Python's standard library offers for running a function, or a program, in another process."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from bench import functions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

COPY = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
READ_BYTES = 64 * 1024
NOTHING = [
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
    (os.POSIX_SPAWN_DUP2, 0, 1),
    (os.POSIX_SPAWN_DUP2, 0, 2),
]
"""Standard input, output and error of a program that hears and says nothing."""


@contextlib.contextmanager
def pool(body: bytes) -> Generator[Callable[[], bytes]]:
    """Apply a function in a `multiprocessing` pool of one."""
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        yield lambda: workers.apply(functions.echo, (body,))


@contextlib.contextmanager
def python_per_call(body: bytes) -> Generator[Callable[[], bytes]]:
    """Start a Python for every call, as lean as it starts."""
    yield lambda: run([sys.executable, "-I", "-S", "-c", COPY], body)


@contextlib.contextmanager
def program(command: list[str]) -> Generator[Callable[[], bytes]]:
    """Start a program for every call by `subprocess.run`, capturing what it prints on stdout and on stderr."""
    yield lambda: run(command)


@contextlib.contextmanager
def program_posix(command: list[str]) -> Generator[Callable[[], bytes]]:
    """Start a program for every call by `os.posix_spawn`, reading its stdout: nothing that captures is leaner."""
    yield lambda: spawn(command)


@contextlib.contextmanager
def program_bare(command: list[str]) -> Generator[Callable[[], bytes]]:
    """Start a program for every call by `os.posix_spawn` and wait for it, and nothing else: what it prints is lost."""
    yield lambda: spawn_bare(command)


def run(command: list[str], given: bytes | None = None) -> bytes:
    """Run to the end, capture stdout and stderr, and give what was printed on stdout."""
    if given is None:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


def spawn(command: list[str]) -> bytes:
    """Run to the end and give what was printed on stdout; `command[0]` is a full path."""
    ours, theirs = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, theirs, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    os.close(theirs)
    parts: list[bytes] = []
    while chunk := os.read(ours, READ_BYTES):
        parts.append(chunk)
    os.close(ours)
    _, status = os.waitpid(pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return b"".join(parts)


def spawn_bare(command: list[str]) -> bytes:
    """Run to the end; `command[0]` is a full path. Gives nothing, as nothing was kept."""
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=NOTHING)
    _, status = os.waitpid(pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return b""
