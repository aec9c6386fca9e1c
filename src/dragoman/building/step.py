"""One step of a build, run: a child that ends with us, with all that it starts; what it prints is kept in bounds."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.sandbox.confinement import Launch, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.building.recipe import Step
    from dragoman.sandbox.confinement import Confinement, Process

HEAD_BYTES = 24 * 1024
"""What is kept of the beginning: a compiler's first errors are the ones to mend."""
TAIL_BYTES = 24 * 1024
"""What is kept of the end, where tools sum up."""
READ_BYTES = 64 * 1024
READS_MAX = 16
"""Reads in a row before the loop gets its turn."""
KILLED_S = 8.0
"""How long a killed tree is waited for: longer than a kill is repeated."""
FILES = 65_536
"""Open files of a build: linkers and package managers open hundreds at once."""
LINE_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended: its exit code (minus a signal's number), None where its time was up; and what it printed."""

    status: int | None
    printed: str


class Printed:
    """What a program prints: the beginning and the end of it, and each line as it comes."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._rest: dict[int, bytes] = {}

    def take(self, fd: int, data: bytes) -> None:
        """Take what one of its pipes gave."""
        room = HEAD_BYTES - len(self._head)
        self._head += data[:room]
        self._tail += data[max(room, 0) :]
        over = len(self._tail) - TAIL_BYTES
        if over > 0:
            del self._tail[:over]
            self._dropped += over
        *lines, self._rest[fd] = (self._rest.get(fd, b"")[-LINE_CHARS_MAX:] + data).split(b"\n")
        if lines and (last := lines[-1].decode("utf-8", "replace").strip()):
            self._on_line(last[:LINE_CHARS_MAX])

    def text(self) -> str:
        """All that was kept."""
        gap = f"\n… {self._dropped} bytes left out …\n".encode() if self._dropped else b""
        return bytes(self._head + gap + self._tail).decode("utf-8", "replace").strip()


async def run(
    confinement: Confinement,
    step: Step,
    env: Mapping[str, str],
    timeout_s: float,
    on_line: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Run one step to its end. Cancelling kills it. Raises `OSError` where it cannot be started."""
    launch = Launch(argv=step.argv, env={**env, **step.env}, cwd=str(step.cwd), limits=Limits(files=FILES), wired=False)
    process = await confinement.start(launch, None)
    printed = Printed(on_line)
    loop = asyncio.get_running_loop()
    pipes = (process.stdout_fd, process.stderr_fd)
    for fd in pipes:
        loop.add_reader(fd, _read, loop, fd, printed)
    try:
        status = await _wait(process, timeout_s)
    finally:
        for fd in pipes:
            _read(loop, fd, printed)
            loop.remove_reader(fd)
            os.close(fd)
    return Outcome(status, printed.text())


async def _wait(process: Process, timeout_s: float) -> int | None:
    try:
        async with asyncio.timeout(timeout_s):
            return (await process.wait()).status
    except TimeoutError:
        await _end(process)
        return None
    except BaseException:
        await _end(process)
        raise


async def _end(process: Process) -> None:
    process.kill()
    await asyncio.wait((asyncio.ensure_future(process.wait()),), timeout=KILLED_S)


def _read(loop: asyncio.AbstractEventLoop, fd: int, printed: Printed) -> None:
    try:
        for _ in range(READS_MAX):
            data = os.read(fd, READ_BYTES)
            if not data:
                loop.remove_reader(fd)
                return
            printed.take(fd, data)
    except BlockingIOError:
        return
    except OSError:
        loop.remove_reader(fd)
