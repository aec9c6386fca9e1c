"""Sources of `mode = "inline"`: trusted async functions that run on the host's own loop.

Nothing confines them: what they block, everything waits for; what they crash, crashes the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

from dragoman.client.outflow import Outflow
from dragoman.client.value import decode_reply, encode_input, gathered
from dragoman.core.deadline import NEVER
from dragoman.core.fault import StartFailed
from dragoman.guest.inline import InlineFunctions, load_inline
from dragoman.guest.loader import LoadFailed
from dragoman.guest.nested import take_items
from dragoman.workers.outbound import GuestCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.config.project import Source
    from dragoman.contract.function import Contract
    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.core.service import Service
    from dragoman.guest.context import Context
    from dragoman.workers.outbound import Router


class InlineSource:
    """A source whose functions run inside the host."""

    def __init__(self, source: Source, route: Router) -> None:
        self.source = source
        self.service: Service
        self.contracts: tuple[Contract, ...] = ()
        self.fault: Fault | None = None
        self._route = route

    @property
    def building(self) -> bool:
        """Python is not built."""
        return False

    @property
    def checks(self) -> bool:
        """Its input is decoded into the annotated types, as in a worker."""
        return True

    @property
    def as_json(self) -> bool:
        """It reads every codec."""
        return False

    async def start(self) -> tuple[Contract, ...]:
        """Import it, in a thread: an import may take its time. Raises `StartFailed` with the reason."""
        timeout_s = self.source.pool.start_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                functions = await imported(str(self.source.path), self.source.name)
        except LoadFailed as error:
            self.fault = StartFailed(f"{self.source.name}: {error}", traceback=error.traceback)
            raise self.fault from None
        except TimeoutError:
            detail = f"{self.source.name} was not imported within its start_timeout of {timeout_s:g}s"
            self.fault = StartFailed(detail)
            raise self.fault from None
        functions.route = InlineRoute(self._route)
        self.service = functions
        self.contracts = functions.contracts
        return self.contracts

    def notify(self, ready: Callable[[tuple[Contract, ...]], None]) -> None:
        """Nothing: what cannot be imported is tried again when it changes."""

    def retire(self, successor: Service) -> None:
        """Nothing: functions that were looked up before go on working."""

    async def stop(self, timeout_s: float | None = None) -> None:
        """There is nothing to end: calls in flight are bound by their deadlines."""


class InlineRoute:
    """Serves the calls that inline functions make, as for functions in workers."""

    def __init__(self, route: Router) -> None:
        self._route = route

    async def __call__(self, caller: Call, context: Context, function: str, arguments: dict[str, Any], /) -> Any:
        """Serve `ctx.call`."""
        call, outflow = _prepared(caller, context, function, arguments)
        try:
            with outflow or contextlib.nullcontext():
                reply = await self._route(call)
                return await gathered(reply) if reply.items is not None else decode_reply(reply)
        finally:
            call.untie()

    async def stream(
        self, caller: Call, context: Context, function: str, arguments: dict[str, Any], /
    ) -> AsyncIterator[Any]:
        """Serve `ctx.stream`."""
        call, outflow = _prepared(caller, context, function, arguments)
        try:
            with outflow or contextlib.nullcontext():
                reply = await self._route(call)
                if reply.items is None:
                    yield decode_reply(reply)
                    return
                try:
                    async for item in reply.items:
                        yield decode_reply(reply, item)
                finally:
                    await reply.items.aclose()
        finally:
            call.untie()


def _prepared(
    caller: Call, context: Context, function: str, arguments: dict[str, Any]
) -> tuple[GuestCall, Outflow | None]:
    arguments, items = take_items(arguments)
    body, codec = encode_input(arguments)
    entries = context.entries
    remaining_s = 0.0 if context.deadline == NEVER else max(context.remaining, 0.001)
    call = GuestCall(function, body, codec, codec, remaining_s, entries.trace, entries.depth + 1, caller)
    outflow = None if items is None else Outflow(items)
    call.input = outflow
    return call, outflow


async def imported(path: str, name: str) -> InlineFunctions:
    """Import a source without holding up the loop. Raises `LoadFailed`."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[InlineFunctions] = loop.create_future()

    def settle(functions: InlineFunctions | None, error: LoadFailed | None) -> None:
        if outcome.done():
            return
        if functions is not None:
            outcome.set_result(functions)
        else:
            outcome.set_exception(error or LoadFailed("nothing was imported"))

    def work() -> None:
        try:
            functions, error = load_inline(path, name), None
        except LoadFailed as failed:
            functions, error = None, failed
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, functions, error)

    # A daemon: an import that never ends must not keep the host from ending.
    threading.Thread(target=work, name=f"import {path}", daemon=True).start()
    return await outcome
