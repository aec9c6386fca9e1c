"""A blocking call's input stream, fed from a thread as the host grants."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.client.feed import Feed, Way
from dragoman.client.link import Link
from dragoman.client.native import patience_of
from dragoman.client.wired import ask, may_go_again
from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, Unavailable
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Ready

from .scripted_host import ScriptedHost

CLOCK = SystemClock()


def test_items_wait_for_credit_and_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host = ScriptedHost(theirs, features=("input",))
        link = Link(ours, "unix:///x", CLOCK)
        patience = patience_of("f", None, CLOCK)
        link.greet(Ready("test"), patience)
        call_id, slot = link.begin_stream(ask("f", {"items": iter([b"x" * 100_000] * 4)}), patience)
        call = host.call()
        assert call.call == call_id
        taken = [host.next() for _ in range(3)]
        assert [frame.kind for frame in taken] == [Kind.ITEM] * 3
        host.send(host.connection.consumed(call.call, len(taken[0].body) * 3 + 64))
        host.send(host.connection.item(call.call, Codec.JSON, b"1"))
        assert link.next_items(call_id, slot, patience) == [(Codec.JSON, b"1")]
        assert [host.next().kind, host.next().kind] == [Kind.ITEM, Kind.END]
        link.close()


def test_input_flows_on_while_the_caller_does_not_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host = ScriptedHost(theirs, features=("input",))
        link = Link(ours, "unix:///x", CLOCK)
        patience = patience_of("f", None, CLOCK)
        link.greet(Ready("test"), patience)
        link.begin_stream(ask("f", {"items": iter([b"x" * 100_000] * 5)}), patience)
        call = host.call()
        for _ in range(5):
            item = host.next()
            host.send(host.connection.consumed(call.call, len(item.body) + 16))
        assert host.next().kind == Kind.END
        link.close()


def test_a_host_that_has_left_meanwhile_is_noticed_before_anything_is_taken() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host = ScriptedHost(theirs, features=("input",))
        link = Link(ours, "unix:///x", CLOCK)
        patience = patience_of("f", None, CLOCK)
        link.greet(Ready("test"), patience)
        assert host.next().kind == Kind.READY
        host.send(host.connection.drain())
        items = iter([1, 2])
        asked = ask("f", {"items": items})
        with pytest.raises(Unavailable) as told:
            link.call(asked, patience)
        assert may_go_again(told.value, asked)
        assert list(items) == [1, 2]
        link.close()


def test_a_file_that_was_read_to_its_end_stays_the_callers_and_another_is_closed(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("a\nb\n")
    taken: list[bytes] = []
    faults: list[Fault] = []
    done = threading.Event()

    def take(_: int, body: bytes) -> bool:
        taken.append(body)
        return True

    def answered(_: int, __: bytes) -> bool:
        return False

    with (tmp_path / "lines").open() as lines:
        Feed(Way(take, done.set, faults.append), "f", lines)
        assert done.wait(10)
        assert len(taken) == 2
        assert not lines.closed

    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    Feed(Way(answered, done.set, faults.append), "f", endless())
    assert closed.wait(10)
    assert faults == []
