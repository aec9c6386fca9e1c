"""A streamed response: items written as they come, each batch flushed at once, no faster than the client reads."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Cancelled, Fault
from dragoman.core.items import batches, close_stream
from dragoman.ingress.http import answer
from dragoman.ingress.http.layout import Layout
from dragoman.ingress.http.limits import limit_lines
from dragoman.ingress.http.negotiation import JSONL, Form

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.protocols.http.flow_control import FlowControl

    from dragoman.core.call import Call, Reply
    from dragoman.core.fault import Code
    from dragoman.ingress.http.head import Head
    from dragoman.ingress.http.lane import CallLane


NO_LINGER = struct.pack("ii", 1, 0)


class Done(Protocol):
    """Told when the response has ended, and whether it is complete."""

    def __call__(self, *, complete: bool) -> None:
        """Go on with the connection, or give it up."""
        ...


class StreamedResponse:
    """Writes one reply's items to one connection."""

    def __init__(
        self,
        lane: CallLane,
        head: Head,
        call: Call,
        reply: Reply,
        transport: asyncio.Transport,
        flow: FlowControl,
    ) -> None:
        assert head.plan is not None, "what became a call has a plan"
        self._lane = lane
        self._head = head
        plan = head.plan
        if reply.codec is not plan.reply_codec and plan.form is Form.JOINED:
            # Items that are JSON whatever was asked for (a command's) cannot be joined: they would run together.
            plan = replace(plan, form=Form.LINES, content_type=JSONL)
        self._plan = plan
        self._call = call
        self._reply = reply
        self._transport = transport
        self._flow = flow
        self._layout = Layout(plan.form)
        self._task: asyncio.Task[None] | None = None
        self._hang_up: Callable[[], None] = transport.close
        self._entered = self._left = False

    def start(self, done: Done, hang_up: Callable[[], None], *, close: bool) -> None:
        """Write it all, then tell. With `close` the response is the last one, and `hang_up` ends its connection."""
        self._hang_up = hang_up
        self._task = asyncio.get_running_loop().create_task(self._run(done, close=close))

    def cancel(self) -> None:
        """The client is gone."""
        self._left = True
        # A task that is cancelled before its first step never takes one, and then nobody would end the stream.
        if self._task is not None and self._entered:
            self._task.cancel()

    async def _run(self, done: Done, *, close: bool) -> None:
        stream = self._reply.items
        assert stream is not None, "a streamed reply has items"
        fault: Fault | None = None
        complete = False
        self._entered = True
        try:
            if self._left:
                raise asyncio.CancelledError  # noqa: TRY301 - the same end as any time later
            self._write_head(close=close)
            async for batch in batches(stream):
                self._write(self._layout.items(batch))
                if self._flow.write_paused:
                    await self._flow.drain()
            complete = True
        except Fault as raised:
            fault = raised
        except asyncio.CancelledError:
            fault = Cancelled("the client went away")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the response must end
            fault = Fault.internal(f"the host failed to pass the stream on: {error!r}")
        fault = await close_stream(stream, fault)
        self._count(fault)
        if fault is not None:
            complete = self._write_fault(fault)
        self._end(complete=complete, failed=fault is not None, close=close)
        done(complete=complete and not close)

    def _write_head(self, *, close: bool) -> None:
        head, lane = self._head, self._lane
        lines = lane.wall.date(lane.now())
        if self._call.limits is not None:
            lines += limit_lines(self._call.limits.allowance(self._call))
        if close or not head.chunked:
            lines += answer.CLOSE
        start = answer.OK_STREAM % (
            self._plan.content_type,
            lines,
            lane.prefix,
            self._call.id,
            self._reply.queue_s * 1e3,
            answer.CHUNKED if head.chunked else b"",
        )
        self._transport.write(start)

    def _write(self, data: bytes) -> None:
        if data:
            self._transport.write(answer.chunk(data) if self._head.chunked else data)

    def _write_fault(self, fault: Fault) -> bool:
        if self._transport.is_closing():
            return False
        lane, call = self._lane, self._call
        data, complete = self._layout.fault(lane.document(fault, self._head, call.id, call.trace))
        self._write(data)
        return complete

    def _end(self, *, complete: bool, failed: bool, close: bool) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        if complete:
            self._write(b"" if failed else self._layout.end())
            if self._head.chunked:
                transport.write(answer.LAST_CHUNK)
        if not self._head.chunked and not complete:
            # Without chunks only a reset tells the client that this was not all; lingering for 0 s makes it one.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            transport.abort()
        elif close or not complete:
            self._hang_up()

    def _count(self, fault: Fault | None) -> None:
        code: Code | None = None if fault is None else fault.code
        door = self._head.door
        assert door is not None, "what became a call has a door"
        door.meter.finished(code, self._lane.now() - self._call.arrived_at)
        if fault is not None:
            self._lane.failed(self._call, fault)
