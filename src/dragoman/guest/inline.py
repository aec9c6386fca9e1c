"""Trusted asynchronous functions on the host's own loop, with the faults and the context that a worker's have.

No process, no wire: a call costs the function and its codec. Nothing protects the host from what the functions do.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.call import Codec, Reply
from dragoman.core.deadline import NEVER
from dragoman.core.draft import whole
from dragoman.core.fault import DeadlineExceeded, Started, Unimplemented
from dragoman.guest.context import Context
from dragoman.guest.loader import LoadFailed, load
from dragoman.guest.reports import Reports
from dragoman.guest.runner import encode_reply, failure, refuse_late, reply_codec
from dragoman.wire.meta import Entries
from dragoman.wire.report import load_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from dragoman.contract.function import Contract
    from dragoman.contract.intake import Intake
    from dragoman.contract.signature import Binding
    from dragoman.core.call import Call, Input


class Route(Protocol):
    """Serves the calls that inline functions make."""

    def __call__(self, caller: Call, context: Context, function: str, arguments: dict[str, Any], /) -> Awaitable[Any]:
        """One value."""
        ...

    def stream(self, caller: Call, context: Context, function: str, arguments: dict[str, Any], /) -> AsyncIterator[Any]:
        """The items, one by one."""
        ...


def load_inline(source: str, name: str = "") -> InlineFunctions:
    """Import a source, which the host calls `name`, into this process.

    Raises `LoadFailed`, also where a function is not asynchronous.
    """
    bindings = load(source, name).bindings
    for binding in bindings:
        if not binding.is_async:
            raise LoadFailed(
                f"{binding.contract.name} would block the host: inline functions are `async`, other sources are warm"
            )
    return InlineFunctions(bindings)


class InlineFunctions:
    """A service that runs the functions of one source.

    `route(call, context, function, arguments)` serves `ctx.call`; without one, functions cannot call others.
    """

    def __init__(self, bindings: list[Binding]) -> None:
        self._bindings = bindings
        self.contracts: tuple[Contract, ...] = tuple(binding.contract for binding in bindings)
        self.route: Route | None = None

    async def __call__(self, call: Call, /) -> Reply:
        """Run one call. Raises its `Fault`."""
        binding = self._bindings[call.target.index]
        began_at = call.dispatched_at = monotonic()
        wanted = reply_codec(binding, call.codec, call.reply_codec)
        link = InlineLink(call, self.route)
        try:
            refuse_late(binding.name, call.deadline, began_at)
            value = _invoke(binding, call, _context(binding, call, link))
            if binding.is_stream:
                return Reply(b"", wanted, InlineStream(binding, value, wanted, link))
            value = await _until(call, value)
            body, wanted = encode_reply(binding, value, wanted, Entries(merged=call.merged))
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            link.end()
            raise link.fault(error) from None
        link.end()
        return Reply(whole(body), wanted, None, 0.0, monotonic() - began_at)


class InlineStream:
    """The items of an asynchronous generator, encoded."""

    def __init__(self, binding: Binding, items: AsyncIterator[Any], codec: Codec, link: InlineLink) -> None:
        self._binding = binding
        self._items = items
        self._codec = codec
        self._link = link

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            item = await _until(self._link.call, anext(self._items))
            return bytes(whole(self._binding.encode(item, self._codec)))
        except StopAsyncIteration:
            self._link.end()
            raise
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            await self.aclose()
            raise self._link.fault(error) from None

    async def aclose(self) -> None:
        """End the generator, if it has not ended."""
        self._link.end()
        close = getattr(self._items, "aclose", None)
        if close is not None:
            try:
                await close()
            except Exception as error:  # noqa: BLE001 - the function's own clean-up failed
                raise self._link.fault(error) from None


class InlineLink:
    """What one call's context asks for."""

    def __init__(self, call: Call, route: Route | None) -> None:
        self.call = call
        self.ended = False
        self.reports: Reports | None = None
        self._route = route

    def end(self) -> None:
        """The function has ended."""
        self.ended = True
        if self.reports is not None:
            self.reports.settle()

    def fault(self, error: BaseException) -> BaseException:
        """What to raise in place of whatever came out of the function."""
        if isinstance(error, KeyboardInterrupt):
            return error
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            return error
        fault = failure(error)
        fault.function = fault.function or self.call.target.name
        return fault

    def public_id(self, call: int) -> str:
        """The id under which people know the call."""
        return f"{call:08x}"

    def is_cancelled(self, call: int) -> bool:
        """Whether the call is over: a cancelled one is told by `CancelledError`."""
        return self.ended or call != self.call.id

    def log(self, call: int, body: bytes) -> None:
        """Tell the caller's listener."""
        self.report(call, body)

    def report(self, call: int, body: bytes) -> None:
        """Tell the caller's listener."""
        if call == self.call.id and self.call.on_event is not None and (event := load_event(body)) is not None:
            self.call.on_event(event)

    async def request(self, context: Context, function: str, arguments: dict[str, Any]) -> Any:
        """Call another function."""
        if self._route is None:
            raise Unimplemented(f"{function} cannot be called from an inline function here", started=Started.NO)
        return await self._route(self.call, context, function, arguments)

    async def request_stream(self, context: Context, function: str, arguments: dict[str, Any]) -> AsyncIterator[Any]:
        """Call another function for its items."""
        if self._route is None:
            raise Unimplemented(f"{function} cannot be called from an inline function here", started=Started.NO)
        async for item in self._route.stream(self.call, context, function, arguments):
            yield item


def _context(binding: Binding, call: Call, link: InlineLink) -> Context | None:
    if not binding.context_parameter:
        return None
    link.reports = Reports(link, call.id)
    return Context(link, call.id, Entries(call.trace, "", "", call.depth), call.deadline, link.reports)


async def _until(call: Call, value: Awaitable[Any]) -> Any:
    if call.deadline == NEVER:
        return await value
    timeout = asyncio.timeout(max(call.deadline - monotonic(), 0.0))
    try:
        async with timeout:
            return await value
    except TimeoutError as error:
        if not timeout.expired():
            raise
        detail = f"{call.target.name} ran past its deadline, and was stopped"
        raise DeadlineExceeded(detail, started=Started.YES) from error


def _invoke(binding: Binding, call: Call, context: Context | None) -> Any:
    body = whole(call.body)
    if call.input is None:
        return binding.invoke(body, call.codec, context)
    if binding.intake is None:
        name = binding.contract.name
        raise Unimplemented(f"{name} takes no input stream: send its whole input", started=Started.NO)
    return binding.intake.invoke(body, call.codec, context, _items(binding.intake, call.input))


async def _items(intake: Intake, stream: Input) -> AsyncIterator[Any]:
    position = 0
    async for codec, body in stream:
        yield intake.read(body, codec, position)
        position += 1
