"""A host for blocking callers: its loop runs in a thread, and most calls do without it.

A call goes straight from the calling thread to a worker (`DirectService`); the loop's thread starts workers, watches
them, and takes over whatever is not a plain answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, cast

from dragoman.client.face import Named
from dragoman.client.marks import NONE, Marks, marks_of
from dragoman.client.outflow import Outflow, take_stream
from dragoman.client.submitting import Submitting
from dragoman.client.value import decode_reply, encode_for, gathered
from dragoman.core.fault import Draining, Unimplemented
from dragoman.core.forking import tell_at_fork
from dragoman.host.assemble import host as assemble_host
from dragoman.host.desk import CLOSED, HostDesk, LoopDesk
from dragoman.host.direct import DirectService, ThroughLoop
from dragoman.host.host import PATIENCE_S, check_started
from dragoman.host.hosted import PooledSource
from dragoman.host.stacks import Site, plain_stack
from dragoman.policies.surroundings import Surroundings
from dragoman.workers.crossing import run_on_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from dragoman.contract.function import Contract
    from dragoman.core.call import Call, Stream
    from dragoman.core.service import Pending
    from dragoman.core.target import Target
    from dragoman.host.assemble import Parts
    from dragoman.host.host import Host
    from dragoman.host.registry import Entry

    Settled = Callable[[Call], Pending]

_NOTHING = contextlib.nullcontext()
STOP_S = 5.0
"""How long closing waits for calls in flight in other threads."""


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for the thread: uvloop's where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - missing on some systems
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class BlockingProject(Named, Submitting):
    """A project hosted in this process: `shop.stats.correlation(data=rows)`. Usable from any thread."""

    def __init__(self, with_parts: Parts) -> None:
        self._parts = with_parts
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dragoman", daemon=True)
        self._host: Host | None = None
        self._directs: dict[PooledSource, DirectService] = {}
        self._services: dict[str, tuple[Settled, Target]] = {}
        self._lock = threading.Lock()
        self._version = -1
        self._open = False
        self._elsewhere = False

    def start(self) -> None:
        """Start the sources. Raises `StartFailed` where none can start."""
        self._thread.start()
        self._open = True
        tell_at_fork(self)
        self._host = host = assemble_host(self._parts)
        self._registry = host.registry
        self._prepare = host.call
        self._desk = LoopDesk(HostDesk(host), self._on_desk)
        check_started(host, self._wait(host.start(PATIENCE_S)))

    def close(self) -> None:
        """End every worker and the loop. Harmless when repeated, and in a process forked from the one that opened."""
        if self._elsewhere:
            return
        try:
            if self._open:
                self._open = False
                self._services.clear()
                self._wait(end(self._host))
        finally:
            if self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
            self._loop.close()
            self._parts.confinement.close()

    def leave_to_parent(self) -> None:
        """This is a forked copy: workers and loop are the parent's, and two must not talk to one worker."""
        self._elsewhere = True
        self._open = False
        self._services.clear()

    @property
    def functions(self) -> dict[str, Contract]:
        """The functions by full name, with what they promise."""
        return {name: entry.contract for name, entry in self._registry.entries.items()}

    def call(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,
        priority: str | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Call a function by its full name; its result. `timeout`, in seconds, may only shorten the function's own.

        `priority` is `"critical"`, `"normal"` or `"batch"`, where it is not to be the function's. Calls with the same
        `idempotency_key` are one, where the host keeps keys: who repeats one gets the first answer.

        A streaming function's items come as a list. An iterator for the parameter that the function takes as a stream
        is sent item by item, from a thread of its own. Raises the call's `Fault`.
        """
        call, service, outflow = self._ready(function, input, timeout, marks_of(priority, idempotency_key))
        with outflow or _NOTHING:
            reply = service(call).result()
            return decode_reply(reply, given=input) if reply.items is None else self._wait(gathered(reply, input))

    def stream(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,
        priority: str | None = None,
        idempotency_key: str | None = None,
    ) -> Generator[Any]:
        """Call a streaming function and iterate over its items as they come. Raises the call's `Fault`."""
        call, service, outflow = self._ready(function, input, timeout, marks_of(priority, idempotency_key))
        with outflow or _NOTHING:
            reply = service(call).result()
            stream = reply.items
            if stream is None:
                raise Unimplemented(f"{function} does not stream; call it", function=function)
            try:
                while items := self._wait(batch(stream)):
                    for item in items:
                        yield decode_reply(reply, item, input)
            finally:
                self._wait(stream.aclose())

    def _ready(
        self, function: str, value: Any, timeout_s: float | None, marks: Marks
    ) -> tuple[Call, Settled, Outflow | None]:
        found = self._services.get(function)
        if found is None or self._version != self._registry.version:
            found = self._find(function)
        service, target = found
        outflow: Outflow | None = None
        if target.input_stream:
            value, items = take_stream(value, target.input_stream)
            outflow = None if items is None else Outflow(items)
        call = self._prepare(target, *encode_for(target, value), timeout_s)
        call.input = outflow
        if marks is not NONE:
            marks.put(call)
        return call, service, outflow

    def _find(self, function: str) -> tuple[Settled, Target]:
        """The way to a function from outside the loop. Raises the `Fault` that says why there is none."""
        self._check_open()
        with self._lock:
            registry = self._registry
            if self._version != registry.version:
                self._version = registry.version
                self._services.clear()
                self._directs.clear()
            entry = registry.find(function)
            found = self._services[function] = (self._service(entry), entry.target)
        return found

    def _check_open(self) -> None:
        if self._elsewhere:
            raise Draining("this project was opened by the process that this one was forked from; open it here too")
        if not self._open:
            raise Draining(CLOSED)

    def _on_desk(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Ask something about tasks. Raises `Draining` where the project is closed, before or meanwhile."""
        try:
            self._check_open()
        except Draining:
            work.close()
            raise
        try:
            return self._wait(work)
        except CancelledError:
            raise Draining(CLOSED) from None

    def _service(self, entry: Entry) -> Settled:
        hosted = entry.hosted
        if entry.layers or not isinstance(hosted, PooledSource):
            # What layers know of calls belongs to the loop.
            return ThroughLoop(entry.service, self._loop)
        direct = self._directs.get(hosted)
        if direct is None:
            direct = self._directs[hosted] = DirectService(hosted.pool, self._parts.clock)
        # The layers around a pool pass on what it gives: replies that are settled already.
        site = Site(entry.source, entry.contract, entry.target, checks=hosted.checks, as_json=hosted.as_json)
        return cast("Settled", plain_stack(direct, site, Surroundings.here()))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return run_on_loop(self._loop, work)


async def end(host: Host | None) -> None:
    """Stop a host, and whatever else its loop still runs."""
    if host is not None:
        await host.stop(STOP_S)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=STOP_S)
    await asyncio.get_running_loop().shutdown_asyncgens()


async def batch(stream: Stream) -> list[bytes]:
    """The next items of a stream; none at its end."""
    batches = getattr(stream, "batch", None)
    if batches is not None:
        return await batches()
    async for item in stream:
        return [item]
    return []
