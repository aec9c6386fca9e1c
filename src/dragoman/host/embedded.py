"""`dragoman.open`: a project hosted inside the caller's own process, no server needed.

Async callers get the host on the loop they are on, blocking ones get one in a thread of its own (`host.blocking`).
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from dragoman.client.face import Named
from dragoman.client.marks import NONE, Marks, marks_of
from dragoman.client.outflow import Outflow, take_stream
from dragoman.client.submitting import AsyncSubmitting
from dragoman.client.value import decode_reply, encode_for, gathered
from dragoman.config.load import load
from dragoman.core.fault import Unimplemented
from dragoman.host.assemble import host as assemble_host
from dragoman.host.assemble import launch_confinement, parts
from dragoman.host.blocking import BlockingProject
from dragoman.host.desk import HostDesk
from dragoman.host.host import PATIENCE_S, check_started
from dragoman.host.journal import SilentJournal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path
    from types import TracebackType

    from dragoman.contract.function import Contract
    from dragoman.core.call import Call
    from dragoman.core.service import Service
    from dragoman.host.assemble import Parts
    from dragoman.host.host import Host


def open_project(*paths: str | Path) -> Opened:
    """Host a project, or single sources, in this process: `dragoman.open("shop/")`.

    Give a project's folder, its `dragoman.toml`, or source files; nothing stands for the current folder. Use the result
    in `with` for blocking calls or in `async with` for calls to await. Raises `ConfigError` for a project that is not
    right; entering raises `StartFailed` where no source can start.
    """
    confinement = launch_confinement()
    try:
        return Opened(parts(load(paths), lambda _: SilentJournal(), confinement))
    except BaseException:
        confinement.close()
        raise


class Opened:
    """A project that is about to be hosted here."""

    def __init__(self, with_parts: Parts) -> None:
        self._parts = with_parts
        self._blocking: BlockingProject | None = None
        self._host: Host | None = None

    def __enter__(self) -> BlockingProject:
        """Start it in a thread of its own, for blocking calls from any thread."""
        self._blocking = BlockingProject(self._parts)
        try:
            self._blocking.start()
        except BaseException:
            self._blocking.close()
            raise
        return self._blocking

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._blocking is not None:
            self._blocking.close()

    async def __aenter__(self) -> AsyncProject:
        """Start it on the running loop."""
        self._host = assemble_host(self._parts)
        try:
            check_started(self._host, await self._host.start(PATIENCE_S))
        except BaseException:
            await self._host.stop(0)
            raise
        return AsyncProject(self._host)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._host is not None:
            await self._host.stop(0)


class AsyncProject(Named, AsyncSubmitting):
    """A project hosted on the running loop: `await shop.stats.correlation(data=rows)`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._desk = HostDesk(host)

    @property
    def functions(self) -> dict[str, Contract]:
        """The functions by full name, with what they promise."""
        return {name: entry.contract for name, entry in self._host.registry.entries.items()}

    async def call(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the host keeps the deadline too
        priority: str | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Call a function by its full name; its result. `timeout`, in seconds, may only shorten the function's own.

        `priority` is `"critical"`, `"normal"` or `"batch"`, where it is not to be the function's. Calls with the same
        `idempotency_key` are one, where the host keeps keys: who repeats one gets the first answer.

        A streaming function's items come as a list. An iterator, ordinary or asynchronous, for the parameter that the
        function takes as a stream is sent item by item. Raises the call's `Fault`.
        """
        call, service, outflow = self._prepare(function, input, timeout, marks_of(priority, idempotency_key))
        if outflow is None:
            reply = await service(call)
            return decode_reply(reply, given=input) if reply.items is None else await gathered(reply, input)
        with outflow:
            reply = await service(call)
            return decode_reply(reply, given=input) if reply.items is None else await gathered(reply, input)

    async def stream(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline is the host's to keep
        priority: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncGenerator[Any]:
        """Call a streaming function and iterate over its items as they come. Raises the call's `Fault`."""
        call, service, outflow = self._prepare(function, input, timeout, marks_of(priority, idempotency_key))
        with outflow or nullcontext():
            reply = await service(call)
            if reply.items is None:
                raise Unimplemented(f"{function} does not stream; call it", function=function)
            try:
                async for item in reply.items:
                    yield decode_reply(reply, item, input)
            finally:
                await reply.items.aclose()

    def _prepare(
        self, function: str, value: Any, timeout_s: float | None, marks: Marks
    ) -> tuple[Call, Service, Outflow | None]:
        entry = self._host.registry.find(function)
        target = entry.target
        value, items = take_stream(value, target.input_stream)
        call = self._host.call(target, *encode_for(target, value), timeout_s)
        outflow = None if items is None else Outflow(items)
        call.input = outflow
        if marks is not NONE:
            marks.put(call)
        return call, entry.service, outflow
