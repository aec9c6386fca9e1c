"""A host for blocking callers: its loop runs in a thread, and most calls do without it.

A call goes straight from the calling thread to a worker (`DirectService`); the loop's thread starts workers, watches
them, and takes over whatever is not a plain answer.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import uvloop

from dragoman.client.face import Name
from dragoman.client.value import decode_reply, encode_for, gathered
from dragoman.core.fault import Draining, StartFailed, Unimplemented
from dragoman.host.assemble import host as assemble_host
from dragoman.host.direct import DirectService, ThroughLoop
from dragoman.host.hosted import PooledSource
from dragoman.host.stacks import stack

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from dragoman.contract.function import Contract
    from dragoman.core.call import Reply, Stream
    from dragoman.core.service import Pending, Service
    from dragoman.core.target import Target
    from dragoman.host.assemble import Parts
    from dragoman.host.host import Host

STOP_S = 5.0
"""How long closing waits for calls in flight in other threads."""


class BlockingProject:
    """A project hosted in this process: `shop.stats.correlation(data=rows)`. Usable from any thread."""

    def __init__(self, with_parts: Parts) -> None:
        self._parts = with_parts
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dragoman", daemon=True)
        self._host: Host
        self._directs: dict[str, DirectService] = {}
        self._services: dict[str, tuple[Service, Target]] = {}
        self._version = -1
        self._open = False

    def __getattr__(self, name: str) -> Name:
        if name.startswith("_"):
            raise AttributeError(name)
        first = self.__dict__[name] = Name(self, name)
        return first

    def start(self) -> None:
        """Start the sources. Raises `StartFailed` where none can start."""
        self._thread.start()
        self._open = True
        self._host = assemble_host(self._parts)
        self._registry = self._host.registry
        self._prepare = self._host.call
        faults = self._wait(self._host.start())
        if faults and len(faults) == len(self._host.project.sources):
            raise StartFailed("; ".join(fault.detail for fault in faults.values()))

    def close(self) -> None:
        """End every worker and the loop. Harmless when repeated."""
        if not self._open:
            self._parts.confinement.close()
            return
        self._open = False
        self._services.clear()
        self._wait(self._host.stop(STOP_S))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def functions(self) -> dict[str, Contract]:
        """The functions by full name, with what they promise."""
        return {name: entry.contract for name, entry in self._host.registry.entries.items()}

    def call(self, function: str, /, input: Any = None, *, timeout: float | None = None) -> Any:  # noqa: A002 - the public word
        """Call a function by its full name; its result. `timeout`, in seconds, may only shorten the function's own.

        A streaming function's items come as a list. Raises the call's `Fault`.
        """
        reply = self._run(function, input, timeout)
        return decode_reply(reply) if reply.items is None else self._wait(gathered(reply))

    def stream(self, function: str, /, input: Any = None, *, timeout: float | None = None) -> Generator[Any]:  # noqa: A002 - the public word
        """Call a streaming function and iterate over its items as they come. Raises the call's `Fault`."""
        reply = self._run(function, input, timeout)
        stream = reply.items
        if stream is None:
            raise Unimplemented(f"{function} does not stream; call it", function=function)
        try:
            while items := self._wait(batch(stream)):
                for item in items:
                    yield decode_reply(reply, item)
        finally:
            self._wait(stream.aclose())

    def _run(self, function: str, value: Any, timeout_s: float | None) -> Reply:
        found = self._services.get(function)
        if found is None or self._version != self._registry.version:
            found = self._service(function)
        service, target = found
        call = self._prepare(target, *encode_for(target, value), timeout_s)
        # A direct service gives a reply that is settled already.
        pending: Pending = service(call)  # type: ignore[assignment] - see above
        return pending.result()

    def _service(self, function: str) -> tuple[Service, Target]:
        if not self._open:
            raise Draining("this project is closed; open it again")
        registry = self._registry
        entry = registry.find(function)
        if self._version != registry.version:
            self._services.clear()
            self._directs.clear()
            self._version = registry.version
        hosted = registry.sources[entry.source.name]
        if isinstance(hosted, PooledSource):
            direct = self._directs.get(entry.source.name)
            if direct is None:
                direct = self._directs[entry.source.name] = DirectService(hosted.pool, self._parts.clock)
            service = stack(direct, entry.source, entry.contract, self._parts.clock)
        else:
            service = ThroughLoop(entry.service, self._loop)
        found = self._services[function] = (service, entry.target)
        return found

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def batch(stream: Stream) -> list[bytes]:
    """The next items of a stream; none at its end."""
    batches = getattr(stream, "batch", None)
    if batches is not None:
        return await batches()
    async for item in stream:
        return [item]
    return []
