"""Forking children of one process, a zygote, for a host: what the spawner and a keeper are to other workers, in one.

Runs inside the zygote, in its main thread, and returns in each child. A child makes itself the leader of a session and
adopts its own orphans; when it has ended, what it left comes to the zygote, which kills everything below itself that
descends from no living child. Only then is the child reported as ended.
"""

from __future__ import annotations

import array
import errno
import gc
import os
import select
import signal
import socket
import time
from contextlib import suppress

from dragoman.sandbox import order as orders
from dragoman.sandbox import prctl, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

STRIKE_MS = 2
"""Pause between two attempts on what ended children have left."""
LATELY_S = 0.25
"""For so long after its birth, what a child started has higher process ids than its own: they come round after 32768
births at the least, and no machine does that in this time."""
OWN_FDS = 3
"""Descriptors of every order before those that it names: the child's line to the host, its stdout and stderr."""
_FD_BYTES = array.array("i").itemsize


class _Forked:
    """A child: its line to the host, when it was born and, once it has ended, its wait status."""

    __slots__ = ("born_at", "control", "ended_at", "pid", "status")

    def __init__(self, pid: int, control: socket.socket, born_at: float) -> None:
        self.pid = pid
        self.control = control
        self.born_at = born_at
        self.ended_at = 0.0
        self.status = 0


class ForkServer:
    """Serves one host. Build it when everything is loaded: processes that are there by then are left alone."""

    def __init__(self, host: socket.socket, side: tuple[int, Callable[[], bool]], unfit: Callable[[], str]) -> None:
        """`host` carries orders, and its end ends the zygote.

        `side` is a further descriptor and what to do when it can be read: true where the zygote should end once its
        children have. `unfit` says, before each fork, why there must be none; empty where nothing speaks against it.
        """
        self._host = host
        self._side_fd, self._attend = side
        self._unfit = unfit
        self._children: dict[int, _Forked] = {}
        self._controls: dict[int, _Forked] = {}
        self._ended: list[_Forked] = []
        self._strays = 0
        self._leaving = False
        self._own = {pid for pid, _ in tree.members(os.getpid())}
        self._wake_fd, self._wake_in_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._signal_before: Any = signal.signal(signal.SIGCHLD, _wake)
        self._wake_before = signal.set_wakeup_fd(self._wake_in_fd, warn_on_full_buffer=False)
        self._poll = select.poll()
        prctl.adopt_orphans()

    def run(self) -> Mapping[str, int] | None:
        """Serve. Returns None at the end, and in every child the descriptors that its order named, by those names."""
        for fd in (self._host.fileno(), self._side_fd, self._wake_fd):
            self._poll.register(fd, select.POLLIN)
        while not (self._leaving and not self._children and not self._ended):
            ready = [fd for fd, _ in self._poll.poll(STRIKE_MS if self._ended else None)]
            for fd in ready:
                if fd == self._wake_fd:
                    os.read(fd, 512)
                elif fd == self._side_fd:
                    self._leaving = self._attend() or self._leaving
                elif fd in self._controls:
                    self._kill(self._controls[fd])
            if self._host.fileno() in ready:
                data, fds = self._receive()
                if not data:
                    return None
                given = self._fork(data, fds)
                if given is not None:
                    return given
            tree.reap(self._reaped)
            self._bury()
        return None

    # Births

    def _receive(self) -> tuple[bytes, list[int]]:
        """Take one order and its descriptors; nothing at the host's end."""
        try:
            data, ancillary, _, _ = self._host.recvmsg(
                orders.PACKET_BYTES_MAX,
                socket.CMSG_SPACE(orders.DESCRIPTORS_MAX * _FD_BYTES),
                socket.MSG_CMSG_CLOEXEC,
            )
        except OSError:
            return b"", []
        fds = array.array("i")
        for _, _, part in ancillary:
            fds.frombytes(part[: len(part) - len(part) % _FD_BYTES])
        return data, list(fds)

    def _fork(self, data: bytes, fds: list[int]) -> Mapping[str, int] | None:
        """Fork a child. Returns its descriptors in it, and None in the zygote."""
        names = tuple(data[1:].decode().split())
        if not fds:  # the kernel drops what does not fit under the limit of open files: nobody can be told
            return None
        control = socket.socket(fileno=fds.pop(0))
        try:
            if len(fds) != OWN_FDS - 1 + len(names):
                raise OSError(errno.EMFILE, "the zygote may not open any more descriptors (limits.files)")  # noqa: TRY301 - one answer for both
            if reason := self._unfit():
                raise OSError(errno.EBUSY, reason)  # noqa: TRY301 - one answer for both
            born_at = time.monotonic()
            pid = os.fork()
        except OSError as error:
            _tell(
                control, orders.answer(orders.FAILED, error.errno or errno.EAGAIN, 0, f"cannot fork: {error.strerror}")
            )
            control.close()
        else:
            if pid == 0:
                control.close()
                return self._become(names, fds)
            child = self._children[pid] = self._controls[control.fileno()] = _Forked(pid, control, born_at)
            _tell(control, orders.answer(orders.STARTED, pid))
            self._poll.register(child.control.fileno(), select.POLLIN)
        for fd in fds:
            os.close(fd)
        return None

    def _become(self, names: tuple[str, ...], fds: list[int]) -> Mapping[str, int]:
        """Make this forked copy a child: nothing of the zygote's or of its siblings', and a tree of its own."""
        zygote = os.getppid()
        os.setsid()
        prctl.die_with_parent(signal.SIGKILL)
        if os.getppid() != zygote or zygote == 1:  # it died before its death could be announced
            os._exit(0)
        prctl.adopt_orphans()
        prctl.rename("dragoman-fork")
        signal.set_wakeup_fd(self._wake_before)
        signal.signal(signal.SIGCHLD, self._signal_before)
        for child in self._controls.values():
            child.control.close()
        self._host.close()
        os.close(self._wake_fd)
        os.close(self._wake_in_fd)
        for target, fd in enumerate(fds[: OWN_FDS - 1], start=1):
            os.dup2(fd, target)
            os.close(fd)
        gc.enable()
        return dict(zip(names, fds[OWN_FDS - 1 :], strict=True))

    # Deaths

    def _kill(self, child: _Forked) -> None:
        """Kill a child: the only order is that one, and an end of file means the same."""
        try:
            data = child.control.recv(64)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(child.control.fileno())
        if child.pid in self._children:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has not made its session yet
                os.kill(child.pid, signal.SIGKILL)

    def _reaped(self, pid: int, status: int) -> None:
        child = self._children.pop(pid, None)
        if child is None:
            self._strays += 1
            self._own.discard(pid)
        else:
            child.status, child.ended_at = status, time.monotonic()
            self._ended.append(child)

    def _bury(self) -> None:
        """Kill what ended children have left, and report them once there is nothing."""
        if not self._ended:
            return
        now, ended = time.monotonic(), self._ended
        self._ended = []  # whoever ends during the pass is spared by it, and has the next one
        if not self._strays_gone(self._since(ended, now)):
            lasting = [child for child in ended if now - child.ended_at < tree.SWEEP_S_MAX]
            for child in set(ended).difference(lasting):
                self._report(child, survived=True)
            self._ended += lasting
            return
        for child in ended:
            self._report(child, survived=False)

    def _report(self, child: _Forked, *, survived: bool) -> None:
        _tell(child.control, orders.answer(orders.ENDED, os.waitstatus_to_exitcode(child.status), int(survived)))
        self._forget(child)

    def _forget(self, child: _Forked) -> None:
        fd = child.control.fileno()
        del self._controls[fd]
        with suppress(KeyError):  # its host hung up first
            self._poll.unregister(fd)
        child.control.close()

    def _since(self, ended: list[_Forked], now: float) -> int:
        """The child before whose birth nothing that is looked for was born; 0 where that cannot be told by the ids."""
        first = min(ended, key=lambda child: child.born_at)
        return first.pid if now - first.born_at < LATELY_S else 0

    def _strays_gone(self, since: int) -> bool:
        """Kill whatever descends from this process and from no living child; true when there was nothing of it.

        As the spawner does: a pass during which a stray was reaped proves nothing.
        """
        self._strays = 0
        met = tree.strike(os.getpid(), self._children.keys() | self._own, since)
        tree.reap(self._reaped)
        return met == 0 and self._strays == 0


def _tell(control: socket.socket, message: bytes) -> None:
    try:
        control.send(message)
    except OSError:
        return  # the host has let the child go


def _wake(number: int, frame: object) -> None:
    """Do nothing in Python: having a handler makes the signal write to the wake-up pipe."""
