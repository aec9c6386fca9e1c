"""Whether the process of a runner is gone for certain, as far as this machine can tell.

A runner that is not known to be gone may be dead all the same: on another machine, in another namespace of process ids.
Then only its count tells, by standing still. The other way round nothing is guessed: whoever is said to be gone is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from dragoman.tasks.task import Runner

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SPACE = Path("/proc/self/ns/pid")
_STATE = 0
_BORN_AT = 19
"""Fields of `/proc/PID/stat`, counted behind the command's name: the state, and the start in ticks since the boot."""
_DEAD = ("Z", "X", "x")


class Place(NamedTuple):
    """Which process this is, such that no other one ever is the same. Empty where the machine does not say."""

    pid: int
    born_at: float
    boot: str
    space: str


def place() -> Place:
    """Where this process is."""
    return Place(os.getpid(), _born_at(os.getpid()), _boot(), _space())


def runner(id: str, name: str = "") -> Runner:  # noqa: A002 - the field's public name
    """This process as a runner."""
    here = place()
    return Runner(id, here.pid, here.born_at, here.boot, here.space, name)


def has_gone(process: Runner | Place) -> bool:
    """Whether a process is gone for certain. False where it lives, and where nobody here can know."""
    known_here = process.boot and process.space and (process.boot, process.space) == (_boot(), _space())
    if not known_here or process.pid <= 0:
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # Somebody else's process: there it is, and perhaps another one than it was.
        pass
    born_at = _born_at(process.pid)
    return born_at < 0 or (born_at > 0 and process.born_at > 0 and born_at != process.born_at)


def _born_at(pid: int) -> float:
    """When a process was started, in seconds since the boot; 0 where that is not to be had, -1 if it is a zombie."""
    try:
        # The name of the command may hold anything, brackets and blanks included.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    if fields[_STATE] in _DEAD:
        return -1.0
    return int(fields[_BORN_AT]) / os.sysconf("SC_CLK_TCK")


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _space() -> str:
    try:
        return str(_SPACE.readlink())
    except OSError:
        return ""
