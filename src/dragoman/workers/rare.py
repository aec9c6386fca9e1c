"""The frames of a worker that are not replies: the handshake, events, pings, calls of its own, the end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from dragoman.core.event import Log
from dragoman.core.fault import StartFailed
from dragoman.wire import meta
from dragoman.wire.frame import GUEST_BIT, Kind
from dragoman.wire.report import load_event, load_fault
from dragoman.workers.outbound import Outbound

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call
    from dragoman.core.event import Event
    from dragoman.wire.connection import Connection
    from dragoman.wire.frame import Frame
    from dragoman.wire.handshake import Hello, Ready
    from dragoman.workers.channel import Channel
    from dragoman.workers.outbound import Router
    from dragoman.workers.segments import Segments

PONGS_MAX = 64
"""Pings answered while the guest reads nothing: one that asks and does not listen would fill the host's memory."""
SAID_MAX = 20
"""Lines of a worker that starts which are kept to explain a failure: a traceback's last frames."""


class Subject(Protocol):
    """The worker, as far as its rare frames concern it."""

    connection: Connection
    channel: Channel
    segments: Segments

    def heard(self, call_id: int, event: Event) -> None:
        """A call in flight, or with 0 the worker itself, said something."""
        ...

    def caller(self, depth: int, call_id: str) -> Call | None:
        """The call in flight that makes one of this depth and CALL_ID, where that can be told."""
        ...

    def credited(self, call_id: int) -> None:
        """The worker takes more of a call's input."""
        ...

    def leaving(self) -> None:
        """The worker takes no more calls."""
        ...

    def condemn(self, reason: str) -> None:
        """Kill the worker."""
        ...


class RareFrames:
    """Deals with what comes seldom. `said` is what a worker printed before it was ready."""

    def __init__(self, subject: Subject, route: Router) -> None:
        self.said: deque[str] = deque(maxlen=SAID_MAX)
        self._subject = subject
        self._connection = subject.connection
        self._ready: asyncio.Future[Ready] | None = None
        self._pinged_at = 0.0
        self._waits_for_pong = False
        self._pongs = 0
        self._outbound = Outbound(self._connection, subject.segments, subject.channel.send, route, subject.caller)
        self._take: dict[int, Callable[[Frame], None]] = {
            Kind.READY: self._on_ready,
            Kind.FAULT: self._on_failure,
            Kind.EVENT: self._on_event,
            Kind.PING: self._on_ping,
            Kind.PONG: self._on_pong,
            Kind.CALL: self._outbound.begin,
            Kind.CANCEL: lambda frame: self._outbound.cancel(frame.call),
            Kind.CREDIT: self._on_credit,
            Kind.ITEM: self._outbound.feed,
            Kind.END: self._outbound.feed,
            Kind.DRAIN: lambda _: subject.leaving(),
        }

    @property
    def idle(self) -> bool:
        """Whether nothing that the worker asked for is in progress."""
        return not len(self._outbound)

    def take(self, frame: Frame) -> None:
        """Deal with one frame; kinds that ask for nothing (BYE) are let pass. Raises `ProtocolFault`."""
        act = self._take.get(frame.kind)
        if act is not None:
            act(frame)

    def greet(self, hello: Hello) -> asyncio.Future[Ready]:
        """Say HELLO; the future is the guest's answer, or `StartFailed` where it says why it cannot start."""
        self._ready = asyncio.get_running_loop().create_future()
        self._subject.channel.send(self._connection.hello(hello))
        return self._ready

    def close(self) -> None:
        """The worker is gone."""
        self._outbound.close()

    def ping(self, now: float, every_s: float) -> None:
        """Ask whether the worker still lives, unless it was asked within `every_s` seconds."""
        if not self._waits_for_pong and now - self._pinged_at >= every_s:
            self._pinged_at, self._waits_for_pong = now, True
            self._subject.channel.send(self._connection.ping())

    def silent_s(self, now: float) -> float:
        """Seconds since a ping that has no answer; 0 when there is none."""
        return now - self._pinged_at if self._waits_for_pong else 0.0

    def excuse(self, now: float) -> None:
        """Give the worker all its time again to answer the last ping: it was busy."""
        self._pinged_at = now

    def _on_ready(self, _: Frame) -> None:
        ready = self._connection.said_ready
        if self._ready is not None and not self._ready.done() and ready is not None:
            self._ready.set_result(ready)

    def _on_failure(self, frame: Frame) -> None:
        fault = load_fault(frame.body)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(StartFailed(fault.detail, traceback=fault.traceback))
        else:
            self._subject.condemn(f"it could not go on: {fault.detail}")

    def _on_event(self, frame: Frame) -> None:
        event = load_event(frame.body)
        if event is None:
            return
        if self._ready is not None and not self._ready.done() and isinstance(event, Log):
            self.said.append(event.message)
        self._subject.heard(frame.call, event)

    def _on_ping(self, frame: Frame) -> None:
        self._pongs = self._pongs + 1 if self._subject.channel.blocked else 0
        if self._pongs > PONGS_MAX:
            self._subject.condemn(f"it sent {self._pongs} pings and read none of the answers")
        else:
            self._subject.channel.send(self._connection.pong(frame.body))

    def _on_credit(self, frame: Frame) -> None:
        if frame.call >= GUEST_BIT:
            self._outbound.ring(frame.call)
        else:
            self._subject.credited(frame.call)

    def _on_pong(self, _: Frame) -> None:
        self._waits_for_pong = False


def meta_of(call: Call) -> bytes:
    """The meta of a CALL to a worker: its trace, the id of its chain, how deep it is nested, of how many it is made."""
    return meta.encode(call.trace, call.public_id, depth=call.depth, merged=call.merged)
