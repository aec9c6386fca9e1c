"""A host that serves native clients, as a process of its own that a test may kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

TIMEOUT_S = 20.0
BASE = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
FUNCTIONS = """
import os, signal, time
from collections.abc import Iterator

def add(a: int, b: int) -> int:
    return a + b

def echo(data: bytes) -> bytes:
    return data

def count(n: int) -> Iterator[int]:
    yield from range(n)

def blocks(n: int, size: int) -> Iterator[bytes]:
    for _ in range(n):
        yield bytes(size)

def fails_at(n: int) -> Iterator[int]:
    yield from range(n)
    raise ValueError("far enough")

def nap(seconds: float, began: str = "") -> float:
    if began:
        open(began, "w").close()
    time.sleep(seconds)
    return seconds

def total(numbers: Iterator[int], start: int = 0) -> int:
    return start + sum(numbers)

def doubled(numbers: Iterator[int]) -> Iterator[int]:
    for number in numbers:
        yield 2 * number

def first(numbers: Iterator[int]) -> int:
    return next(iter(numbers))

def fed(numbers: Iterator[int]) -> Iterator[int]:
    yield 0
    for number in numbers:
        yield number

def breaks_at(numbers: Iterator[int], n: int) -> Iterator[int]:
    for number in numbers:
        if number == n:
            raise ValueError("that one")
        yield number

def never_reads(numbers: Iterator[int], seconds: float) -> None:
    time.sleep(seconds)

def exits_at(numbers: Iterator[int], n: int) -> int:
    for number in numbers:
        if number == n:
            os._exit(3)
    return 0

def whole(numbers: list[int]) -> int:
    return sum(numbers)

def boom() -> None:
    raise ValueError("no")
"""


class NativeHost:
    """A host on one native address."""

    def __init__(self, folder: Path, *arguments: str, address: str = "", http: bool = False) -> None:
        source = folder / "fn.py"
        source.write_text(FUNCTIONS)
        self.folder = folder
        address = address or f"unix://{folder}/n.sock"
        command = [sys.executable, "-m", "dragoman", "serve", str(source), "--native", address, "--json"]
        more = ("--port", "0") if http else ("--no-http",)
        self._command = [*command, *more, "--log", "error", "--exit-with-stdin", *arguments]
        self.process: subprocess.Popen[str]
        self.url = ""
        self.http = ""

    def start(self) -> None:
        """Start, and wait until it takes calls."""
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.folder, env=BASE
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "it did not start"
        ready = json.loads(line)
        (self.url,), self.http = ready["native"], ready["url"] or ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Its exit code, once it has one."""
        with self.process as process:
            try:
                return process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@contextlib.contextmanager
def native_host(folder: Path, *arguments: str, address: str = "", http: bool = False) -> Generator[NativeHost]:
    """A host that serves meanwhile."""
    host = NativeHost(folder, *arguments, address=address, http=http)
    host.start()
    try:
        yield host
    finally:
        if host.process.poll() is None:
            host.stop()
        else:
            host.ended()
