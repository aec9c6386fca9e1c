"""The tree of processes below one: who belongs to it, and killing all of it.

The root is a child subreaper, so whatever a descendant does (fork twice, leave its session, clear its environment), its
chain of parents still leads to the root: membership is exact and needs no marks. SIGKILL stops a process from forking
as surely as SIGSTOP would, and is the end of a stopped one too, so there is no separate freeze. One pass over `/proc`
is not atomic; passes are repeated until the kernel says that the root has no child left.

A process that forks and exits in a chain lives too short for a full pass to meet it: every pass therefore begins at the
newest process ids. Standard library only, and little of it: the spawner starts in milliseconds.
"""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

NEWEST = 64
"""Process ids looked at before the full pass: a chain of forks gets this far in the time that 64 reads take."""

SPAN_MAX = 256
"""Process ids that are looked at one by one, at 15 µs each, before a full pass is no dearer."""

SWEEP_S_MAX = 5.0
"""How long a sweep goes on: past it a process sits in the kernel (a dead network disk) and no signal can end it."""


def _stat(pid: int) -> tuple[int, int, bool] | None:
    """Parent, process group and "still runs" of a process; None if there is none."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # The name is in brackets and may hold anything, brackets too; no later field does.
        state, parent, group, _ = os.read(fd, 512).rpartition(b")")[2].split(None, 3)
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)
    return int(parent), int(group), state not in b"ZX"


def _newest() -> int:
    with open("/proc/loadavg", "rb", buffering=0) as load:  # noqa: PTH123 - pathlib costs 8 ms to import
        return int(load.read(128).split()[-1])


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - pathlib costs 8 ms to import


def _candidates(since: int) -> Iterator[int]:
    newest = _newest()
    if since and 0 <= newest - since <= SPAN_MAX:
        yield from range(newest, since, -1)
        return
    yield from range(newest, max(newest - NEWEST, 0), -1)
    yield from sorted(_all(), reverse=True)


def _leads(pid: int) -> bool:
    """Whether this is a process and not a further thread of one, which `/proc` answers for as well."""
    try:
        os.close(os.pidfd_open(pid))
    except OSError:
        return False
    return True


def members(root: int, spared: AbstractSet[int] = frozenset(), since: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (process id, process group) of each running descendant of `root`, newest first.

    Those in `spared` and all below them are left out. Lazy, so that a caller may kill what it is given before the rest
    is looked at. A process that is born or adopted meanwhile may be missed: ask again. Where all that is looked for was
    born after the process `since`, and so lately that process ids have not come round, only those ids are looked at.
    """
    known = dict.fromkeys(spared, False)
    known[0] = False
    known[root] = True
    seen: set[int] = {root, *spared}
    stats: dict[int, tuple[int, int, bool] | None] = {}
    for candidate in _candidates(since):
        if candidate in seen:
            continue
        seen.add(candidate)
        chain: list[int] = []
        pid = candidate
        while pid not in known:
            chain.append(pid)
            stat = stats[pid] = _stat(pid)
            if stat is None:
                known[pid] = False
            else:
                pid = stat[0]
        for link in chain:
            known[link] = known[pid]
        if (
            known[candidate]
            and (stat := stats[candidate]) is not None
            and stat[2]
            and (not spared or _leads(candidate))
        ):
            yield candidate, stat[1]


def strike(root: int, spared: AbstractSet[int] = frozenset(), since: int = 0) -> int:
    """Send SIGKILL to every descendant of `root` outside `spared`, once, and to their process groups; see `members`.

    Returns how many were met. A group is killed in one stroke of the kernel, which no fork inside it can outrun.
    """
    own = os.getpgid(root)
    groups = {own}
    met = 0
    for pid, group in members(root, spared, since):
        met += 1
        _kill(os.kill, pid)
        if group not in groups:
            groups.add(group)
            _kill(os.killpg, group)
    return met


def _kill(send: Callable[[int, int], None], target: int) -> None:
    try:
        send(target, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # gone meanwhile; or not ours, which a process without new privileges can never become


def sweep(reaped: Callable[[int, int], object] | None = None, budget_s: float = SWEEP_S_MAX) -> bool:
    """Kill every descendant of the calling process, which must be a subreaper, and wait until they are gone.

    `reaped` is told each child's process id and wait status. Cheap when there is nothing left: one system call.
    Returns False if some process could not be ended within `budget_s` seconds.
    """
    if reap(reaped):
        return True
    deadline = time.monotonic() + budget_s
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        while time.monotonic() < deadline:
            strike(os.getpid())
            if reap(reaped):
                return True
            signal.sigtimedwait({signal.SIGCHLD}, 0.002)
            if reap(reaped):
                return True
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return False


def reap(reaped: Callable[[int, int], object] | None) -> bool:
    """Collect every child that has ended; True if the caller has no child left, and so no descendant."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return False
        if reaped is not None:
            reaped(pid, status)


def strike_session(leader: int) -> None:
    """Kill every process of a session: the last resort, where whoever could know the tree has been killed too."""
    for pid in _all():
        try:
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
