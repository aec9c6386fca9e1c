"""Who may use a UNIX socket: the kernel says which user is at the other end.

SPEC.md §19. The user is asked for, not believed: `SO_PEERCRED` is filled in by the kernel when the client connects.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from typing import Protocol

from dragoman.core.fault import PermissionDenied

_CREDENTIALS = struct.Struct("3i")
SO_PEERGROUPS = 59
"""Missing in Python's `socket`; Linux 4.13 and newer."""
GROUPS_MAX = 65536
"""What Linux allows one process (NGROUPS_MAX)."""
ROOT = 0


class Options(Protocol):
    """The options of `getsockopt`, which a loop's own sockets have too."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """One option's bytes."""
        ...


class Guard:
    """Lets in the users and groups that may use a socket."""

    def __init__(self, users: tuple[str, ...] = (), group: str = "") -> None:
        """Names or numbers. Raises `OSError` for a user or a group that this machine does not know."""
        self.users = frozenset({os.geteuid(), ROOT, *map(_user, users)})
        self.group = _group(group) if group else -1

    @property
    def mode(self) -> int:
        """The mode of the socket's file: nobody is kept out by it whom the guard would let in."""
        if self.group >= 0:
            return 0o660
        return 0o600 if self.users <= {os.geteuid(), ROOT} else 0o666

    def check(self, sock: Options) -> int:
        """Let the client at the other end in, and say which user it is. Raises `PermissionDenied`."""
        _, uid, gid = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid in self.users or (self.group >= 0 and (gid == self.group or self.group in _groups(sock))):
            return uid
        raise PermissionDenied(
            f"user {uid} may not use this socket; its host names who may: native.users, native.group"
        )


def _groups(sock: Options) -> tuple[int, ...]:
    """The further groups of the client."""
    try:
        data = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * GROUPS_MAX)
    except OSError:
        return ()
    return struct.unpack(f"{len(data) // 4}I", data)


def _user(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        message = f"native.users: there is no user {name!r} on this machine"
        raise OSError(message) from None


def _group(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        message = f"native.group: there is no group {name!r} on this machine"
        raise OSError(message) from None
