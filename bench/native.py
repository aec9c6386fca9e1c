"""Dragoman's side of the comparisons over a socket: a host in a process of its own, and a client of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import dragoman
from bench.servers import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

STOP_S_MAX = 10


@contextlib.contextmanager
def served(source: str = FUNCTIONS) -> Generator[tuple[str, int]]:
    """Serve the bench's functions to native clients; the address, and the host's process."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        command = [sys.executable, "-m", "dragoman", "serve", source, "--native", f"unix://{folder}/bench.sock"]
        options = ["--no-http", "--json", "--exit-with-stdin"]
        with subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as host:
            assert host.stdin is not None
            assert host.stdout is not None
            ready = host.stdout.readline()
            if not ready:
                raise RuntimeError("the host did not start")
            try:
                yield json.loads(ready)["native"][0], host.pid
            finally:
                host.stdin.close()
                host.wait(STOP_S_MAX)


@contextlib.contextmanager
def connected(function: str, given: Any) -> Generator[Callable[[], Any]]:
    """Call one function over the socket, blocking."""
    with served() as (url, _), dragoman.connect(url) as remote:
        yield lambda: remote.call(function, given)
