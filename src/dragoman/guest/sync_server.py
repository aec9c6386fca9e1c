"""Serving a source that has only synchronous functions: one thread reads, runs and answers.

The main thread reads while no call runs; while one runs, whoever holds the line's lock may read without blocking. That
is the watcher, for a call that takes longer than a tick, or the function itself when it asks whether it was cancelled.
"""

from __future__ import annotations

import select
from _socket import MSG_DONTWAIT
from _thread import get_ident
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from dragoman.guest.blocking import Blocking
from dragoman.guest.interrupt import Interrupter
from dragoman.guest.line import SEND_BYTES
from dragoman.guest.nested import Outbound
from dragoman.guest.runner import Runner, cancelled_unstarted, revoked
from dragoman.guest.watcher import Watcher
from dragoman.wire.frame import GUEST_BIT, Flag, Frame, Kind

if TYPE_CHECKING:
    from _thread import LockType

    from dragoman.contract.signature import Binding
    from dragoman.guest.forks import ForkGuard
    from dragoman.guest.line import Line
    from dragoman.guest.output import Output

ANSWER_S = 200e-6
"""How long an answer may wait for those of the calls behind it."""
LOOK_S = 5e-3
"""How often the wire is looked at between calls that came in one batch."""
READS_MAX = 32
"""Reads in a row on behalf of a call that runs: a body of 2 MB, and then the call's thread gets its turn."""

_CALL, _CANCEL, _PING, _DRAIN = int(Kind.CALL), int(Kind.CANCEL), int(Kind.PING), int(Kind.DRAIN)
_END, _ITEM, _FAULT, _CREDIT, _BYE = int(Kind.END), int(Kind.ITEM), int(Kind.FAULT), int(Kind.CREDIT), int(Kind.BYE)
_UNSTARTED = int(Flag.UNSTARTED)


class SyncServer:
    """Serves until the host says DRAIN."""

    def __init__(
        self, line: Line, bindings: list[Binding], output: Output, guard: ForkGuard, page: memoryview | None
    ) -> None:
        """`page` is the shared progress page as 64-bit words, where there is one."""
        self.line = line
        self.runner = Runner(line, bindings, output, guard)
        self.looked_at = 0.0
        self.outbound = Outbound(line)
        self.port = self.runner.port = Blocking(self, output)
        self._page = memoryview(bytearray(8)).cast("Q") if page is None else page
        self._inbox: deque[tuple[Frame, float]] = deque()
        self._draining = False
        self._asleep = False
        self._reading = False
        self._main = get_ident()
        self._interrupter = Interrupter(self.runner, line.lock)
        self._watcher = Watcher(self, line.sock.fileno())
        output.attach(self.port.report, line.lock, self._current)

    def run(self) -> None:
        """Serve. Returns once everything is answered and the host has been told."""
        self._watcher.start()
        line, inbox = self.line, self._inbox
        receive_call = line.connection.receive_call
        while not self._draining:
            data = line.read()
            frame = receive_call(data)  # without the lock: while no call runs, nobody else receives
            if frame is not None:
                self.looked_at = now = monotonic()
                self._work(frame, now)
                continue
            with line.lock:
                self._take(data)
                if not inbox:
                    line.flush()
            if inbox:
                self._work(*inbox.popleft())
            if line.freed:
                with line.lock:
                    line.flush()
        with line.lock:
            line.put(line.connection.bye())
            line.flush()

    def _work(self, frame: Frame, arrived_at: float) -> None:
        """Run a call and then what is in the inbox, in order, and send the answers in batches."""
        line, runner, inbox, page = self.line, self.runner, self._inbox, self._page
        # Until the first call begins nobody else reads or revokes; after that, only under the lock.
        runner.begin(frame.call, arrived_at)
        if self._asleep:
            self._rouse()
        while True:
            page[0] = frame.call
            header, body = runner.serve(frame, arrived_at)
            now = runner.ended_at
            with line.lock:
                if inbox and now - self.looked_at > LOOK_S:
                    self.look(now)
                if not inbox:
                    runner.call = 0
                    line.send(header, body)
                    return
                line.put(header, body)
                if line.size > SEND_BYTES or now - line.since > ANSWER_S:
                    line.flush()
                frame, arrived_at = inbox.popleft()
                runner.begin(frame.call, now)

    def _rouse(self) -> None:
        with self.line.lock:
            self._asleep = False
            self._watcher.wake()

    def _take(self, data: bytes) -> None:
        """Take bytes off the wire: calls into the inbox, the rest is done at once. Under the lock."""
        self.looked_at = now = monotonic()
        inbox = self._inbox
        for frame in self.line.receive(data):
            if frame.kind == _CALL:
                self.line.inflows.open(frame)
                inbox.append((frame, now))
            else:
                self._act(frame)

    def look(self, now: float) -> None:
        """Read what is there, without waiting. Under the lock.

        Only the main thread does while it rests: a bell that another rang in its place would not end its poll.
        """
        if self._reading and get_ident() != self._main:
            return
        self.looked_at = now
        try:
            for _ in range(READS_MAX):
                self._take(self.line.read(MSG_DONTWAIT))
        except BlockingIOError:
            pass

    def _act(self, frame: Frame) -> None:
        line = self.line
        if frame.kind == _PING:
            line.pong(frame.body)
        elif frame.kind == _CANCEL:
            self._cancel(frame.call, revoke=bool(frame.flags & _UNSTARTED))
        elif frame.kind == _CREDIT:
            self.port.ring()
        elif frame.kind in {_END, _ITEM} and frame.call < GUEST_BIT:
            line.inflows.put(frame)
        elif frame.kind in {_END, _ITEM, _FAULT} and frame.call:
            self.outbound.take(frame)
        elif frame.kind == _DRAIN:
            self._draining = True
        elif frame.kind in {_FAULT, _BYE}:
            line.lost()

    def _cancel(self, call: int, *, revoke: bool) -> None:
        for entry in self._inbox:
            if entry[0].call == call:
                self._inbox.remove(entry)
                fault = revoked() if revoke else cancelled_unstarted()
                self.line.inflows.close(call)
                self.line.put(self.line.connection.fault(call, fault, unstarted=revoke))
                return
        runner = self.runner
        if call == runner.call and not revoke:
            runner.cancelled = True
            self.port.ring()

    def _current(self) -> int:
        return self.runner.call

    def wake(self) -> None:
        """Have the wire read from now on, though a call runs. Under the lock."""
        self._watcher.wake()

    def rest(self, bell: LockType) -> None:
        """Wait for a bell, reading the wire meanwhile: the watcher would only add a hand-over to each item."""
        if get_ident() != self._main:  # a thread of the function's own
            with self.line.lock:
                self.wake()
            bell.acquire()
            return
        poll = select.poll()
        poll.register(self.line.sock.fileno(), select.POLLIN)
        try:
            # Under the lock: whoever is reading just now has rung by then, and nobody else begins.
            with self.line.lock:
                self._reading = True
            while not bell.acquire(blocking=False):
                poll.poll()
                with self.line.lock:
                    self.look(monotonic())
                    self.line.flush()
        finally:
            self._reading = False

    # What the watcher asks

    def running_since(self) -> tuple[int, float]:
        """The call that runs, 0 for none, and when it began."""
        return self.runner.call, self.runner.began_at

    def attend(self, call: int) -> bool:
        """Send, read and answer without blocking while `call` runs; false once it does not, or reads for itself.

        Also a call that reads for itself is told of its deadline, and struck: the signal is what ends its poll.
        """
        line, runner = self.line, self.runner
        with line.lock:
            if runner.call != call:
                return False
            now = monotonic()
            self.look(now)
            line.flush()
            if now > runner.deadline and not runner.cancelled:
                runner.cancelled = runner.late = True
                self.port.ring()
            if self.port.may_strike():
                # Under the lock: what is asked for this call must never hit the next.
                self._interrupter.strike()
            return not self._reading

    def try_sleep(self) -> bool:
        """Note that the watcher sleeps, unless a call runs.

        Said before it is looked: a call that begins meanwhile either is seen here, or sees this and wakes the watcher.
        """
        self._asleep = True
        if self.runner.call:
            self._asleep = False
        return self._asleep
