"""The frames of a worker that are not replies: the handshake, events, pings, calls of its own, the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import StartFailed
from dragoman.wire import meta
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Hello, Ready
from dragoman.wire.report import load_event, load_fault
from dragoman.workers.outbound import Outbound, Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call
    from dragoman.core.event import Event
    from dragoman.wire.connection import Connection
    from dragoman.wire.frame import Frame


class Subject(Protocol):
    """The worker, as far as its rare frames concern it."""

    connection: Connection

    def send(self, data: bytes, /) -> None:
        """Put a frame on the wire."""
        ...

    def heard(self, call_id: int, event: Event) -> None:
        """A call in flight, or with 0 the worker itself, said something."""
        ...

    def leaving(self) -> None:
        """The worker takes no more calls."""
        ...


class RareFrames:
    """Deals with what comes seldom."""

    def __init__(self, subject: Subject, route: Router) -> None:
        self._subject = subject
        self._connection = subject.connection
        self._ready: asyncio.Future[Ready] | None = None
        self._pinged_at = 0.0
        self._waits_for_pong = False
        self._outbound = Outbound(self._connection, subject.send, route)
        self._take: dict[int, Callable[[Frame], None]] = {
            Kind.READY: self._on_ready,
            Kind.FAULT: self._on_failure,
            Kind.EVENT: self._on_event,
            Kind.PING: lambda frame: subject.send(self._connection.pong(frame.body)),
            Kind.PONG: self._on_pong,
            Kind.CALL: self._outbound.begin,
            Kind.CANCEL: lambda frame: self._outbound.cancel(frame.call),
            Kind.DRAIN: lambda _: subject.leaving(),
        }

    def take(self, frame: Frame) -> None:
        """Deal with one frame; kinds that ask for nothing (BYE, CREDIT) are let pass."""
        act = self._take.get(frame.kind)
        if act is not None:
            act(frame)

    def greet(self, hello: Hello) -> asyncio.Future[Ready]:
        """Say HELLO; the future is the guest's answer, or `StartFailed` where it says why it cannot start."""
        self._ready = asyncio.get_running_loop().create_future()
        self._subject.send(self._connection.hello(hello))
        return self._ready

    def close(self) -> None:
        """The worker is gone."""
        self._outbound.close()

    def ping(self, now: float, every_s: float) -> None:
        """Ask whether the worker still lives, unless it was asked within `every_s` seconds."""
        if not self._waits_for_pong and now - self._pinged_at >= every_s:
            self._pinged_at, self._waits_for_pong = now, True
            self._subject.send(self._connection.ping())

    def silent_s(self, now: float) -> float:
        """Seconds since a ping that has no answer; 0 when there is none."""
        return now - self._pinged_at if self._waits_for_pong else 0.0

    def excuse(self) -> None:
        """Expect no answer to the last ping any more."""
        self._waits_for_pong = False

    def _on_ready(self, _: Frame) -> None:
        ready = self._connection.said_ready
        if self._ready is not None and not self._ready.done() and ready is not None:
            self._ready.set_result(ready)

    def _on_failure(self, frame: Frame) -> None:
        if self._ready is not None and not self._ready.done():
            fault = load_fault(frame.body)
            self._ready.set_exception(StartFailed(fault.detail, traceback=fault.traceback))

    def _on_event(self, frame: Frame) -> None:
        event = load_event(frame.body)
        if event is not None:
            self._subject.heard(frame.call, event)

    def _on_pong(self, _: Frame) -> None:
        self._waits_for_pong = False


def meta_of(call: Call) -> bytes:
    """The meta of a CALL to a worker: its trace and how deep it is nested."""
    return meta.encode(call.trace, depth=call.depth)
