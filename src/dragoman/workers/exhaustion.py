"""Memory and processors taken away beside the workers, on purpose, for a while.

By a process of its own, under the workers' limits and in their place, that is killed when its time is up, with its
source, and with the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from dragoman.core.ordeal import Ordeal, Trouble
from dragoman.sandbox.confinement import Launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.sandbox.confinement import Confinement, Limits

MEMORY_BYTES_MAX = 1024**3
MEMORY_SHARE = 0.5
"""Of the memory that is free, and no more than a gigabyte: a rehearsal makes it scarce, and does not have the system
kill whatever else runs on the machine."""
FOR_S_MAX = 3600.0
LATE_S = 1.0
"""How much longer than it was told to a process may take to end by itself."""

_MEMORY = """
import sys, time
until = time.monotonic() + float(sys.argv[1])
held, step = [], 1 << 20
try:
    for _ in range(int(sys.argv[2]) // step):
        held.append(b"\\1" * step)
        if time.monotonic() > until:
            break
except MemoryError:
    pass
time.sleep(max(until - time.monotonic(), 0))
"""
_CPU = """
import os, sys, time
until = time.monotonic() + float(sys.argv[1])
try:
    for _ in range(int(sys.argv[2]) - 1):
        if os.fork() == 0:
            break
except OSError:
    pass
while time.monotonic() < until:
    sum(range(10000))
os._exit(0)
"""


class Exhaustion:
    """What is taken away beside the workers of one source: at most one process for each kind at a time."""

    def __init__(self, confinement: Confinement, note: Callable[[str, str], None]) -> None:
        """`note(level, message)` is told where it does not work."""
        self._confinement = confinement
        self._note = note
        self._running: dict[Trouble, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, ordeal: Ordeal, limits: Limits) -> None:
        """Take memory or processors away, unless that is being done already."""
        if ordeal.trouble not in self._running:
            task = asyncio.ensure_future(self._run(ordeal, limits))
            self._running[ordeal.trouble] = task
            task.add_done_callback(lambda _: self._running.pop(ordeal.trouble, None))

    def end(self) -> None:
        """End it now."""
        for task in tuple(self._running.values()):
            task.cancel()

    async def _run(self, ordeal: Ordeal, limits: Limits) -> None:
        for_s = min(ordeal.for_s, FOR_S_MAX)
        if ordeal.trouble is Trouble.MEMORY:
            program, amount = _MEMORY, memory_to_take(limits.memory_bytes)
        else:
            program, amount = _CPU, os.cpu_count() or 1
        argv = (sys.executable, "-I", "-S", "-c", program, f"{for_s}", f"{amount}")
        try:
            process = await self._confinement.start(Launch(argv, limits=limits, wired=False), None)
        except OSError as error:
            self._note("warning", f"chaos cannot take {ordeal.trouble} away: {error}")
            return
        os.close(process.stdout_fd)
        os.close(process.stderr_fd)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(for_s + LATE_S):
                    await process.wait()
        finally:
            process.kill()


def memory_to_take(limit_bytes: int) -> int:
    """How much memory, in bytes, one process takes: what is free, within bounds, and within its own limit (0: none)."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    wanted = min(int(free * MEMORY_SHARE), MEMORY_BYTES_MAX)
    return min(wanted, limit_bytes) if limit_bytes else wanted
