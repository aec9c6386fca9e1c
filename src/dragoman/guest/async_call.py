"""Asynchronous functions as tasks: one a call, with its stream, its cancellation and its context."""

from __future__ import annotations

import asyncio
import inspect
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.deadline import NEVER
from dragoman.core.fault import Cancelled, Started, Unavailable
from dragoman.guest.async_inflow import AsyncItems
from dragoman.guest.context import Context
from dragoman.guest.forks import leave
from dragoman.guest.line import SEND_BYTES
from dragoman.guest.nested import Nested, NestedStream
from dragoman.guest.reports import Reports
from dragoman.guest.runner import (
    CODECS,
    cancelled_unstarted,
    encode_reply,
    failure,
    out_of_time,
    refuse_late,
    refuse_unservable,
    reply_codec,
)
from dragoman.wire.frame import Flag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextvars import ContextVar

    from dragoman.contract.signature import Binding
    from dragoman.core.call import Codec
    from dragoman.core.draft import Draft
    from dragoman.guest.forks import ForkGuard
    from dragoman.guest.line import Line
    from dragoman.guest.nested import Outbound
    from dragoman.guest.output import Output
    from dragoman.wire.frame import Frame

_INPUT = int(Flag.INPUT)
ITEM_S = 200e-6
"""An item that comes this soon after the last one sent waits for the end of the loop's turn."""


class Server(Protocol):
    """The server, as its asynchronous calls see it."""

    line: Line
    outbound: Outbound
    loop: asyncio.AbstractEventLoop

    def next(self) -> None:
        """A call has ended: begin another."""
        ...

    def flush_now(self) -> None:
        """Send what is waiting at once."""
        ...

    def report(self, call: int, body: bytes) -> None:
        """Send an event."""
        ...

    def give_back(self) -> None:
        """A call has ended: release the regions that it has left."""
        ...


class AsyncCalls:
    """The calls that run on the loop; also their contexts' link."""

    def __init__(self, server: Server, output: Output, guard: ForkGuard, current: ContextVar[int]) -> None:
        self._server = server
        self._line = server.line
        self._output = output
        self._guard = guard
        self._current = current
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._begun: set[int] = set()
        self._cancelled: set[int] = set()
        self._credit: dict[int, asyncio.Future[None]] = {}
        self._sent_at = 0.0
        self._due: dict[int, float] = {}
        self._late: set[int] = set()
        self._alarm: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, binding: Binding, frame: Frame, arrived_at: float) -> None:
        """Start a call."""
        if frame.amount:
            self._watch(frame.call, arrived_at + frame.amount * 0.001)
        self._tasks[frame.call] = self._server.loop.create_task(self._run(binding, frame, arrived_at))

    def cancel(self, call: int) -> None:
        """Stop a call, if it runs."""
        task = self._tasks.get(call)
        if task is not None and call not in self._cancelled:
            self._cancelled.add(call)
            # A task that is cancelled before its first step never takes one, and then nobody would answer.
            if call in self._begun:
                task.cancel()

    def _watch(self, call: int, deadline: float) -> None:
        """Have a call stopped at its deadline. One alarm serves all: nearly every call ends long before its own."""
        self._due[call] = deadline
        alarm = self._alarm
        if alarm is None or deadline < alarm.when():
            if alarm is not None:
                alarm.cancel()
            # The loop's clock is the one that deadlines are on.
            self._alarm = self._server.loop.call_at(deadline, self._look)

    def _look(self) -> None:
        """Stop the calls whose time is up, and look again when that of the next is."""
        now = monotonic()
        for call in [call for call, deadline in self._due.items() if deadline <= now]:
            del self._due[call]
            self._late.add(call)
            self.cancel(call)
        self._alarm = None
        if self._due:
            self._alarm = self._server.loop.call_at(min(self._due.values()), self._look)

    def ring(self, call: int) -> None:
        """Credit has come for a call."""
        waiter = self._credit.get(call)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _run(self, binding: Binding, frame: Frame, arrived_at: float) -> None:
        line, call = self._line, frame.call
        began_at = monotonic()
        self._current.set(call)
        self._begun.add(call)
        try:
            if call in self._cancelled:
                raise cancelled_unstarted()  # noqa: TRY301 - answered below, as every other end is
            body, wanted = await self._answer(binding, frame, arrived_at)
            if self._guard.is_child:
                leave(None)
            self._output.settle(call)
            with line.lock:
                run_us = int((monotonic() - began_at) * 1e6)
                line.put(*line.answer(call, wanted, body, run_us))
        except BaseException as error:  # noqa: BLE001 - user code may raise anything, and the worker outlives it
            if self._guard.is_child:
                leave(error)
            self._output.settle(call)
            fault = failure(error)
            if isinstance(error, asyncio.CancelledError) and call in self._cancelled:
                late = call in self._late
                fault = out_of_time(binding.name) if late else Cancelled("the call was cancelled", started=Started.YES)
            error.__traceback__ = None
            with line.lock:
                line.put(line.connection.fault(call, fault, int((monotonic() - began_at) * 1e6)))
        del self._tasks[call]
        self._begun.discard(call)
        self._cancelled.discard(call)
        self._late.discard(call)
        self._due.pop(call, None)
        with line.lock:
            line.inflows.close(call)
            line.flush()
        self._server.give_back()
        self._server.next()

    async def _answer(self, binding: Binding, frame: Frame, arrived_at: float) -> tuple[bytes | Draft, Codec]:
        codec = CODECS[frame.codec & 15]
        wanted = reply_codec(binding, codec, CODECS[frame.codec >> 4])
        deadline = arrived_at + frame.amount * 0.001 if frame.amount else NEVER
        refuse_unservable(binding, codec, wanted, frame.flags)
        refuse_late(binding.name, deadline, monotonic())
        if not binding.context_parameter:
            return await self._work(binding, frame, codec, wanted, None)
        reports = Reports(self, frame.call)
        try:
            context = Context(self, frame.call, frame.meta, deadline, reports)
            return await self._work(binding, frame, codec, wanted, context)
        finally:
            reports.settle()

    async def _work(
        self, binding: Binding, frame: Frame, codec: Codec, wanted: Codec, context: Context | None
    ) -> tuple[bytes | Draft, Codec]:
        value = self._invoke(binding, frame, codec, context)
        if inspect.isawaitable(value):
            value = await value
        if not binding.is_stream:
            return encode_reply(binding, value, wanted, frame.meta)
        try:
            async for item in value:
                await self._send_item(frame.call, wanted, binding.encode(item, wanted))
        finally:
            close = getattr(value, "aclose", None)
            if close is not None and not self._guard.is_child:
                await close()
        return b"", wanted

    def _invoke(self, binding: Binding, frame: Frame, codec: Codec, context: Context | None) -> Any:
        if not frame.flags & _INPUT or binding.intake is None:
            return binding.invoke(frame.body, codec, context)
        items = AsyncItems(self._line, self._line.inflows.of(frame.call), binding.intake)
        return binding.intake.invoke(frame.body, codec, context, items)

    async def _send_item(self, call: int, codec: int, body: bytes | Draft) -> None:
        line = self._line
        if self._guard.is_child:
            leave(None)
        while line.connection.credit_of(call) <= 0:
            self._credit[call] = self._server.loop.create_future()
            try:
                await self._credit[call]
            finally:
                del self._credit[call]
        now = monotonic()
        with line.lock:
            line.put(*line.item(call, codec, body))
            line.flush()
        if now - self._sent_at > ITEM_S or line.size > SEND_BYTES:
            self._sent_at = now
            self._server.flush_now()

    # What a context asks (`Link`)

    def public_id(self, call: int) -> str:
        """The id under which people know a call."""
        return self._line.hello.call_id(call)

    def is_cancelled(self, call: int) -> bool:
        """Whether the caller has given the call up; so has everyone, once it has ended."""
        return call in self._cancelled or call not in self._tasks

    def log(self, call: int, body: bytes) -> None:
        """Send a log event, within the call's allowance."""
        self._output.log(call, body)

    def report(self, call: int, body: bytes) -> None:
        """Send an event."""
        if not self._guard.is_child:
            self._server.report(call, body)

    async def request(self, context: Context, function: str, arguments: dict[str, Any]) -> Any:
        """Call another function."""
        if self._guard.is_child:
            raise Unavailable("a forked child cannot call: only the worker is connected", started=Started.NO)
        line, outbound = self._line, self._server.outbound
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def ring() -> None:
            if not done.done():
                done.set_result(None)

        with line.lock:
            nested = outbound.start(context, function, arguments, lambda: loop.call_soon_threadsafe(ring), Nested)
            line.flush()
        feeding = None if nested.items is None else loop.create_task(self._feed(outbound, nested))
        try:
            if feeding is not None:
                await asyncio.wait({done, feeding}, return_when=asyncio.FIRST_COMPLETED)
                if feeding.done():
                    feeding.result()
            await done
        except BaseException:
            with line.lock:
                outbound.drop(nested)
                line.flush()
            raise
        finally:
            if feeding is not None:
                feeding.cancel()
        return nested.result()

    async def request_stream(self, context: Context, function: str, arguments: dict[str, Any]) -> AsyncIterator[Any]:
        """Call another function for its items."""
        if self._guard.is_child:
            raise Unavailable("a forked child cannot call: only the worker is connected", started=Started.NO)
        line, outbound = self._line, self._server.outbound
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        with line.lock:
            nested = outbound.start(
                context, function, arguments, lambda: loop.call_soon_threadsafe(came.set), NestedStream
            )
            line.flush()
        feeding = None if nested.items is None else loop.create_task(self._feed(outbound, nested))
        if feeding is not None:
            feeding.add_done_callback(lambda _: came.set())
        try:
            while (frame := await self._next_frame(outbound, nested, came, feeding)) is not None:
                yield nested.value(frame)
            nested.finish()
        finally:
            if feeding is not None:
                feeding.cancel()
            with line.lock:
                outbound.drop(nested)
                line.flush()

    async def _next_frame(
        self, outbound: Outbound, nested: NestedStream, came: asyncio.Event, feeding: asyncio.Task[None] | None
    ) -> Frame | None:
        """The next item of a stream, `None` after the last; waits for it. Raises what feeding it raised."""
        line = self._line
        while True:
            came.clear()
            with line.lock:
                frame = outbound.pop(nested)
                over = frame is None and nested.done
                line.flush()
            if frame is not None or over:
                return frame
            await came.wait()
            if feeding is not None and feeding.done():
                feeding.result()

    async def _feed(self, outbound: Outbound, nested: Nested) -> None:
        """Send the input of a call as fast as it is taken."""
        line = self._line
        given_items: Any = nested.items
        items: Any = given_items if hasattr(given_items, "__anext__") else _asynchronous(given_items)
        async for value in items:
            while True:
                with line.lock:
                    given = outbound.give(nested, value)
                    line.flush()
                if given:
                    break
                credit = self._credit[nested.call] = self._server.loop.create_future()
                try:
                    await credit
                finally:
                    del self._credit[nested.call]
        with line.lock:
            outbound.finish(nested)
            line.flush()


async def _asynchronous(items: Iterator[Any]) -> AsyncIterator[Any]:
    for value in items:
        yield value
        await asyncio.sleep(0)  # it never waits by itself, and others are to run
