"""One connection to a native ingress, for callers on one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, cast

from dragoman.client.outflow import Outflow
from dragoman.client.wired import Left, check_streamed, fault_of, header_of, lost, milliseconds, turned_away
from dragoman.core.fault import Fault, InvalidArgument, Started
from dragoman.wire.connection import Connection
from dragoman.wire.fault import Oversized, ProtocolFault
from dragoman.wire.frame import GUEST_BIT, Kind
from dragoman.wire.report import load_fault
from dragoman.wire.state import IllegalTransition, Phase, Role

if TYPE_CHECKING:
    from dragoman.client.wired import Asked
    from dragoman.wire.frame import Frame
    from dragoman.wire.handshake import Ready

_END, _FAULT, _ITEM = int(Kind.END), int(Kind.FAULT), int(Kind.ITEM)


class AsyncSlot:
    """What has come for one call. `changed` is replaced by a new future each time somebody waits."""

    __slots__ = ("changed", "fault", "feed", "frame", "function", "items", "room")

    def __init__(self, function: str) -> None:
        self.function = function
        self.frame: Frame | None = None
        self.fault: Fault | None = None
        self.items: deque[tuple[int, bytes]] = deque()
        self.changed: asyncio.Future[None] | None = None
        self.feed: Outflow | None = None
        self.room: asyncio.Event | None = None

    @property
    def ready(self) -> bool:
        """Whether there is anything to take."""
        return self.frame is not None or self.fault is not None or bool(self.items)

    def wake(self) -> None:
        """Let whoever waits look again: the caller, and what feeds its input."""
        if self.room is not None:
            self.room.set()
        if self.changed is not None and not self.changed.done():
            self.changed.set_result(None)


class AsyncLink(asyncio.Protocol):
    """A connection. `greeted` is done when the host has said HELLO, `leaving` true once it takes no more calls here."""

    def __init__(self, address: str, ready: Ready) -> None:
        loop = asyncio.get_running_loop()
        self.address = address
        self.leaving = False
        self.why = ""
        self._last: Fault | None = None
        self.greeted: asyncio.Future[None] = loop.create_future()
        self.gone = asyncio.Event()
        self._ready = ready
        self._loop = loop
        self._connection = Connection(Role.CLIENT)
        self._slots: dict[int, AsyncSlot] = {}
        self._feeding: dict[int, asyncio.Task[None]] = {}
        self._ids = count(GUEST_BIT + 1)
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport

    @property
    def usable(self) -> bool:
        """Whether a call may be made here."""
        return not self.leaving and not self.why

    async def call(self, asked: Asked, left_s: float | None) -> tuple[int, bytes]:
        """Make a call and wait: its reply's codec and body. Raises the call's `Fault`; a cancelled wait cancels it."""
        call_id, slot = await self.begin(asked, left_s, stream=False)
        try:
            await self._wait(slot)
        finally:
            self.cancel(call_id)
        return self.settle(slot)

    def settle(self, slot: AsyncSlot) -> tuple[int, bytes]:
        """The reply's codec and body, and the end of the input. Raises the call's `Fault`, or what the input raised."""
        if slot.feed is None:
            return answer(slot)
        with slot.feed:
            return answer(slot)

    async def begin(self, asked: Asked, left_s: float | None, *, stream: bool) -> tuple[int, AsyncSlot]:
        """Send a CALL, no faster than the host reads."""
        if not self._writable.is_set():
            await self._writable.wait()
        if self.why:
            raise self._lost(asked.function, Started.NO)
        connection, body = self._connection, asked.body
        call_id = next(self._ids)
        try:
            data = header_of(connection, call_id, asked, milliseconds(left_s), stream=stream)
        except Left:
            self.leaving = True
            raise self._lost(asked.function, Started.NO) from None
        slot = self._slots[call_id] = AsyncSlot(asked.function)
        self._transport.write(data + body)
        if asked.given is not None:
            slot.room = asyncio.Event()
            slot.feed = Outflow(asked.given.begin())
            feeding = self._loop.create_task(self._feed(call_id, slot, slot.feed, slot.room))
            self._feeding[call_id] = feeding
            feeding.add_done_callback(lambda _: self._feeding.pop(call_id, None))
        return call_id, slot

    async def _feed(self, call_id: int, slot: AsyncSlot, items: Outflow, room: asyncio.Event) -> None:
        """Send the input's items, as many as the host grants, for as long as there is no answer."""
        connection = self._connection
        try:
            async for codec, body in items:
                while call_id in self._slots and (connection.credit_of(call_id) <= 0 or not self._writable.is_set()):
                    room.clear()
                    await room.wait()
                if call_id not in self._slots:
                    return
                self._transport.write(connection.item(call_id, codec, body))
            if call_id in self._slots:
                self._transport.write(connection.finish(call_id))
        except Oversized as error:
            self._give_up(call_id, slot, f"an item of the input is too large to send: {error}")
        except Fault as fault:
            self._give_up(call_id, slot, fault.detail)
        except BaseException as error:
            # The task of an answered call is cancelled; else the iterator itself gave up.
            self._give_up(call_id, slot, f"the input broke off: {type(error).__name__}")
            raise
        finally:
            items.close()

    def _give_up(self, call_id: int, slot: AsyncSlot, detail: str) -> None:
        if call_id in self._slots:
            slot.fault = InvalidArgument(detail, started=Started.YES, function=slot.function)
            del self._feeding[call_id]  # which ends by itself
            self.cancel(call_id)
            slot.wake()

    def _stop_feeding(self, call_id: int) -> None:
        """Ask an iterator for no more: its call is over."""
        feeding = self._feeding.pop(call_id, None)
        if feeding is not None:
            feeding.cancel()

    async def next_items(self, call_id: int, slot: AsyncSlot) -> list[tuple[int, bytes]]:
        """The items that are there, as codec and body; none at the end. Raises the call's `Fault`."""
        if not slot.items:
            await self._wait(slot)
        items = list(slot.items)
        slot.items.clear()
        if not items:
            check_streamed(self.settle(slot)[1], slot.function)
            return items
        credit = b"".join(self._connection.consumed(call_id, len(body)) for _, body in items)
        if credit and not self.why:
            self._transport.write(credit)
        return items

    def cancel(self, call_id: int) -> None:
        """Nobody waits for a call any more. Harmless once it has its answer."""
        if self._feeding:
            self._stop_feeding(call_id)
        slot = self._slots.pop(call_id, None)
        if slot is None:
            return
        if slot.feed is not None:
            slot.feed.close()
        if self.why:
            return
        try:
            self._transport.write(self._connection.cancel(call_id))
        except IllegalTransition:
            return

    def close(self) -> None:
        """Say BYE and close. Harmless when repeated."""
        if not self.why and self._connection.phase in {Phase.OPEN, Phase.DRAINING}:
            self._transport.write(self._connection.bye())
        self._break("this side closed it")

    def close_when_done(self) -> None:
        """Close once every call here has its answer: the host is leaving."""
        self.leaving = True
        if not self._slots:
            self.close()

    async def _wait(self, slot: AsyncSlot) -> None:
        while not slot.ready:
            slot.changed = self._loop.create_future()
            await slot.changed

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The way is open."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        """Take what comes."""
        if self.why:
            return
        connection = self._connection
        broken = ""
        try:
            frames = connection.receive(data)
        except ProtocolFault as error:
            frames, broken = error.frames, f"the host broke the protocol: {error}"
        if answers := connection.answers():
            self._transport.write(answers)
        for frame in frames:
            broken = self._deal(frame) or broken
        if broken:
            self._break(broken)
        elif self.leaving and not self._slots:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The host has gone."""
        self._break(str(exc) if exc else "the host closed it")
        self.gone.set()

    def pause_writing(self) -> None:
        """The host reads more slowly than calls are made."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The host has caught up."""
        self._writable.set()
        for slot in self._slots.values():
            if slot.room is not None:
                slot.room.set()

    def _deal(self, frame: Frame) -> str:
        """Put a frame where it belongs; a text says why nothing more will come."""
        kind = frame.kind
        if kind == _ITEM:
            slot = self._slots.get(frame.call)
            if slot is not None:
                slot.items.append((frame.codec, frame.body))
                slot.wake()
        elif frame.call and kind in {_END, _FAULT}:
            slot = self._slots.pop(frame.call, None)
            if slot is not None:
                slot.frame = frame
                slot.wake()
        else:
            return self._rarely(frame)
        return ""

    def _rarely(self, frame: Frame) -> str:
        connection = self._connection
        if frame.kind == Kind.HELLO:
            self._transport.write(connection.ready(self._ready))
            if not self.greeted.done():
                self.greeted.set_result(None)
        elif frame.kind == Kind.PING:
            self._transport.write(connection.pong(frame.body))
        elif frame.kind == Kind.CREDIT:
            slot = self._slots.get(frame.call)
            if slot is not None and slot.room is not None:
                slot.room.set()
        elif frame.kind == Kind.DRAIN:
            self.leaving = True
        elif frame.kind == Kind.BYE:
            return "the host has left"
        elif frame.kind == _FAULT:
            fault = self._last = load_fault(frame.body)
            if not self.greeted.done():
                self.greeted.set_exception(fault)
            return f"the host cannot go on: {fault.detail}"
        return ""

    def _lost(self, function: str, started: Started) -> Fault:
        if self._last is not None and (refused := turned_away(self._last, function)) is not None:
            return refused
        fault = lost(function, self.address, self.why or "the host is leaving")
        fault.started = started
        return fault

    def _break(self, why: str) -> None:
        """Nothing more will come: everyone who waits is told."""
        self.why = self.why or why
        self._writable.set()
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            slot.fault = self._lost(slot.function, Started.UNKNOWN)
            slot.wake()
        if not self.greeted.done():
            self.greeted.set_exception(ConnectionError(self.why))
        self._transport.close()


def answer(slot: AsyncSlot) -> tuple[int, bytes]:
    """The reply's codec and body. Raises the call's `Fault`."""
    frame = slot.frame
    if frame is None:
        assert slot.fault is not None, "a slot that is ready has something"
        raise slot.fault
    if frame.kind == _FAULT:
        raise fault_of(frame, slot.function)
    return frame.codec, frame.body
