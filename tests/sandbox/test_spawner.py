"""The spawner itself: what it imports and how it takes its start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from dragoman.sandbox import spawner
from dragoman.sandbox.line import CODE

ROOT = str(Path(spawner.__file__).parents[2])
HEAVY = {"asyncio", "typing", "dataclasses", "pathlib", "re", "subprocess", "json", "logging", "threading", "inspect"}


def python(code: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    flags = (sys.executable, "-I", "-S", "-X", "utf8", "-c", code, ROOT, *arguments)
    return subprocess.run(flags, text=True, capture_output=True, timeout=20, check=False, env={}, **options)


def test_it_imports_nothing_heavy() -> None:
    told = python(CODE.replace("main(sys.argv[2:])", "print(*sys.modules)"))
    assert told.returncode == 0, told.stderr
    assert not HEAVY & set(told.stdout.split())


def test_a_module_that_cannot_be_preloaded_is_complained_about_and_does_not_stop_it() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    with theirs:
        told = python(
            CODE, str(theirs.fileno()), str(os.getpid()), "dragoman.no_such_room", pass_fds=(theirs.fileno(),)
        )
    assert told.returncode == 0
    assert "No module named 'dragoman.no_such_room'" in told.stderr


def test_it_ends_at_once_for_a_host_that_is_not_its_parent() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        told = python(CODE, str(theirs.fileno()), "1", pass_fds=(theirs.fileno(),))
    assert told.returncode == 0, told.stderr
