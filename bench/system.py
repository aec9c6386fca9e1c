"""Processes as the bench sees them: started, pinned, weighed and surely ended."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

READY_S_MAX = 60.0
"""A server that is not ready by then never will be: the slowest peer takes 2 s on two cores."""
END_S_MAX = 10.0
"""How long a server may take to end by itself before it is killed."""
PIN_CORE = 0


class Missing(Exception):  # noqa: N818 - a condition of the machine, not an error
    """Something that a contestant needs is not on this machine; the message says how to get it."""


def tree(pid: int) -> list[psutil.Process]:
    """The process and all its living descendants, itself first; empty once it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds that a process has used, with those of its children that ended; 0 once it is gone.

    Its own come from its CPU clock, to the nanosecond; those of ended children are known to a tick of 10 ms only.
    """
    try:
        times = process.cpu_times()
        # Linux makes the id of another process's CPU clock from its pid: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED).
        own_s = time.clock_gettime((~process.pid << 3) | 2)
    except (psutil.NoSuchProcess, OSError):
        return 0.0
    return own_s + times.children_user + times.children_system


@dataclass(frozen=True, slots=True)
class Weight:
    """Memory of a tree in MB.

    `host_mb` is what its root has resident, `worker_mb` the largest of its other processes. `tree_mb` is what all of
    them take together, each shared page counted once (the sum of their proportional set sizes).
    """

    host_mb: float
    worker_mb: float
    tree_mb: float

    @classmethod
    def of(cls, pid: int) -> Weight:
        """Weigh a tree now; all 0 once it is gone."""
        resident: list[float] = []
        whole_mb = 0.0
        for process in tree(pid):
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                resident.append(memory.rss / 1e6)
                whole_mb += memory.pss / 1e6
        return cls(resident[0] if resident else 0.0, max(resident[1:], default=0.0), whole_mb)


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of a tree: its root's, and all its descendants'."""

    root_s: float
    rest_s: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Read the counters now."""
        members = [cpu_s(process) for process in tree(pid)]
        return cls(members[0], sum(members[1:])) if members else cls(0.0, 0.0)

    def since(self, before: Usage) -> Usage:
        """What was used between two readings."""
        return Usage(self.root_s - before.root_s, self.rest_s - before.rest_s)


@contextlib.contextmanager
def pinned(*pids: int) -> Generator[None]:
    """Keep this thread, and every thread of the given trees, on one core; what is started meanwhile inherits it."""
    cores = os.sched_getaffinity(0)
    try:
        _place({PIN_CORE}, pids)
        yield
    finally:
        _place(cores, pids)


def _place(cores: set[int], pids: Sequence[int]) -> None:
    os.sched_setaffinity(0, cores)
    for pid in pids:
        for process in tree(pid):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                for thread in process.threads():
                    os.sched_setaffinity(thread.id, cores)


@contextlib.contextmanager
def running(command: Sequence[str], descriptors: Sequence[int] = ()) -> Generator[Child]:
    """A child and its whole tree, ended with the block whatever happens in it."""
    with tempfile.TemporaryFile() as output:
        child = _start(command, output, descriptors)
        try:
            yield child
        finally:
            child.end()


def _start(command: Sequence[str], output: IO[bytes], descriptors: Sequence[int]) -> Child:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=tuple(descriptors)
    )
    return Child(command, process, output)


@dataclass(frozen=True, slots=True)
class Child:
    """A started process and what it prints."""

    command: Sequence[str]
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def check(self) -> None:
        """Raise `RuntimeError`, with the tail of what it printed, where it has ended by itself."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{' '.join(self.command)} ended with {self.process.returncode}: {self.tail()}")

    def tail(self) -> str:
        """The last line that it printed."""
        self.output.seek(0)
        lines = self.output.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def end(self) -> None:
        """Ask it to end, then make it; nothing of its tree is left."""
        members = tree(self.process.pid)
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_S_MAX)
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(END_S_MAX)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
