"""The kernel says which user is at the other end, and the guard whether that one may come in."""

from __future__ import annotations

import os
import socket
import struct

import pytest

from dragoman.core.fault import PermissionDenied
from dragoman.ingress.native.guard import SO_PEERGROUPS, Guard

STRANGER = 61_234


class Peer:
    """A socket whose other end belongs to another user."""

    def __init__(self, uid: int, gid: int, *groups: int) -> None:
        self.told = {
            socket.SO_PEERCRED: struct.pack("3i", 1, uid, gid),
            SO_PEERGROUPS: struct.pack(f"{len(groups)}I", *groups),
        }

    def getsockopt(self, _level: int, option: int, _size: int, /) -> bytes:
        return self.told[option]


def test_the_hosts_own_user_and_root_may_come_in() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Guard().check(ours)
    Guard().check(Peer(0, 0))
    Guard().check(Peer(os.geteuid(), 5))
    with pytest.raises(PermissionDenied, match=f"user {STRANGER}"):
        Guard().check(Peer(STRANGER, 0))


def test_further_users_are_named_or_numbered() -> None:
    Guard(("root", str(STRANGER))).check(Peer(STRANGER, 5))
    with pytest.raises(OSError, match=r"native\.users: there is no user 'nobody-at-all'"):
        Guard(("nobody-at-all",))


def test_a_group_lets_its_members_in() -> None:
    guard = Guard(group="777")
    guard.check(Peer(STRANGER, 777))
    guard.check(Peer(STRANGER, 5, 6, 777))
    with pytest.raises(PermissionDenied):
        guard.check(Peer(STRANGER, 5, 6))
    with pytest.raises(OSError, match=r"native\.group: there is no group"):
        Guard(group="nobody-at-all")


def test_the_groups_of_a_real_peer_are_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for group in {os.getgid(), *os.getgroups()}:
            Guard(group=str(group)).check(ours)


def test_the_file_keeps_nobody_out_whom_the_guard_lets_in() -> None:
    assert (Guard().mode, Guard(group="0").mode, Guard((str(STRANGER),)).mode) == (0o600, 0o660, 0o666)
