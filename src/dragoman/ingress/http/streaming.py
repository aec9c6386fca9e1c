"""A streamed response: items written as they come, each batch flushed at once, no faster than the client reads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dragoman.core.fault import Cancelled, Fault
from dragoman.ingress.http import answer
from dragoman.ingress.http.layout import Layout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from uvicorn.protocols.http.flow_control import FlowControl

    from dragoman.core.call import Call, Reply, Stream
    from dragoman.core.fault import Code
    from dragoman.ingress.http.lane import CallLane
    from dragoman.ingress.http.request import Request


class StreamedResponse:
    """Writes one reply's items to one connection."""

    def __init__(
        self,
        lane: CallLane,
        request: Request,
        call: Call,
        reply: Reply,
        transport: asyncio.Transport,
        flow: FlowControl,
    ) -> None:
        assert request.plan is not None
        self._lane = lane
        self._request = request
        self._call = call
        self._reply = reply
        self._transport = transport
        self._flow = flow
        self._layout = Layout(request.plan.form)
        self._chunked = request.chunked
        self._task: asyncio.Task[None] | None = None

    def start(self, done: Callable[[bool], None]) -> None:
        """Write it all; then say whether the response is complete."""
        self._task = asyncio.get_running_loop().create_task(self._run(done))

    def cancel(self) -> None:
        """The client is gone."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, done: Callable[[bool], None]) -> None:
        stream = self._reply.items
        assert stream is not None
        fault: Fault | None = None
        complete = False
        try:
            self._write_head()
            async for batch in batches(stream):
                self._write(self._layout.items(batch))
                if self._flow.write_paused:
                    await self._flow.drain()
            complete = True
        except Fault as raised:
            fault = raised
            complete = self._write_fault(raised)
        except asyncio.CancelledError:
            fault = Cancelled("the client went away")
        finally:
            await stream.aclose()
        self._count(fault)
        if complete:
            self._write(self._layout.end() if fault is None else b"")
            if self._chunked:
                self._transport.write(answer.LAST_CHUNK)
        done(complete)

    def _write_head(self) -> None:
        request, lane = self._request, self._lane
        assert request.plan is not None
        lines = lane.dates.line(lane.now())
        if not request.keep_alive:
            lines += answer.CLOSE
        head = answer.OK_STREAM % (
            request.plan.content_type,
            lines,
            lane.prefix,
            self._call.id,
            self._reply.queue_s * 1e3,
            answer.CHUNKED if self._chunked else b"",
        )
        self._transport.write(head)

    def _write(self, data: bytes) -> None:
        if data:
            self._transport.write(answer.chunk(data) if self._chunked else data)

    def _write_fault(self, fault: Fault) -> bool:
        data, complete = self._layout.fault(self._lane.document(fault, self._request, self._call.id))
        self._write(data)
        return complete

    def _count(self, fault: Fault | None) -> None:
        code: Code | None = None if fault is None else fault.code
        door = self._request.door
        assert door is not None
        door.meter.finished(code, self._lane.now() - self._request.arrived_at)
        if fault is not None:
            self._lane.failed(self._call, fault)


async def batches(stream: Stream) -> AsyncIterator[list[bytes]]:
    """The items of a stream in lists of what is there at the time."""
    batch = getattr(stream, "batch", None)
    if batch is None:
        async for item in stream:
            yield [item]
        return
    while items := await batch():
        yield items
