"""Serving a source that has asynchronous functions: an event loop reads, and runs them side by side.

Where the source has synchronous functions too, the loop lives in a second thread and leaves the main thread to them,
one at a time: signals, and libraries that insist on it, need the main thread, and a slow one must not stop the others.
"""

from __future__ import annotations

import asyncio
import math
import queue
from _thread import get_ident
from collections import deque
from contextlib import suppress
from contextvars import ContextVar
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from dragoman.guest.async_call import AsyncCalls
from dragoman.guest.blocking import Blocking
from dragoman.guest.interrupt import Interrupter
from dragoman.guest.nested import Outbound
from dragoman.guest.runner import Runner, cancelled_unstarted, revoked, unknown_function
from dragoman.guest.watcher import TICK_S
from dragoman.wire.frame import GUEST_BIT, Flag, Frame, Kind

if TYPE_CHECKING:
    from _thread import LockType

    from dragoman.contract.signature import Binding
    from dragoman.guest.forks import ForkGuard
    from dragoman.guest.line import Line
    from dragoman.guest.output import Output

READS_MAX = 32
"""Reads in a row before the functions get their turn: one body of 2 MB."""

_CALL, _CANCEL, _PING, _DRAIN = int(Kind.CALL), int(Kind.CANCEL), int(Kind.PING), int(Kind.DRAIN)
_END, _ITEM, _FAULT, _CREDIT, _BYE = int(Kind.END), int(Kind.ITEM), int(Kind.FAULT), int(Kind.CREDIT), int(Kind.BYE)
_UNSTARTED = int(Flag.UNSTARTED)

CURRENT: ContextVar[int] = ContextVar("dragoman_call", default=0)
"""The call that the running task, or a thread it started by `asyncio.to_thread`, works for."""


class AsyncServer:
    """Serves until the host says DRAIN."""

    def __init__(self, line: Line, bindings: list[Binding], output: Output, guard: ForkGuard) -> None:
        self.line = line
        self.looked_at = math.inf
        self.outbound = Outbound(line)
        self.runner = Runner(line, bindings, output, guard)
        self.calls = AsyncCalls(self, output, guard, CURRENT)
        self._blocking = self.runner.port = Blocking(self, output)
        self._interrupter = Interrupter(self.runner, line.lock)
        self._bindings = bindings
        self._concurrency = line.hello.concurrency
        self._inbox: deque[tuple[Frame, float]] = deque()
        self._handed: dict[int, tuple[Frame, float]] = {}
        self._for_main: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._in_main = 0
        self._main = get_ident()
        self._loop_thread = 0
        self._draining = False
        self._flushing = self._blocked = False
        self._left: asyncio.Event
        self.loop: asyncio.AbstractEventLoop
        output.attach(self.report, line.lock, self._current)

    def run(self) -> None:
        """Serve. Returns once everything is answered and the host has been told."""
        if all(binding.is_async for binding in self._bindings):
            asyncio.run(self._serve())
            return
        thread = Thread(target=self._run_loop, name="dragoman", daemon=True)
        thread.start()
        while call := self._for_main.get():
            self._run_in_main(call)
        thread.join()

    def _run_loop(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._for_main.put(0)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._loop_thread = get_ident()
        self._left = asyncio.Event()
        line = self.line
        line.sock.settimeout(0.0)
        with line.lock:
            line.driver = self._drive
        self.loop.add_reader(line.sock.fileno(), self._readable)
        await self._left.wait()
        self.loop.remove_reader(line.sock.fileno())
        self.loop.remove_writer(line.sock.fileno())
        with line.lock:
            line.driver = None
            line.sock.settimeout(None)
            line.put(line.connection.bye())
            line.flush()

    # Reading, in the loop's thread

    def _readable(self) -> None:
        with suppress(BlockingIOError):
            for _ in range(READS_MAX):
                self._take(self.line.read())
        self.next()

    def _take(self, data: bytes) -> None:
        now = monotonic()
        with self.line.lock:
            for frame in self.line.receive(data):
                if frame.kind == _CALL:
                    self.line.inflows.open(frame)
                    self._inbox.append((frame, now))
                else:
                    self._act(frame)

    def _act(self, frame: Frame) -> None:
        line = self.line
        if frame.kind == _PING:
            line.pong(frame.body)
            line.flush()
        elif frame.kind == _CANCEL:
            self._cancel(frame.call, revoke=bool(frame.flags & _UNSTARTED))
        elif frame.kind == _CREDIT:
            self.calls.ring(frame.call)
            self._blocking.ring()
        elif frame.kind in {_END, _ITEM} and frame.call < GUEST_BIT:
            line.inflows.put(frame)
        elif frame.kind in {_END, _ITEM, _FAULT} and frame.call:
            self.outbound.take(frame)
            line.flush()
        elif frame.kind == _DRAIN:
            self._draining = True
        elif frame.kind in {_FAULT, _BYE}:
            line.lost()

    def _cancel(self, call: int, *, revoke: bool) -> None:
        for entry in self._inbox:
            if entry[0].call == call:
                self._inbox.remove(entry)
                self._give_back(call, revoke=revoke)
                return
        if self._handed.pop(call, None) is not None:
            self._in_main -= 1
            self._give_back(call, revoke=revoke)
        elif call == self.runner.call and not revoke:
            self.runner.cancelled = True
            self._blocking.ring()
            self._strike(call)
        elif not revoke:
            self.calls.cancel(call)

    def _give_back(self, call: int, *, revoke: bool) -> None:
        fault = revoked() if revoke else cancelled_unstarted()
        self.line.inflows.close(call)
        self.line.put(self.line.connection.fault(call, fault, unstarted=revoke))
        self.line.flush()

    def _strike(self, call: int) -> None:
        """Interrupt the main thread, again until it was seen to."""
        with self.line.lock:
            if self.runner.call != call or self.runner.interrupted:
                return
            if self._blocking.may_strike():
                self._interrupter.strike()
        self.loop.call_later(TICK_S, self._strike, call)

    def next(self) -> None:
        """Begin the calls whose turn it is, in the order in which they came; leave when there will be none."""
        while self._inbox and self._in_main + len(self.calls) < self._concurrency:
            frame, arrived_at = self._inbox.popleft()
            if frame.function >= len(self._bindings):
                with self.line.lock:
                    self.line.inflows.close(frame.call)
                    self.line.put(self.line.connection.fault(frame.call, unknown_function(frame.function)))
                    self.line.flush()
            elif self._bindings[frame.function].is_async:
                self.calls.begin(self._bindings[frame.function], frame, arrived_at)
            else:
                self._in_main += 1
                self._handed[frame.call] = frame, arrived_at
                self._for_main.put(frame.call)
        if self._draining and not self._inbox and not self._in_main and not len(self.calls):
            self._left.set()

    # Running, in the main thread

    def _run_in_main(self, call: int) -> None:
        line, runner = self.line, self.runner
        with line.lock:
            frame, arrived_at = self._handed.pop(call, (None, 0.0))
            if frame is None:
                return
            runner.begin(call, monotonic())
        answer = runner.serve(frame, arrived_at)
        del frame  # and with it the region that its body may lie in
        with line.lock:
            runner.call = 0
            line.put(*answer)
            self.loop.call_soon_threadsafe(self._main_done)

    def _main_done(self) -> None:
        self._in_main -= 1
        if self.line.freed:
            self._give_regions_back()
        self._flush()
        self.next()

    # Sending

    def _drive(self) -> None:
        """Send by the end of this turn of the loop. Under the line's lock, from any thread."""
        if self._flushing:
            return
        self._flushing = True
        if get_ident() == self._loop_thread:
            self.loop.call_soon(self._flush)
        else:
            self.loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        line = self.line
        with line.lock:
            self._flushing = False
            try:
                while line.send_some():
                    pass
            except BlockingIOError:
                self._flushing = self._blocked = True
                self.loop.add_writer(line.sock.fileno(), self._flush)
            except OSError:
                line.lost()
            else:
                if self._blocked:
                    self._blocked = False
                    self.loop.remove_writer(line.sock.fileno())

    def give_back(self) -> None:
        """Release the regions that a call has left, once its task is gone too."""
        if self.line.connection.borrowed:
            self.loop.call_soon(self._give_regions_back)

    def _give_regions_back(self) -> None:
        with self.line.lock:
            self.line.flush()

    def flush_now(self) -> None:
        """Send at once, unless the kernel has no room. In the loop's thread."""
        if not self._blocked:
            self._flush()

    def report(self, call: int, body: bytes) -> None:
        """Send an event, from any thread; at once where the loop might not turn for a while."""
        self.line.report(call, body)
        if get_ident() == self._loop_thread:
            self.flush_now()

    # What the others ask

    def look(self, now: float) -> None:
        """Nothing: the loop reads whenever there is something."""

    def wake(self) -> None:
        """Nothing: the loop always reads."""

    def rest(self, bell: LockType) -> None:
        """Wait for a bell; the loop reads."""
        bell.acquire()

    def _current(self) -> int:
        return CURRENT.get() or (self.runner.call if get_ident() == self._main else 0)
