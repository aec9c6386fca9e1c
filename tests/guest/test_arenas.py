"""The worker's end of shared memory."""

from __future__ import annotations

import os

from dragoman.guest.arenas import IN_FD, OUT_FD, Arenas
from dragoman.wire.frame import Flag, Frame, Kind
from dragoman.wire.segment import Region

SIZE = 64 * 1024


def test_a_host_that_shares_nothing_gives_no_arenas() -> None:
    assert Arenas.adopt({}) is None
    assert Arenas.adopt({IN_FD: "x", OUT_FD: "3"}) is None
    assert Arenas.adopt({IN_FD: "100000", OUT_FD: "100001"}) is None


def test_the_variables_are_taken_out_of_the_environment() -> None:
    environment = {IN_FD: "", OUT_FD: "", "HOME": "/"}
    Arenas.adopt(environment)
    assert environment == {"HOME": "/"}


def test_frames_with_a_region_get_what_lies_there_and_others_stay() -> None:
    fds = [os.memfd_create("arena") for _ in range(2)]
    for fd in fds:
        os.ftruncate(fd, SIZE)
    os.pwrite(fds[0], b"hello", 4096)
    arenas = Arenas.adopt({IN_FD: str(fds[0]), OUT_FD: str(fds[1])})
    assert arenas is not None
    large = Frame(Kind.CALL, Flag.SEGMENT, 3, call=1, body=Region(4096, 5).pack())
    small = Frame(Kind.CALL, 0, 3, call=2, body=b"small")
    mapped = arenas.mapped([large, small])
    assert [bytes(frame.body) for frame in mapped] == [b"hello", b"small"]
    assert [frame.flags for frame in mapped] == [0, 0]
    assert not arenas.freed
    del mapped
    assert list(arenas.freed) == [4096]
    assert not os.get_inheritable(fds[0])
    for fd in fds:
        os.close(fd)
