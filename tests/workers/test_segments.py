"""A worker's arenas: sealed, given back, closed with it."""

from __future__ import annotations

import fcntl
import mmap
import os

import pytest

from dragoman.core.call import Codec
from dragoman.wire import meta
from dragoman.wire.connection import Connection
from dragoman.wire.frame import GUEST_BIT, Flag
from dragoman.wire.handshake import Hello, Ready
from dragoman.wire.segment import Region
from dragoman.wire.state import Role
from dragoman.workers.segments import Segments


def test_neither_side_can_change_the_size_of_an_arena() -> None:
    segments = Segments(1)
    try:
        for fd in segments.fds.values():
            with pytest.raises(PermissionError):
                os.ftruncate(fd, 0)
            with pytest.raises(PermissionError):
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0)
    finally:
        segments.close()


def test_a_body_that_has_no_room_is_not_placed() -> None:
    segments = Segments(1)
    try:
        segments.least = 1
        connection = Connection(Role.HOST, arena_bytes=segments.size)
        assert segments.place(connection, bytes(segments.size)) == Region(0, segments.size)
        assert segments.place(connection, memoryview(mmap.mmap(-1, segments.size + 1))) is None
    finally:
        segments.close()


def test_what_is_placed_is_what_the_worker_reads() -> None:
    segments = Segments(1)
    try:
        segments.least = 1
        connection = Connection(Role.HOST, arena_bytes=segments.size)
        region = segments.place(connection, b"hello")
        assert region is not None
        assert os.pread(segments.fds["DRAGOMAN_SEGMENT_IN_FD"], region.size, region.offset) == b"hello"
        segments.trim()
        assert os.pread(segments.fds["DRAGOMAN_SEGMENT_IN_FD"], region.size, region.offset) == bytes(5)
    finally:
        segments.close()


def test_a_region_is_noted_as_free_once_nobody_reads_it() -> None:
    segments = Segments(1)
    told: list[int] = []
    segments.on_freed = lambda: told.append(1)
    try:
        os.pwrite(segments.fds["DRAGOMAN_SEGMENT_OUT_FD"], b"hello", 4096)
        view = segments.view(Region(4096, 5))
        assert bytes(view) == b"hello"
        assert not segments.freed
        del view
        assert list(segments.freed) == [4096]
        assert told == [1]
    finally:
        segments.close()


def test_the_arenas_of_the_largest_bodies_can_be_mapped_in_every_language() -> None:
    largest = 1024**3 + 8192
    segments = Segments(largest)
    try:
        assert largest <= segments.size < 2**31
    finally:
        segments.close()


def test_what_is_large_travels_in_the_arena_and_what_is_small_in_its_frame() -> None:
    segments = Segments(1)
    segments.least = 10
    host, guest = Connection(Role.HOST, arena_bytes=segments.size), Connection(Role.GUEST, arena_bytes=segments.size)
    guest.receive(host.hello(Hello("test", features=("segments",))))
    host.receive(guest.ready(Ready("python", features=("segments",))))
    named = meta.encode(function="a.f")
    try:
        for call, body in ((GUEST_BIT, b"small"), (GUEST_BIT + 1, b"large enough")):
            host.receive(guest.stream_header(call, 0, Codec.BYTES, 0, 0, named))
            header, follows = segments.item(host, call, Codec.BYTES, body)
            (item,) = guest.receive(header + bytes(follows))
            header, follows = segments.end(host, call, Codec.BYTES, b"", 7)
            (end,) = guest.receive(header + bytes(follows))
            assert (end.body, end.amount) == (b"", 7)
            assert bool(item.flags & Flag.SEGMENT) == (len(body) >= segments.least)
    finally:
        segments.close()
