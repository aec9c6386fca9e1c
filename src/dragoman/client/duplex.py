"""A call that streams both ways over HTTP: a WebSocket, opened by the HTTP client's own connection.

The HTTP client reads no answer before it has sent everything, so streams in both directions need the connection itself.
"""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from dragoman.client.failure import PROBLEM_BYTES_MAX, read_failure, read_fault
from dragoman.client.outflow import Outflow
from dragoman.core.call import Codec
from dragoman.core.fault import Fault
from dragoman.wire import websocket
from dragoman.wire.websocket import Closed, Message, WebSocket

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    import httpx2

    from dragoman.client.exchange import Incoming, Patience, Request
    from dragoman.wire.websocket import Event

READ_BYTES = 64 * 1024
SWITCHING = 101
END = object()
"""What comes after the last item."""
PROBLEM = b'{"problem":'


def upgrade() -> dict[str, str]:
    """The headers of a handshake."""
    return {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
        "sec-websocket-protocol": websocket.JSON,
    }


async def both_ways(
    client: httpx2.AsyncClient, sending: dict[str, Any], request: Request, incoming: Incoming, patience: Patience
) -> AsyncGenerator[Any]:
    """Send the items of the input, give those of the reply as they come. Raises the call's `Fault`."""
    assert request.items is not None, "a call that streams both ways has an input"
    async with client.stream(**sending) as response:
        if response.status_code != SWITCHING:
            raise _named(read_failure(response.status_code, response.headers, await _start_of(response)), patience)
        exchange = _Exchange(response.extensions["network_stream"], incoming, patience)
        with Outflow(request.items) as outflow:
            feeder = asyncio.ensure_future(exchange.feed(outflow))
            try:
                async for value in exchange.values(feeder):
                    yield value
            finally:
                feeder.cancel()
                await asyncio.gather(feeder, return_exceptions=True)


async def _start_of(response: httpx2.Response) -> bytes:
    """As much of a refusal as is read: whoever sends it may send without end."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk[: PROBLEM_BYTES_MAX - len(body)]
        if len(body) == PROBLEM_BYTES_MAX:
            break
    return bytes(body)


class _Exchange:
    """One open WebSocket."""

    def __init__(self, network: Any, incoming: Incoming, patience: Patience) -> None:
        self._network = network
        self._incoming = incoming
        self._patience = patience
        self._socket = WebSocket(client=True, message_bytes_max=incoming.bytes_max)
        self._writing = asyncio.Lock()

    async def feed(self, outflow: Outflow) -> None:
        """Send all items, then the end. Raises what the caller's iterator gave that cannot be sent."""
        async with aclosing(_items(outflow)) as items:
            async for body, text in items:
                self._socket.send(body, text=text)
                if not await self._write():
                    return
        self._socket.send(b"", text=True)
        await self._write()

    async def values(self, feeder: asyncio.Future[None]) -> AsyncGenerator[Any]:
        """The items of the reply."""
        problem = b""
        async for event in self._events(feeder):
            if isinstance(event, Closed):
                self._ended(event, problem)
            if problem:
                yield self._incoming.item(problem)
            if isinstance(event, Closed):
                return
            # A fault comes as the last message; only the close tells it from an item that looks the same.
            problem = event.body if event.text and event.body.startswith(PROBLEM) else b""
            if not problem:
                yield self._item(event)

    async def _events(self, feeder: asyncio.Future[None]) -> AsyncGenerator[Event]:
        """What comes, to its end."""
        while True:
            for event in self._socket.receive(await self._read(feeder)):
                yield event
            await self._write()

    def _item(self, message: Message) -> Any:
        return self._incoming.item(message.body, Codec.JSON if message.text else Codec.MSGPACK)

    def _ended(self, end: Closed, problem: bytes) -> None:
        """Raise the fault that an end means, unless it is that of a whole reply."""
        if end.code == websocket.OK:
            return
        if end.code > websocket.FAULT_BASE and problem:
            fault = read_fault(problem[len(PROBLEM) : -1])
            fault.remote = True
            raise _named(fault, self._patience)
        raise self._incoming.cut(f"it was closed with {end.code} {end.reason}".rstrip())

    async def _read(self, feeder: asyncio.Future[None]) -> bytes:
        """What comes next. Raises what the input failed with, where that comes first."""
        read = asyncio.ensure_future(self._network.read(READ_BYTES))
        try:
            await asyncio.wait({read} if feeder.done() else {read, feeder}, return_when=asyncio.FIRST_COMPLETED)
            if not read.done():
                feeder.result()
            data: bytes = await read
        except (Fault, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the transport's own errors, which have no public name
            raise self._incoming.cut(str(error) or type(error).__name__) from None
        finally:
            read.cancel()
        if not data:
            raise self._incoming.cut("the connection was closed")
        return data

    async def _write(self) -> bool:
        """Write what is to be written. False where that cannot be: reading tells what the host said before it left."""
        async with self._writing:
            data = self._socket.take()
            try:
                if data:
                    await self._network.write(data)
            except Exception:  # noqa: BLE001 - as above
                return False
            return True


async def _items(outflow: Outflow) -> AsyncGenerator[tuple[bytes, bool]]:
    async for codec, body in outflow:
        yield bytes(body), codec is Codec.JSON


def _named(fault: Fault, patience: Patience) -> Fault:
    fault.function = fault.function or patience.function
    return fault


def blocking(values: AsyncGenerator[Any]) -> Generator[Any]:
    """The values of an asynchronous generator for a caller that blocks, on a loop in a thread of its own.

    Closing this one closes that one.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="dragoman both ways", daemon=True)
    thread.start()

    async def step() -> Any:
        return await anext(values, END)

    async def leave() -> None:
        # A caller that was interrupted while it waited has left a step behind.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await values.aclose()

    try:
        while (value := asyncio.run_coroutine_threadsafe(step(), loop).result()) is not END:
            yield value
    finally:
        asyncio.run_coroutine_threadsafe(leave(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
