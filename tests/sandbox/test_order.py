"""What the host and its spawner say to each other."""

from __future__ import annotations

import os
import socket

import pytest

from dragoman.sandbox import order as orders
from dragoman.sandbox.order import Order


def test_an_order_comes_back_as_it_was_packed() -> None:
    order = Order(7, (("cat", "a\udce4b"), ""), {"A": "ü"}, "/srv", (1, 2, 3, 4, 5), ("EXTRA",))
    back = Order.unpack(order.pack())
    assert [getattr(back, name) for name in Order.__slots__] == [getattr(order, name) for name in Order.__slots__]


def test_a_large_order_travels_through_a_file_that_is_closed_when_read() -> None:
    fd = orders.to_file(b"x" * 1_000_000)
    assert orders.from_file(fd) == b"x" * 1_000_000
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_an_answer_comes_back_as_it_was_packed_and_its_text_is_bounded() -> None:
    packed = orders.answer(orders.FAILED, 2, -9, "no\udce4")
    assert orders.read_answer(packed) == (orders.FAILED, 2, -9, "no\\udce4")
    assert len(orders.answer(orders.FAILED, 2, 0, "ü" * 100_000)) < orders.ANSWER_BYTES_MAX


def test_last_words_are_heard_although_the_peer_never_read_ours() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        ours.send(b"unread")
        theirs.send(b"last words")
        theirs.close()
        assert orders.receive(ours) == b"last words"
        assert orders.receive(ours) == b""


def test_no_answer_yet_is_told_from_the_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.settimeout(0)
        with pytest.raises(BlockingIOError):
            orders.receive(ours)
