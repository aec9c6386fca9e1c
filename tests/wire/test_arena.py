"""Arenas: bodies go in by one copy and are read where they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dragoman.contract.codecs.typed import kept
from dragoman.wire.arena import Incoming, Outgoing
from dragoman.wire.segment import Region

SIZE = 1024 * 1024


@pytest.fixture
def arena() -> Iterator[int]:
    fd = os.memfd_create("arena")
    os.ftruncate(fd, SIZE)
    yield fd
    os.close(fd)


def test_what_is_written_on_one_side_is_read_on_the_other(arena: int) -> None:
    Outgoing(arena).write(8192, b"hello")
    view = Incoming(arena, lambda _: None, kept).view(Region(8192, 5))
    assert bytes(view) == b"hello"
    assert view.readonly


def test_a_region_may_begin_inside_a_page(arena: int) -> None:
    Outgoing(arena).write(4096 + 64, b"hello")
    assert bytes(Incoming(arena, lambda _: None, kept).view(Region(4096 + 64, 5))) == b"hello"


def test_a_region_is_freed_when_the_last_reference_to_it_goes(arena: int) -> None:
    freed: list[int] = []
    incoming = Incoming(arena, freed.append, kept)
    view = incoming.view(Region(4096, 100))
    part = view[10:20]
    del view
    assert freed == []
    del part
    assert freed == [4096]


def test_a_region_may_come_again_at_the_same_place(arena: int) -> None:
    freed: list[int] = []
    outgoing, incoming = Outgoing(arena), Incoming(arena, freed.append, kept)
    for turn in range(3):
        outgoing.write(0, b"%d" % turn)
        view = incoming.view(Region(0, 1))
        assert bytes(view) == b"%d" % turn
        del view
    assert freed == [0, 0, 0]


def test_views_are_of_bytes(arena: int) -> None:
    Outgoing(arena).write(0, b'{"a": 1}')
    view = Incoming(arena, lambda _: None, kept).view(Region(0, 8))
    assert view.format == "B"
    assert len(view) == 8
