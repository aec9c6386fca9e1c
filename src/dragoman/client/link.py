"""One connection to a native ingress, for threads that block: whoever waits for an answer reads for all.

There is no thread and no loop between a caller and the socket. One of the callers that wait holds `_reading` and reads;
what it reads for others it puts into their slots. Whoever stops waiting hands the reading on. What is sent goes through
one outbox, and nobody waits for another thread to send: a thread that cannot send reads meanwhile, since the host may
be waiting for just that.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from collections import deque
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from dragoman.client.feed import Feed, Way
from dragoman.client.slot import Slot, hand_over, release, shut
from dragoman.client.wired import Left, check_streamed, header_of, lost, milliseconds, turned_away
from dragoman.core.fault import Fault, Started
from dragoman.wire.connection import Connection
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import GUEST_BIT, Kind
from dragoman.wire.report import load_fault
from dragoman.wire.state import IllegalTransition, Phase, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.client.exchange import Patience
    from dragoman.client.wired import Asked
    from dragoman.core.clock import Clock
    from dragoman.wire.frame import Frame
    from dragoman.wire.handshake import Ready

READ_BYTES = 64 * 1024
READ_BYTES_MAX = 1024 * 1024
"""One read of a large body takes as much as the socket's buffer may hold."""
BOUND_SLACK_S = 0.001
"""Timeouts of the kernel that differ by less share one."""
LOOK_S = 1.0
"""A thread that waits for another to read looks this often whether it still does; it is woken, as a rule."""
_TIMEVAL = struct.Struct("@ll")
_END, _FAULT, _ITEM = int(Kind.END), int(Kind.FAULT), int(Kind.ITEM)


class Link:
    """A connection that is open. `leaving` once the host takes no more calls on it."""

    def __init__(self, sock: socket.socket, address: str, clock: Clock) -> None:
        self.address = address
        self.leaving = False
        self.why = ""
        self._last: Fault | None = None
        self._sock = sock
        self._now = clock.monotonic
        self._connection = Connection(Role.CLIENT)
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._sending = threading.Lock()
        self._outbox: deque[tuple[bytes | memoryview, Slot | None]] = deque()
        self._forgotten: deque[int] = deque()
        self._slots: dict[int, Slot] = {}
        self._ids = count(GUEST_BIT + 1)
        self._blocked = False
        self._timeout_s = -1.0
        self._owner = os.getpid()

    @property
    def usable(self) -> bool:
        """Whether a call may be made here: the connection stands, and is this process's."""
        return not self.leaving and not self.why and self._owner == os.getpid()

    def greet(self, ready: Ready, patience: Patience) -> None:
        """Read HELLO and answer READY. Raises the `Fault` of a host that refuses, `OSError` where it is none."""
        connection = self._connection
        while connection.phase is Phase.START:
            self._bound(patience)
            try:
                data = self._sock.recv(READ_BYTES)
            except BlockingIOError:
                raise patience.exceeded(Started.NO) from None
            try:
                frames = connection.receive(data) if data else []
            except ProtocolFault as error:
                message = f"this is no native ingress of a host: {error}"
                raise OSError(message) from None
            if not data:
                message = "it closed the connection"
                raise OSError(message)
            for frame in frames:
                if frame.kind == _FAULT:
                    raise load_fault(frame.body)
        self._post(connection.ready(ready))

    def call(self, asked: Asked, patience: Patience) -> tuple[int, bytes]:
        """Make a call and wait: its reply's codec and body. Raises the call's `Fault`."""
        call_id, slot = self._begin(asked, patience, stream=False)
        try:
            end = None if self._blocked or slot.feed is not None else self._quick(call_id, slot, patience)
            if end is not None:
                return end[0], end[2]
            self._wait(slot, patience)
        except BaseException:
            self.cancel(call_id)
            raise
        return slot.answer()

    def begin_stream(self, asked: Asked, patience: Patience) -> tuple[int, Slot]:
        """Make a call whose reply may stream. Its slot fills while somebody waits."""
        return self._begin(asked, patience, stream=True)

    def next_items(self, call_id: int, slot: Slot, patience: Patience) -> list[tuple[int, bytes]]:
        """The items that are there, as codec and body; none at the end. Raises the call's `Fault`."""
        if not slot.items:
            self._wait(slot, patience)
        with self._lock:
            items = list(slot.items)
            slot.items.clear()
            credit = b"".join(self._connection.consumed(call_id, len(body)) for _, body in items)
            if credit:
                self._outbox.append((credit, None))
        self._pump()
        if not items:
            check_streamed(slot.answer()[1], slot.function)
        return items

    def cancel(self, call_id: int) -> None:
        """Nobody waits for a call any more. Harmless once it has its answer.

        A stream that was dropped is given up by the garbage collector, anywhere, also in a thread that holds the lock:
        so it is only noted here, and done by whoever holds the lock or is the next to pump.
        """
        if call_id in self._slots:
            self._forgotten.append(call_id)
            self._pump()
            self._hand_on()

    def close(self) -> None:
        """Say BYE and close; calls in other threads break off. Harmless when repeated."""
        if self._owner != os.getpid():
            self._sock.close()
            return
        with self._lock:
            if not self.why and self._connection.phase in {Phase.OPEN, Phase.DRAINING}:
                self._outbox.append((self._connection.bye(), None))
        self._pump()
        self._break("this side closed it")

    # Sending

    def _begin(self, asked: Asked, patience: Patience, *, stream: bool) -> tuple[int, Slot]:
        if asked.given is not None:
            self._catch_up()
        if self._forgotten:
            self._pump()
        slot = Slot(asked.function)
        ms = milliseconds(patience.remaining_s(self._now()))
        connection, body = self._connection, asked.body
        with self._lock:
            if self.why:
                raise self._lost(asked.function, Started.NO)
            call_id = next(self._ids)
            try:
                data = header_of(connection, call_id, asked, ms, stream=stream)
            except Left:
                self.leaving = True
                raise self._lost(asked.function, Started.NO) from None
            self._slots[call_id] = slot
            if asked.given is not None:
                slot.room = shut()
            if len(body) <= READ_BYTES:
                self._outbox.append((data + body, slot))
            else:
                self._outbox.extend(((data, slot), (body, slot)))
        self._pump()
        if asked.given is not None and slot.room is not None:
            way = Way(
                partial(self._offer, call_id, slot.room),
                partial(self._finish, call_id, slot.room),
                partial(self._give_up, call_id, slot),
            )
            slot.feed = Feed(way, asked.function, cast("Iterator[Any]", asked.given.begin()))
        return call_id, slot

    def _catch_up(self) -> None:
        """Learn what the host said while nobody read: a call with an iterator cannot go to the next host."""
        if self._reading.acquire(blocking=False):
            try:
                self._glance(0)
            finally:
                self._reading.release()
                self._hand_on()

    def _offer(self, call_id: int, room: threading.Lock, codec: int, body: bytes) -> bool:
        """Send an item of a call's input once the host has granted it; false once there is an answer."""
        while True:
            with self._lock:
                if call_id not in self._slots or self.why:
                    return False
                if self._connection.credit_of(call_id) > 0 and not self._blocked:
                    self._outbox.append((self._connection.item(call_id, codec, body), None))
                    break
            self._await_room(room)
        self._pump()
        return True

    def _await_room(self, room: threading.Lock) -> None:
        """Wait a while for the host to grant more, or to read on. Where the caller does not read, read for it."""
        if self._reading.acquire(blocking=False):
            try:
                self._glance(LOOK_S)
            finally:
                self._reading.release()
                self._hand_on()
        elif self._blocked:
            self._poll(select.POLLOUT, LOOK_S)
            self._pump()
        else:
            room.acquire(timeout=LOOK_S)

    def _finish(self, call_id: int, room: threading.Lock) -> None:
        """Say that a call's input has ended, and stay until that is sent: the caller may not be there to do it."""
        with self._lock:
            if call_id in self._slots and not self.why:
                self._outbox.append((self._connection.finish(call_id), None))
        self._pump()
        while self._blocked and call_id in self._slots:
            self._await_room(room)

    def _give_up(self, call_id: int, slot: Slot, fault: Fault) -> None:
        """End a call whose input broke off."""
        slot.fault = slot.fault or fault
        self.cancel(call_id)
        slot.wake()

    def _post(self, data: bytes) -> None:
        with self._lock:
            self._outbox.append((data, None))
        self._pump()

    def _pump(self) -> None:
        """Send what is in the outbox as far as the kernel takes it now.

        Where another thread is at it, that one sends this too: it looks again after it has let go.
        """
        while self._forgotten and self._lock.acquire(blocking=False):
            try:
                self._give_back()
            finally:
                self._lock.release()
        while self._outbox and self._sending.acquire(blocking=False):
            try:
                self._blocked = not self._flush()
            finally:
                self._sending.release()
            if self._blocked:
                return

    def _give_back(self) -> None:
        """Cancel what nobody waits for. Under the lock."""
        while self._forgotten:
            call_id = self._forgotten.popleft()
            slot = self._slots.pop(call_id, None)
            if slot is None or self.why:
                continue
            if slot.room is not None:
                release(slot.room)
            with contextlib.suppress(IllegalTransition):
                self._outbox.append((self._connection.cancel(call_id), None))

    def _flush(self) -> bool:
        """Send; false where the kernel takes no more now."""
        outbox = self._outbox
        try:
            while outbox:
                data, slot = outbox[0]
                sent = hand_over(self._sock, data, slot)
                if sent == len(data):
                    outbox.popleft()
                else:
                    outbox[0] = memoryview(data)[sent:], slot
        except BlockingIOError:
            return False
        except OSError:
            # Nobody hears us any more. What the host said last is still read, and after it the end.
            outbox.clear()
        return True

    # Waiting

    def _wait(self, slot: Slot, patience: Patience) -> None:
        """Wait until there is something in a slot, reading if nobody else does. Raises when the time is over."""
        slot.waiting = True  # said before the reading is asked for, so that whoever leaves it sees this
        try:
            while not slot.ready:
                if self._reading.acquire(blocking=False):
                    self._lead(slot, patience)
                else:
                    self._follow(slot, patience)
        finally:
            slot.waiting = False
            self._hand_on()

    def _lead(self, slot: Slot, patience: Patience) -> None:
        """Read for all until there is something in one's own slot."""
        try:
            while not slot.ready:
                if slot.feed is None:
                    self._step(patience)
                else:  # whose input may break off, which nobody says on the wire
                    self._glance(self._look_s(patience))
        finally:
            self._reading.release()

    def _follow(self, slot: Slot, patience: Patience) -> None:
        """Wait for whoever reads."""
        wait_s = self._look_s(patience)
        if self._blocked:
            self._poll(select.POLLOUT, wait_s)
            self._pump()
        else:
            slot.gate.acquire(timeout=wait_s)

    def _quick(self, call_id: int, slot: Slot, patience: Patience) -> tuple[int, int, bytes] | None:
        """Read once, if nobody else does; the answer, where that is all that came."""
        if not self._reading.acquire(blocking=False):
            return None
        try:
            # Whoever read until now may have read the answer to this call too.
            end = None if slot.ready else self._read_alone(call_id, patience)
        finally:
            self._reading.release()
        if end is not None:
            del self._slots[call_id]
            if self._slots:
                self._hand_on()
        return end

    def _hand_on(self) -> None:
        """Have another thread that waits read on."""
        if not self._reading.locked():
            for slot in tuple(self._slots.values()):
                if slot.waiting and not slot.ready:
                    slot.wake()
                    return

    def _step(self, patience: Patience) -> None:
        """Read once, and take what comes; send meanwhile if there is anything."""
        if self._blocked:
            self._pump()
        if self._blocked:
            self._glance(self._look_s(patience))
        else:
            self._bound(patience)
            if not self._read(0):
                patience.left_s(self._now())

    def _look_s(self, patience: Patience) -> float:
        left_s = patience.left_s(self._now())
        return LOOK_S if left_s is None else min(left_s, LOOK_S)

    def _glance(self, wait_s: float) -> None:
        """Take what comes within a while, and send meanwhile. Only for whoever reads."""
        self._poll(select.POLLIN | select.POLLOUT if self._blocked else select.POLLIN, wait_s)
        if self._blocked:
            self._pump()
        self._read(socket.MSG_DONTWAIT)

    def _read(self, flags: int) -> bool:
        size = READ_BYTES if self._connection.missing_bytes < READ_BYTES else READ_BYTES_MAX
        try:
            data = self._sock.recv(size, flags)
        except BlockingIOError:
            return False
        except OSError as error:
            self._break(error.strerror or str(error))
            return True
        self._take(data)
        return True

    def _read_alone(self, call_id: int, patience: Patience) -> tuple[int, int, bytes] | None:
        """Read once; the answer, where that is all that came."""
        self._bound(patience)
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            patience.left_s(self._now())
            return None
        except OSError as error:
            self._break(error.strerror or str(error))
            return None
        end = self._connection.receive_end(call_id, data)
        if end is None:
            self._take(data)
        return end

    def _poll(self, events: int, wait_s: float) -> None:
        number = self._sock.fileno()
        if number >= 0:
            poll = select.poll()
            poll.register(number, events)
            poll.poll(wait_s * 1000)

    def _bound(self, patience: Patience) -> None:
        """Have the kernel end a read when the time is over; told only where that changes."""
        left_s = patience.left_s(self._now()) or 0.0
        if abs(left_s - self._timeout_s) > BOUND_SLACK_S:
            self._timeout_s = left_s
            left_s = max(left_s, BOUND_SLACK_S) if left_s else 0.0
            seconds = int(left_s)
            timeout = _TIMEVAL.pack(seconds, int((left_s - seconds) * 1e6))
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)

    # Taking

    def _take(self, data: bytes) -> None:
        if not data:
            self._break("the host closed it")
            return
        with self._lock:
            try:
                frames = self._connection.receive(data)
                broken = ""
            except ProtocolFault as error:
                frames, broken = error.frames, f"the host broke the protocol: {error}"
            if answers := self._connection.answers():
                self._outbox.append((answers, None))
            for frame in frames:
                broken = self._deal(frame) or broken
        if broken:
            self._break(broken)
        self._pump()

    def _deal(self, frame: Frame) -> str:
        """Put a frame where it belongs; a text says why nothing more will come. Under the lock."""
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
        kind = frame.kind
        if kind == Kind.PING:
            self._outbox.append((self._connection.pong(frame.body), None))
        elif kind == Kind.CREDIT:
            if (slot := self._slots.get(frame.call)) is not None and slot.room is not None:
                release(slot.room)
        elif kind == Kind.DRAIN:
            self.leaving = True
        elif kind == Kind.BYE:
            return "the host has left"
        elif kind == _FAULT:
            self._last = load_fault(frame.body)
            return f"the host cannot go on: {self._last.detail}"
        return ""

    def _lost(self, function: str, started: Started) -> Fault:
        if self._last is not None and (refused := turned_away(self._last, function)) is not None:
            return refused
        fault = lost(function, self.address, self.why or "the host is leaving")
        fault.started = started
        return fault

    def _break(self, why: str) -> None:
        """Nothing more will come: everyone who waits is told."""
        with self._lock:
            self.why = self.why or why
            slots, self._slots = self._slots, {}
            for slot in slots.values():
                slot.fault = self._lost(slot.function, Started.UNKNOWN if slot.sent else Started.NO)
                slot.wake()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # a thread that is reading would not notice that it is closed
        self._sock.close()
