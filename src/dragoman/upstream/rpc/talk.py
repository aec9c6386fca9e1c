"""One call of gRPC under way: what goes out and what comes back, as bytes; its end is a fault or none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from dragoman.core.fault import Fault
from dragoman.upstream.rpc.status import Ending, fault_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.core.call import Call


class Talk:
    """Close it, whatever happens: closing it cancels what is left of the call."""

    def __init__(self, rpc: Any, call: Call, reply_bytes_max: int, left: Callable[[], object]) -> None:
        """`rpc` is one of `grpc.aio`'s calls; `left()` is called once, when it is over."""
        self._rpc = rpc
        self._ending = Ending(rpc)
        self._call = call
        self._bytes_max = reply_bytes_max
        self._left = left
        self._feeding: asyncio.Task[None] | None = None
        self._fault: Fault | None = None
        self._closed = False

    def feed(self, messages: AsyncIterator[bytes]) -> None:
        """Send these as they come; a fault of theirs is the call's."""
        self._feeding = asyncio.ensure_future(self._feed(messages))

    async def begun(self) -> None:
        """Wait until the service says anything at all. Raises its `Fault` where that is one."""
        await self._told(self._rpc.initial_metadata())
        if self._rpc.done() and (await self._ending.status())[0] is not grpc.StatusCode.OK:
            raise await self._ended()

    async def answer(self) -> bytes:
        """The one answer. Raises its `Fault`."""
        return await self._told(self._rpc)

    async def read(self) -> bytes | None:
        """The next answer; `None` after the last. Raises its `Fault`."""
        body = await self._told(self._rpc.read())
        return None if body is grpc.aio.EOF else body

    async def aclose(self) -> None:
        """End it, if it has not ended."""
        if self._closed:
            return
        self._closed = True
        self._rpc.cancel()
        if self._feeding is not None:
            self._feeding.cancel()
        self._left()

    async def _told(self, awaitable: Any) -> Any:
        try:
            return await awaitable
        except grpc.aio.AioRpcError:
            raise (await self._ended()) from None
        except asyncio.CancelledError:
            if self._fault is not None:
                raise self._fault from None
            raise

    async def _ended(self) -> Fault:
        if self._fault is not None:
            return self._fault
        return fault_of(*await self._ending.status(), self._call, self._bytes_max)

    async def _feed(self, messages: AsyncIterator[bytes]) -> None:
        try:
            async for body in messages:
                await self._rpc.write(body)
            await self._rpc.done_writing()
        except Fault as fault:
            self._fault = fault
            self._rpc.cancel()
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            return  # the service has answered, and wants no more


class Answers:
    """The items of a streamed reply."""

    def __init__(self, talk: Talk, encoded: Callable[[bytes], bytes]) -> None:
        """`encoded` is an item as JSON; it may raise a `Fault`."""
        self._talk = talk
        self._encoded = encoded
        self._over = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        try:
            body = await self._talk.read()
            if body is not None:
                return self._encoded(body)
        except BaseException:
            await self.aclose()
            raise
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End it, if it has not ended."""
        self._over = True
        await self._talk.aclose()
