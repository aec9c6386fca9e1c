"""One program, and one run of it for one call.

The wire, the pipes and the process itself (a pidfd) are watched in one `poll`, so that a call can be cancelled and the
host answered while the program runs. The call ends when the program does, not when its pipes do: something it started
may hold them. This side keeps the writing ends open meanwhile, which spares a wake-up for each pipe's hang-up.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import (
    Cancelled,
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    Started,
    StartFailed,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

READ_BYTES = 64 * 1024
"""What a pipe holds."""

_HINTS = {
    errno.ENOEXEC: ": it is neither a program for this machine nor a script with a '#!' line",
    errno.EACCES: ": is it executable (chmod +x), and is the interpreter of its '#!' line?",
    errno.EAGAIN: ": the limit on processes counts all of this user's, not the worker's alone",
}

_SIGNALS_RESET = (signal.SIGPIPE, signal.SIGXFSZ)
"""Those that Python ignores, which an exec would hand down."""


class Output(Protocol):
    """Where a run's output goes."""

    def take(self, data: bytes) -> None:
        """Take some of stdout. Raises a `Fault` to stop the program."""
        ...

    def ready(self) -> bool:
        """Whether more may be taken now."""
        ...

    def log(self, data: bytes) -> None:
        """Take some of stderr."""
        ...


class Host(Protocol):
    """The host's side of a run."""

    fd: int
    cancelled: bool

    def attend(self) -> None:
        """Read what the host says."""
        ...

    def flush(self) -> None:
        """Send the host what waits for it."""
        ...


class Run:
    """A running program. Invariant: once `finish` or `close` returns, nothing that it started is left."""

    def __init__(self, name: str, host: Host, sweep: Callable[[], bool], deadline: float) -> None:
        """Start nothing yet.

        `sweep` kills all that this process has left behind; `deadline` is a moment on the monotonic clock.
        """
        self._name = name
        self._host = host
        self._sweep = sweep
        self._deadline = deadline
        self._pid = 0
        self._pid_fd = -1
        self._fds: list[int] = []
        self._feed = memoryview(b"")
        self._feed_fd = self._out_fd = self._err_fd = -1
        self._reading = True

    def start(self, path: str, argv: list[bytes], env: Mapping[str, str], feed: bytes | None) -> None:
        """Start it; `feed` is what it reads on stdin. Raises `StartFailed`, `InvalidArgument` (too long a list)."""
        if self._deadline <= monotonic():
            raise DeadlineExceeded(f"the deadline passed before {self._name} began", started=Started.NO)
        actions: list[tuple[int, int, int]] = []
        try:
            self._out_fd = self._pipe(actions, 1)
            self._err_fd = self._pipe(actions, 2)
            if feed is not None:
                self._open_feed(actions, feed)
            self._pid = os.posix_spawn(path, argv, env, file_actions=actions, setsid=True, setsigdef=_SIGNALS_RESET)
            self._pid_fd = os.pidfd_open(self._pid)
        except OSError as error:
            if error.errno == errno.E2BIG:
                detail = "the input makes a longer argument list than a program can be given (about 2 MB)"
                raise InvalidArgument(detail, started=Started.NO) from None
            raise StartFailed(f"cannot start {path!r}: {_why(error, path)}") from None

    def finish(self, output: Output) -> int:
        """Wait for its end; return its exit code, minus the signal if one ended it.

        Raises the fault that ended it before: `Cancelled`, `DeadlineExceeded`, or whatever `output` raises.
        """
        poll = select.poll()
        poll.register(self._host.fd, select.POLLIN)
        poll.register(self._pid_fd, select.POLLIN)
        poll.register(self._out_fd, select.POLLIN)
        poll.register(self._err_fd, select.POLLIN)
        if self._feed_fd >= 0:
            poll.register(self._feed_fd, select.POLLOUT)
        while True:
            self._host.flush()
            ready = [fd for fd, _ in poll.poll(self._patience())]
            if self._host.fd in ready:
                self._attend(poll, output)
            if self._pid_fd in ready:
                break
            self._transfer(poll, ready, output)
            self._check()
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        self._sweep()
        self._drain(output)
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """Kill whatever still runs, and let go of the pipes."""
        if self._pid:
            try:
                os.killpg(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(self._pid, signal.SIGKILL)  # it is this process's child, unreaped: the number is still its own
            self._sweep()
            self._pid = 0
        for fd in (*self._fds, self._pid_fd, self._feed_fd):
            if fd >= 0:
                os.close(fd)
        self._fds.clear()
        self._pid_fd = self._feed_fd = -1

    def _pipe(self, actions: list[tuple[int, int, int]], number: int) -> int:
        read_fd, write_fd = os.pipe()
        self._fds += (read_fd, write_fd)
        os.set_blocking(read_fd, False)
        actions.append((os.POSIX_SPAWN_DUP2, write_fd, number))
        return read_fd

    def _open_feed(self, actions: list[tuple[int, int, int]], feed: bytes) -> None:
        read_fd, self._feed_fd = os.pipe()
        self._fds.append(read_fd)
        os.set_blocking(self._feed_fd, False)
        actions.append((os.POSIX_SPAWN_DUP2, read_fd, 0))
        self._feed = memoryview(feed)
        self._write_feed()

    def _write_feed(self) -> bool:
        """Write what stdin takes; false once that is over."""
        try:
            while self._feed:
                self._feed = self._feed[os.write(self._feed_fd, self._feed) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            pass  # the program has read enough
        os.close(self._feed_fd)
        self._feed_fd = -1
        return False

    def _patience(self) -> float | None:
        if self._deadline == float("inf"):
            return None
        return max(self._deadline - monotonic(), 0.0) * 1000

    def _attend(self, poll: select.poll, output: Output) -> None:
        self._host.attend()
        if not self._reading and output.ready():
            self._reading = True
            poll.register(self._out_fd, select.POLLIN)

    def _transfer(self, poll: select.poll, ready: list[int], output: Output) -> None:
        if self._feed_fd in ready and self._feed_fd >= 0:
            fd = self._feed_fd
            if not self._write_feed():
                poll.unregister(fd)
        if self._err_fd in ready:
            output.log(os.read(self._err_fd, READ_BYTES))
        if self._out_fd in ready:
            output.take(os.read(self._out_fd, READ_BYTES))
            if not output.ready():
                self._reading = False
                poll.unregister(self._out_fd)  # the pipe fills up, and the program waits

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Listen to the host until the condition holds: there is credit for the rest of a stream, say."""
        poll = None
        while not condition():
            self._check()  # first: the cancellation may have been read together with the program's end
            self._host.flush()
            if poll is None:
                poll = select.poll()
                poll.register(self._host.fd, select.POLLIN)
            if poll.poll(self._patience()):
                self._host.attend()

    def _check(self) -> None:
        if self._host.cancelled:
            raise Cancelled(f"{self._name} was cancelled, and the program killed", started=Started.YES)
        if self._deadline <= monotonic():
            raise DeadlineExceeded(f"{self._name} ran past its deadline, and was killed", started=Started.YES)

    def _drain(self, output: Output) -> None:
        """Take what is left in the pipes: all of it, since nobody writes any more; at most what pipes hold."""
        while _move(self._err_fd, output.log):
            pass
        self.wait_for(output.ready)
        while _move(self._out_fd, output.take):
            self.wait_for(output.ready)


def _why(error: OSError, path: str) -> str:
    reason = error.strerror or str(error)
    if error.errno == errno.ENOENT and os.path.exists(path):  # noqa: PTH110 - pathlib costs 8 ms to import
        return "the interpreter that its '#!' line names is not there (a line that ends in CR LF names none)"
    return reason + _HINTS.get(error.errno or 0, "")


def _move(fd: int, take: Callable[[bytes], None]) -> bool:
    try:
        data = os.read(fd, READ_BYTES)
    except BlockingIOError:
        return False
    take(data)
    return bool(data)


def check_exit(name: str, status: int, tail: str) -> None:
    """Raise `Unknown` for any end but exit code 0. `tail` is the end of what the program said on stderr."""
    if not status:
        return
    said = f": {tail}" if tail else ""
    if status > 0:
        raise Unknown(f"{name} exited with code {status}{said}", started=Started.YES)
    try:
        number = signal.Signals(-status).name
    except ValueError:
        number = f"signal {-status}"
    raise Unknown(f"{name} was killed by {number}{said}", started=Started.YES)


def too_much(name: str, bytes_max: int) -> ResourceExhausted:
    """The fault for a program that prints more than it may."""
    detail = f"{name} printed more than {bytes_max} bytes and was killed; raise output_max if that is meant"
    return ResourceExhausted(detail, started=Started.YES)
