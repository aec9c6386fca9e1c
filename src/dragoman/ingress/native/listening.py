"""The sockets of the native ingress: taken before anything else is started, and left as they were found.

A socket's file outlives the program that made it, unless that removes it. So one that nobody listens to is replaced,
under a lock of its folder, that two hosts which start at once do not take each other's for a stale one; and only the
file that was made here is removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.wire.address import NativeAddress, read_native

if TYPE_CHECKING:
    from collections.abc import Generator

    from dragoman.ingress.native.guard import Guard

BACKLOG = 1024
"""Clients that may wait to be accepted."""
PROBE_S = 1.0
"""How long a socket that is there may take to say whether somebody listens to it."""


class Listening:
    """One socket that clients connect to. `guard` is None where its clients are not users of this machine."""

    def __init__(self, address: NativeAddress, sock: socket.socket, guard: Guard | None) -> None:
        self.address = address
        self.sock = sock
        self.guard = guard
        self._file = _identity(address.path) if address.path else None

    def remove(self) -> None:
        """Remove the socket's file, if it still is the one that was made. Harmless when repeated."""
        if self._file is not None and _identity(self.address.path) == self._file:
            with contextlib.suppress(OSError):
                Path(self.address.path).unlink()
        self._file = None


def listen(url: str, guard: Guard) -> Listening:
    """Take an address. Raises `OSError` that says which one and why it cannot be had."""
    try:
        address = read_native(url, port_least=0)
    except ValueError as error:
        raise OSError(str(error)) from None
    try:
        if address.path:
            return Listening(address, _take_path(address.path, guard), guard)
        sock = _take_port(address)
    except OSError as error:
        message = f"cannot listen on {url}: {error.strerror or error}"
        raise OSError(message) from None
    return Listening(address._replace(port=sock.getsockname()[1]), sock, None)


def _take_port(address: NativeAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)


def _take_path(path: str, guard: Guard) -> socket.socket:
    with _lock(os.path.dirname(path)):  # noqa: PTH120 - the name as it was given
        _clear(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
            # Nobody can connect before `listen`, so that there is no moment with another mode.
            if guard.group >= 0:
                os.chown(path, -1, guard.group)
            Path(path).chmod(guard.mode)
            sock.listen(BACKLOG)
        except BaseException:
            sock.close()
            raise
    return sock


def _clear(path: str) -> None:
    """Remove a socket that nobody listens to. Raises `OSError` where somebody does, or where it is no socket."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is a file of that name which is no socket; choose another or remove it")
    if _answers(path):
        raise OSError(errno.EADDRINUSE, "another program listens there: choose another path, or stop that program")
    Path(path).unlink()


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except (TimeoutError, BlockingIOError):
            return True  # it has more clients waiting than it can take
    return True


@contextlib.contextmanager
def _lock(folder: str) -> Generator[None]:
    """Have a folder for this program alone, among those that ask so."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
