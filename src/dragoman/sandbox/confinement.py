"""The port that every child process starts through, and the values it takes and gives.

The base tier is always on: no new privileges, resource limits, only the descriptors meant for the child, a session of
its own, death with its host, and a kill that reaches the whole tree. Stronger tiers stand behind the same port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker may use; 0 leaves a limit as the system has it.

    `memory_bytes` bounds the data segment of each process of the tree (address space cannot be bounded: V8 and the
    JVM reserve gigabytes that they never touch); `files` is open descriptors, `file_bytes` the largest file written.
    """

    memory_bytes: int = 0
    files: int = 1024
    processes: int = 0
    file_bytes: int = 0
    core_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker: a program (`argv`), or a trusted Python entry run in a forked keeper (`entry`).

    `entry` is `"package.module:function"`, called with the wire's descriptor number and a function that kills every
    process it has left behind (True when all are gone); it serves the `exec` mode, which then pays for no interpreter
    start. `env` is the worker's whole environment: nothing is inherited. `fds` are further descriptors to hand over:
    the key names the environment variable that tells the worker the number. A program that is not `wired` is given no
    wire: it finds another way to its host, or is no worker at all.
    """

    argv: tuple[str, ...] = ()
    entry: str = ""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: str = "/"
    limits: Limits = Limits()
    fds: Mapping[str, int] = field(default_factory=dict[str, int])
    wired: bool = True


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: its exit code, or minus the number of the signal that ended it."""

    status: int

    def __str__(self) -> str:
        """In words, for a fault's detail."""
        return f"exit code {self.status}" if self.status >= 0 else f"signal {-self.status}"


class Process(Protocol):
    """A started child and everything that it starts.

    `stdout_fd` and `stderr_fd` are the read ends of its pipes, non-blocking; they are the caller's to close.
    """

    pid: int
    stdout_fd: int
    stderr_fd: int

    async def wait(self) -> Exit:
        """Wait for the child itself to end, and for every process that it left behind to be killed and gone."""
        ...

    def kill(self) -> None:
        """Kill the whole tree, whoever left its session, ignores SIGTERM or is stopped. Returns at once."""
        ...


class Confinement(Protocol):
    """Starts children, confined."""

    @property
    def tier(self) -> str:
        """The name of what is really in force, for `check` and the logs."""
        ...

    async def start(self, launch: Launch, wire_fd: int | None) -> Process:
        """Start a child that inherits `wire_fd` (number in the environment as `DRAGOMAN_WIRE_FD`) if it is wired.

        The caller keeps its own copy of `wire_fd` and may close it afterwards. Raises `OSError` where the program
        cannot be started.
        """
        ...

    async def aclose(self) -> None:
        """Kill every child that is left and end whatever helper process this implementation runs."""
        ...
