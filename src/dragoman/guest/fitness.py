"""Whether a process may be forked: which threads run in it, and which descriptors must not be shared by two.

A thread is not copied by a fork, but the locks that it holds are, and stay locked for ever in the copy. Two processes
that share a connection read each other's answers, and a shared epoll instance tells one of the other's descriptors.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

_TASKS, _DESCRIPTORS = "/proc/self/task", "/proc/self/fd"
END_S_MAX = 0.2
"""How long a thread that has been joined may take to leave the kernel's list too."""
NAMED_MAX = 8
"""Threads or descriptors that are named one by one; of more, how many."""
_SHARED_BADLY = {
    "anon_inode:[eventpoll]": "an epoll instance (an event loop?)",
    "anon_inode:[io_uring]": "an io_uring",
}


def thread_count() -> int:
    """Threads of this process, the kernel's view; 3 µs."""
    return os.stat(_TASKS).st_nlink - 2  # noqa: PTH116 - `pathlib` takes 5 ms of a start


def descriptors() -> dict[int, str]:
    """Open descriptors, and what each is, in the kernel's words."""
    found: dict[int, str] = {}
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - `pathlib` takes 5 ms of a start
        try:
            found[int(name)] = os.readlink(f"{_DESCRIPTORS}/{name}")  # noqa: PTH115 - `pathlib` takes 5 ms of a start
        except OSError:
            continue  # the one that listed them
    return found


def why_unfit(before: dict[int, str], source: str) -> str:
    """Why a process that has loaded `source` cannot be forked; empty where it can. `before` is what was open then."""
    deadline = time.monotonic() + END_S_MAX
    while thread_count() > 1 and time.monotonic() < deadline and not _python_threads():
        time.sleep(0.002)
    advice = "start them in the function, or set fork_safe = true if they hold no lock and nobody needs them"
    if thread_count() > 1 and (running := list(_threads())):
        return f"{source} cannot be forked, for its import leaves threads running: {_listed(running)}; {advice}"
    opened = [
        _described(fd, what)
        for fd, what in descriptors().items()
        if before.get(fd) != what and (what.startswith("socket:") or what in _SHARED_BADLY)
    ]
    if opened:
        advice = "open them in the function, or set fork_safe = true if calls may share them"
        return f"{source} cannot be forked, for its import leaves open {_listed(opened)}; {advice}"
    return ""


def _listed(names: list[str]) -> str:
    rest = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {rest} more" if rest > 0 else "")


def _python_threads() -> list[Any]:
    threading: Any = sys.modules.get("threading")
    return [] if threading is None else [each for each in threading.enumerate() if each is not threading.main_thread()]


def _threads() -> Iterator[str]:
    """Each thread but the main one: those of Python by name and what they run, others by the kernel's name."""
    known = _python_threads()
    for thread in known:
        target: Any = getattr(thread, "_target", None) or cast("Any", type(thread))
        module, name = getattr(target, "__module__", "?"), getattr(target, "__qualname__", repr(target))
        yield f"{thread.name!r} (runs {module}.{name})"
    idents = {thread.ident for thread in known}
    own = _main_ident()
    nameless = 0
    frames: Any = getattr(sys, "_current_frames")  # noqa: B009 - there is no other way to see them
    for ident, frame in frames().items():
        if ident in idents or ident == own:
            continue
        while frame.f_back is not None:
            frame = frame.f_back  # noqa: PLW2901 - walks to the outermost
        nameless += 1
        yield f"one without a name (runs {frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name})"
    natives = {thread.native_id for thread in known} | {os.getpid()}
    for tid in os.listdir(_TASKS):  # noqa: PTH208 - `pathlib` takes 5 ms of a start
        if int(tid) in natives:
            continue
        name = _name_of(tid)
        if nameless and name == _name_of(str(os.getpid())):
            nameless -= 1  # told above: who started it with `_thread` is not told the kernel's number
        elif name:
            yield f"{name!r} (of a library in C)"


def _main_ident() -> int:
    threading: Any = sys.modules.get("threading")
    if threading is not None:
        return threading.main_thread().ident
    from _thread import get_ident  # noqa: PLC0415 - rare

    return get_ident()


def _name_of(tid: str) -> str:
    try:
        with open(f"{_TASKS}/{tid}/comm", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            return file.read().strip()
    except OSError:
        return ""  # it has just ended


def _described(fd: int, what: str) -> str:
    if what in _SHARED_BADLY:
        return f"{_SHARED_BADLY[what]}, descriptor {fd}"
    import socket  # noqa: PLC0415 - 5 ms, for a source that is about to be refused

    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            try:
                return f"a connection to {_address(sock.getpeername())}, descriptor {fd}"
            except OSError:
                return f"a socket at {_address(sock.getsockname())}, descriptor {fd}"
    except OSError:
        return f"a socket, descriptor {fd}"


def _address(address: Any) -> str:
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return repr(address) if address else "another end in this process, or a nameless one"
