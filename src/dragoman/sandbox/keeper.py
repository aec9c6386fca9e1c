"""The keeper: the small parent of one worker, which ends with all of the worker's tree and never before it.

It is forked from the spawner, puts the worker's attributes on itself, and starts the program by `posix_spawn`, which
inherits them: one fork of a tiny process and one vfork in all. An entry (trusted Python) is forked from it instead,
so that one loop here guards both kinds. As child subreaper the keeper adopts whatever the worker leaves behind.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import resource
import select
import signal
import sys
from importlib import import_module

from dragoman.sandbox import order as orders
from dragoman.sandbox import prctl, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from dragoman.sandbox.order import Order

    Entry = Callable[[int, Callable[[], bool]], object]

FIRST_FD = 3
"""The wire's descriptor number in the worker; the further ones follow."""

DESCRIPTORS_END = 4096
"""No descriptor of a spawner lies past this: it holds a handful beside those of one order."""

CLEAN = 0
UNCLEAN = 1

ENTRY_FAILED = 70
"""Exit code of an entry that raised (EX_SOFTWARE of sysexits.h)."""

PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin"

_HINTS = {
    errno.ENOEXEC: ": neither a program for this machine nor a script with a '#!' line",
    errno.EACCES: ": is it executable (chmod +x)?",
    errno.EAGAIN: ": the limit on processes counts all of this user's, not the worker's alone",
}

_LIMITS = (
    resource.RLIMIT_DATA,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_CORE,
)


class Keeper:
    """One worker's keeper. `fds` are the worker's stdout, stderr, and those that its order names."""

    def __init__(self, order: Order, control: socket.socket, fds: list[int], alive_fd: int) -> None:
        """`control` leads to the host; `alive_fd` is at end of file once the spawner is dead or wants to end."""
        self._order = order
        self._control = control
        self._fds = fds
        self._alive_fd = alive_fd
        self._worker = 0
        self._status: int | None = None
        self._wake_fd, self._wake_in_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def run(self) -> int:
        """Start the worker, guard it until it and all it started are gone, tell the host. Returns the exit code."""
        signal.set_wakeup_fd(self._wake_in_fd, warn_on_full_buffer=False)
        try:
            self._confine()
            self._worker = self._start()
        except (OSError, ValueError) as error:
            # A value that no program can be given (a NUL in an argument) is a ValueError of posix_spawn.
            number = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
            self._tell(orders.answer(orders.FAILED, number, 0, self._explain(error)))
            return CLEAN
        for fd in self._fds:
            os.close(fd)
        self._tell(orders.answer(orders.STARTED, self._worker))
        self._guard()
        gone = self._end()
        status = -signal.SIGKILL if self._status is None else os.waitstatus_to_exitcode(self._status)
        self._tell(orders.answer(orders.ENDED, status, 0 if gone else 1))
        return CLEAN if gone else UNCLEAN

    def _confine(self) -> None:
        os.setsid()
        prctl.adopt_orphans()
        prctl.rename("dragoman-keep")
        # Behind all targets first, so that no source is overwritten by an earlier one.
        aside = FIRST_FD + len(self._fds)
        for index, fd in enumerate(self._fds):
            try:
                self._fds[index] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, aside)
            except OSError as error:
                if error.errno in (errno.EINVAL, errno.EMFILE):  # the one for numbers that the limit leaves out
                    raise OSError(errno.EMFILE, few_files()) from error
                raise
            os.close(fd)
        os.chdir(self._order.cwd)
        for which, value in zip(_LIMITS, self._order.limits, strict=True):
            if value or which == resource.RLIMIT_CORE:
                hard = resource.getrlimit(which)[1]
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)  # noqa: PLW2901 - never raised
                resource.setrlimit(which, (value, value))

    def _start(self) -> int:
        targets = dict(zip(self._fds, (1, 2, *range(FIRST_FD, FIRST_FD + len(self._fds) - 2)), strict=True))
        env = dict(self._order.env)
        for name, number in zip(self._order.names, list(targets.values())[2:], strict=True):
            env[name] = str(number)
        if self._order.entry:
            return self._enter(resolve(self._order.entry), targets, env)
        return os.posix_spawn(
            find_program(self._order.argv[0], env.get("PATH", PATH_DEFAULT)),
            self._order.argv,
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, source, target) for source, target in targets.items()],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )

    def _enter(self, entry: Entry, targets: dict[int, int], env: dict[str, str]) -> int:
        keeper = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        status = ENTRY_FAILED
        try:
            become(targets, env)
            if os.getppid() == keeper:  # else the keeper died before its death could be announced
                entry(FIRST_FD, tree.sweep)
                status = 0
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except BaseException:  # noqa: BLE001 - the last frame of the process: it is told and turned into an exit code
            complain()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status & 0xFF)

    def _guard(self) -> None:
        """Wait until the worker has ended, or the host or the spawner wants it to."""
        poll = select.poll()
        control_fd = self._control.fileno()
        for fd in (control_fd, self._alive_fd, self._wake_fd):
            poll.register(fd, select.POLLIN)
        while self._status is None:
            for fd, _ in poll.poll():
                if fd != self._wake_fd:
                    return  # the only order is to kill, and an end of file means the same
                os.read(fd, 512)
                tree.reap(self._reaped)

    def _reaped(self, pid: int, status: int) -> None:
        if pid == self._worker:
            self._status = status

    def _end(self) -> bool:
        if self._status is None:
            try:
                os.killpg(self._worker, signal.SIGKILL)
            except ProcessLookupError:  # an entry that has not made its session yet
                os.kill(self._worker, signal.SIGKILL)
        return tree.sweep(self._reaped)

    def _tell(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except OSError:
            return  # the host is gone, and so will this tree be

    def _explain(self, error: Exception) -> str:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if self._order.entry:
            return f"cannot start the entry {self._order.entry}: {reason}"
        program = self._order.argv[0]
        where = error.filename if isinstance(error, OSError) else None
        if where == self._order.cwd:
            return f"cannot start {program!r} in the folder {where!r}: {reason}"
        number = error.errno if isinstance(error, OSError) else 0
        if number == errno.ENOENT and where and os.path.exists(where):  # noqa: PTH110 - pathlib costs 8 ms to import
            reason += ": the file is there, but the interpreter that its '#!' line names is not"
        return f"cannot start {program!r}: {reason}{_HINTS.get(number or 0, '')}"


def few_files() -> str:
    """What is wrong where the limit on open files is too low for a worker to start, and what to do."""
    least = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"only {least} files may be open here: allow more (ulimit -n 1024, or LimitNOFILE=1024 of a systemd unit)"


def become(targets: dict[int, int], env: dict[str, str]) -> None:
    """Make a forked keeper into the process of an entry: its own session, descriptors, environment, orphans."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    prctl.die_with_parent(signal.SIGKILL)
    prctl.adopt_orphans()
    prctl.rename("dragoman-guest")
    for source, target in targets.items():
        os.dup2(source, target)
    os.closerange(1 + max(targets.values()), DESCRIPTORS_END)
    gc.enable()
    os.environ.clear()
    os.environ.update(env)


def complain() -> None:
    """Print the current exception with its traceback, without the 10 ms that importing `traceback` costs."""
    kind, error, trace = sys.exc_info()
    if kind is not None and error is not None:
        sys.excepthook(kind, error, trace)


def resolve(entry: str) -> Entry:
    """Find `"package.module:function"`. Raises `OSError` where there is no such thing."""
    module, _, name = entry.partition(":")
    try:
        return getattr(import_module(module), name)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise OSError(errno.ENOENT, message) from error


def find_program(program: str, path: str) -> str:
    """Where a program lies: itself if it has a slash, else the first match in `path`. Raises `FileNotFoundError`."""
    if "/" in program:
        return program
    for folder in path.split(":"):
        candidate = f"{folder or '.'}/{program}"
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):  # noqa: PTH112 - pathlib costs 8 ms to import
            return candidate
    message = f"no such program in PATH ({path})"
    raise FileNotFoundError(errno.ENOENT, message, "")
