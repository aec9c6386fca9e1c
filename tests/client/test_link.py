"""A connection without a loop: one waiting thread reads for all, and whatever the host does, everyone is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dragoman.client.link import Link
from dragoman.client.native import patience_of
from dragoman.client.wired import ask
from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Code, DeadlineExceeded, Fault, ResourceExhausted, Started, Unavailable
from dragoman.wire.frame import Frame, Kind, encode
from dragoman.wire.handshake import Limits, Ready

from .scripted_host import ScriptedHost

CLOCK = SystemClock()


@pytest.fixture
def ends() -> Iterator[tuple[Link, ScriptedHost]]:
    yield from opened()


def opened(limits: Limits | None = None) -> Iterator[tuple[Link, ScriptedHost]]:
    ours, theirs = socket.socketpair()
    host = ScriptedHost(theirs, limits=limits or Limits())
    link = Link(ours, "unix:///x", CLOCK)
    link.greet(Ready("test"), patience_of("", None, CLOCK))
    yield link, host
    link.close()
    theirs.close()


class Slow(socket.socket):
    """A socket whose thread is interrupted between the system call that sends and what follows it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(fileno=sock.detach())
        self.armed, self.has_sent, self.goes_on = False, threading.Event(), threading.Event()

    def send(self, data: Any, flags: int = 0, /) -> int:
        sent = super().send(data, flags)
        if self.armed:
            self.armed = False
            self.has_sent.set()
            assert self.goes_on.wait(10)
        return sent


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def call(link: Link, timeout_s: float | None = None, body: object = None) -> tuple[int, bytes]:
    return link.call(ask("fn.f", body), patience_of("fn.f", timeout_s, CLOCK))


def test_answers_find_their_threads_in_whatever_order(
    ends: tuple[Link, ScriptedHost], threads: ThreadPoolExecutor
) -> None:
    link, host = ends
    waiting = [threads.submit(call, link, None, {"n": number}) for number in range(8)]
    calls = [host.call() for _ in waiting]
    for frame in reversed(calls):
        host.answer(frame, frame.body)
    bodies = sorted(each.result(10)[1] for each in waiting)
    assert bodies == sorted(frame.body for frame in calls)


def test_a_ping_is_answered_while_somebody_waits(ends: tuple[Link, ScriptedHost], threads: ThreadPoolExecutor) -> None:
    link, host = ends
    waiting = threads.submit(call, link)
    frame = host.call()
    host.send(host.connection.ping(b"there?"))
    assert host.next().kind == Kind.PONG
    host.answer(frame)
    assert waiting.result(10) == (Codec.JSON, b"1")


def test_a_call_that_is_given_up_is_cancelled_and_its_late_answer_dropped(
    ends: tuple[Link, ScriptedHost], threads: ThreadPoolExecutor
) -> None:
    link, host = ends
    late = threads.submit(call, link, 0.05)
    frame = host.call()
    with pytest.raises(DeadlineExceeded):
        late.result(10)
    assert host.next().kind == Kind.CANCEL
    host.answer(frame, b"late")
    second = threads.submit(call, link)
    host.answer(host.call(), b"2")
    assert second.result(10) == (Codec.JSON, b"2")


def test_a_call_that_has_left_may_have_run_though_its_thread_has_not_noticed_yet(threads: ThreadPoolExecutor) -> None:
    ours, theirs = socket.socketpair()
    host, slow = ScriptedHost(theirs, limits=Limits()), Slow(ours)
    link = Link(slow, "unix:///x", CLOCK)
    link.greet(Ready("test"), patience_of("", None, CLOCK))
    slow.armed = True
    leaving = threads.submit(call, link)
    assert slow.has_sent.wait(10)
    host.call()
    behind = threads.submit(call, link)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(Unavailable) as told:
        behind.result(10)
    assert told.value.started is Started.NO
    slow.goes_on.set()
    with pytest.raises(Unavailable) as told:
        leaving.result(10)
    assert told.value.started is Started.UNKNOWN
    link.close()
    theirs.close()


@pytest.mark.parametrize("how", ["eof", "inside", "noise", "bye", "failure"])
def test_whatever_ends_the_connection_everyone_is_told(
    ends: tuple[Link, ScriptedHost], threads: ThreadPoolExecutor, how: str
) -> None:
    link, host = ends
    waiting = [threads.submit(call, link) for _ in range(4)]
    frames = [host.call() for _ in waiting]
    if how == "inside":
        host.send(host.connection.end(frames[0].call, Codec.JSON, b"12345")[:-1])
    elif how == "noise":
        host.send(b"\xff" * 64)
    elif how == "failure":
        host.send(host.connection.fault(0, Fault.internal("out of order")))
    elif how == "bye":
        host.send(encode(Frame(Kind.BYE)))
    host.sock.shutdown(socket.SHUT_WR)
    for each in waiting:
        with pytest.raises(Unavailable) as told:
            each.result(10)
        assert told.value.started is Started.UNKNOWN
    assert not link.usable
    with pytest.raises(Unavailable) as unsent:
        call(link)
    assert unsent.value.started is Started.NO


def test_a_host_that_drains_answers_what_it_has_and_gets_no_more(
    ends: tuple[Link, ScriptedHost], threads: ThreadPoolExecutor
) -> None:
    link, host = ends
    waiting = threads.submit(call, link)
    frame = host.call()
    host.send(host.connection.drain())
    host.answer(frame)
    assert waiting.result(10)[1] == b"1"
    assert link.leaving
    with pytest.raises(Unavailable) as told:
        call(link)
    assert told.value.started is Started.NO


def test_calls_past_the_hosts_limit_are_not_sent(threads: ThreadPoolExecutor) -> None:
    for link, host in opened(Limits(calls_max=1)):
        waiting = threads.submit(call, link)
        frame = host.call()
        with pytest.raises(ResourceExhausted, match="was not sent"):
            call(link)
        host.answer(frame)
        waiting.result(10)


def test_a_host_that_reads_nothing_does_not_lock_out_what_it_says(
    ends: tuple[Link, ScriptedHost], threads: ThreadPoolExecutor
) -> None:
    link, host = ends
    first = threads.submit(call, link)
    frame = host.call()
    large = threads.submit(call, link, None, bytes(4_000_000))
    host.answer(frame, b"answered")
    assert first.result(10)[1] == b"answered"
    host.answer(host.call(), b"large")
    assert large.result(10)[1] == b"large"


def test_items_are_granted_as_they_are_taken(ends: tuple[Link, ScriptedHost], threads: ThreadPoolExecutor) -> None:
    link, host = ends
    call_id, slot = link.begin_stream(ask("fn.f", None), patience_of("fn.f", None, CLOCK))
    frame = host.call()
    item = bytes(200_000)
    taken = 0
    for _ in range(5):
        while host.connection.credit_of(frame.call) <= 0:
            host.next()
        sending = threads.submit(host.send, host.connection.item(frame.call, Codec.BYTES, item))
        taken += len(link.next_items(call_id, slot, patience_of("fn.f", None, CLOCK)))
        sending.result(10)
    host.send(host.connection.end(frame.call, Codec.NONE, b""))
    assert link.next_items(call_id, slot, patience_of("fn.f", None, CLOCK)) == []
    assert taken == 5


def test_a_refusal_at_the_door_is_told() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host = ScriptedHost(theirs)
        host.send(host.connection.fault(0, Fault.of(Code.PERMISSION_DENIED, "not you")))
        link = Link(ours, "unix:///x", CLOCK)
        with pytest.raises(Fault, match="not you") as told:  # noqa: PT012 - HELLO and the refusal may come as one
            link.greet(Ready("test"), patience_of("", None, CLOCK))
            call(link)
        assert (told.value.code, told.value.started) == (Code.PERMISSION_DENIED, Started.NO)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 32, b""])
def test_what_is_no_host_is_told(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError, match=r"no native ingress|closed the connection"):
            Link(ours, "unix:///x", CLOCK).greet(Ready("test"), patience_of("", None, CLOCK))
