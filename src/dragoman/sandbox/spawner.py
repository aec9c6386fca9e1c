"""The spawner: a tiny process that forks a keeper for every worker, so that the host itself never forks.

It starts in some 15 ms with an empty environment, stays single-threaded and small (a fork of it is 0.5 ms whatever the
host weighs), and adopts what a killed keeper leaves behind. It ends with the host: it watches the host itself, for the
host's side of the socket may live on in a process that the host forked.
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

from dragoman.sandbox import keeper as keepers
from dragoman.sandbox import order as orders
from dragoman.sandbox import prctl, tree
from dragoman.sandbox.order import Order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

GOODBYE_S_MAX = 10.0
"""How long the spawner outlives its host: twice what a keeper may take to kill its tree."""

STRIKE_MS_MIN = 2
STRIKE_MS_MAX = 1000
"""Bounds of the pause between two attempts on orphans; it doubles, for one that lasts sits in the kernel."""

FDS_FIXED = 3
"""Descriptors in every order: the keeper's line to the host, the worker's stdout and stderr."""

_FD_BYTES = array.array("i").itemsize


class Spawner:
    """Serves one host over one socket."""

    def __init__(self, host: socket.socket, host_pid: int) -> None:
        """`host` carries orders and answers; `host_pid` is the process whose death ends everything."""
        self._host = host
        self._keepers: dict[int, int] = {}
        self._orphaned: list[tuple[int, int]] = []
        self._strays = 0
        self._wake_fd, wake_in_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, _wake)
        signal.set_wakeup_fd(wake_in_fd, warn_on_full_buffer=False)
        self._alive_fd, self._alive_in_fd = os.pipe2(os.O_CLOEXEC)
        self._host_fd = os.pidfd_open(host_pid)
        self._host_died = os.getppid() != host_pid

    def run(self) -> None:
        """Serve until the host closes its end or dies; then end every tree, and return."""
        poll = select.poll()
        for fd in (self._host.fileno(), self._host_fd, self._wake_fd):
            poll.register(fd, select.POLLIN)
        pause = STRIKE_MS_MIN
        while not self._host_died:
            ready = [fd for fd, _ in poll.poll(pause if self._orphaned else None)]
            if self._host_fd in ready:
                break
            if self._host.fileno() in ready and not self._take():
                break
            if self._wake_fd in ready:
                os.read(self._wake_fd, 512)
                pause = STRIKE_MS_MIN
            tree.reap(self._reaped)
            self._strike()
            pause = min(pause * 2, STRIKE_MS_MAX)
        self._say_goodbye(poll)

    def _take(self) -> bool:
        """Take one message from the host; False at its end."""
        try:
            data, ancillary, _, _ = self._host.recvmsg(
                orders.PACKET_BYTES_MAX * 2,
                socket.CMSG_SPACE(orders.DESCRIPTORS_MAX * _FD_BYTES),
                socket.MSG_CMSG_CLOEXEC,
            )
        except OSError:
            return False
        fds = array.array("i")
        for _, _, part in ancillary:
            fds.frombytes(part[: len(part) - len(part) % _FD_BYTES])
        kind = data[:1]
        if kind == orders.REMOVE:
            self._remove(int(data[1:]))
        elif kind in (orders.START, orders.START_IN_FILE):
            self._start(orders.from_file(fds.pop()) if kind == orders.START_IN_FILE else data[1:], list(fds))
        return bool(data)

    def _start(self, data: bytes, fds: list[int]) -> None:
        order = Order.unpack(data)
        control = socket.socket(fileno=fds.pop(0))
        try:
            if len(fds) != FDS_FIXED - 1 + len(order.names):
                # The kernel drops what does not fit under this process's own limit.
                raise OSError(errno.EMFILE, "the spawner may not open any more descriptors")  # noqa: TRY301 - one answer for both
            pid = os.fork()
        except OSError as error:
            control.send(orders.answer(orders.FAILED, error.errno or errno.EAGAIN, 0, f"cannot fork: {error.strerror}"))
        else:
            if pid == 0:
                self._keep(order, control, fds)
            self._keepers[pid] = order.id
        finally:
            control.close()
            for fd in fds:
                os.close(fd)

    def _keep(self, order: Order, control: socket.socket, fds: list[int]) -> None:
        status = keepers.UNCLEAN
        try:
            self._host.close()
            for fd in (self._alive_in_fd, self._wake_fd, signal.set_wakeup_fd(-1), self._host_fd):
                os.close(fd)
            status = keepers.Keeper(order, control, fds, self._alive_fd).run()
        except BaseException:  # noqa: BLE001 - a keeper must never return into the spawner's loop
            keepers.complain()
        finally:
            os._exit(status)

    def _remove(self, order_id: int) -> None:
        """Kill a keeper that does not answer; what it guarded comes to this process, and is killed here."""
        for pid, kept in self._keepers.items():
            if kept == order_id:
                os.kill(pid, signal.SIGKILL)

    def _reaped(self, pid: int, status: int) -> None:
        order_id = self._keepers.pop(pid, None)
        if order_id is None:
            self._strays += 1
        elif status != keepers.CLEAN:
            self._orphaned.append((order_id, os.waitstatus_to_exitcode(status)))

    def _strays_gone(self) -> bool:
        """Kill whatever descends from this process and from no keeper; True when there was nothing of it.

        A full pass meets every process that stays. One that forks and ends all the time may slip through, but leaves
        its dead here: a pass during which a stray was reaped proves nothing.
        """
        self._strays = 0
        met = tree.strike(os.getpid(), self._keepers.keys())
        tree.reap(self._reaped)
        return met == 0 and self._strays == 0

    def _strike(self) -> None:
        """Kill what the keepers that were killed have left; answer for them once there is nothing."""
        if not self._orphaned or not self._strays_gone():
            return
        gone, self._orphaned = self._orphaned, []
        for order_id, status in gone:
            try:
                self._host.send(orders.answer(orders.GONE, order_id, status))
            except OSError:
                return

    def _say_goodbye(self, poll: select.poll) -> None:
        os.close(self._alive_in_fd)
        poll.unregister(self._host.fileno())
        poll.unregister(self._host_fd)
        deadline = time.monotonic() + GOODBYE_S_MAX
        while time.monotonic() < deadline:
            if self._strays_gone() and not self._keepers:
                return
            if poll.poll(20):
                os.read(self._wake_fd, 512)


def _wake(number: int, frame: object) -> None:
    """Do nothing in Python: having a handler makes the signal write to the wake-up pipe."""


def main(arguments: Sequence[str]) -> None:
    """Run a spawner. `arguments`: the socket's descriptor number, the host's process id, modules to import at once."""
    os.setsid() if os.getsid(0) != os.getpid() else None
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        signal.signal(number, signal.SIG_DFL)
    os.chdir("/")
    os.umask(0o022)
    prctl.adopt_orphans()
    prctl.forbid_new_privileges()
    prctl.hide_memory()
    prctl.rename("dragoman-spawn")
    spawner = Spawner(socket.socket(fileno=int(arguments[0])), int(arguments[1]))
    for module in arguments[2:]:
        preload(module)
    gc.disable()
    gc.freeze()
    spawner.run()


def preload(module: str) -> None:
    """Import a module of entries, so that every fork has it. One that cannot be imported says so when it is started."""
    try:
        __import__(module)
    except Exception:  # noqa: BLE001 - whatever the module raises
        keepers.complain()
