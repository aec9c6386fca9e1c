"""The deadline of a call whose service does not watch it by itself: a coroutine in the host's own process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dragoman.core.deadline import NEVER
from dragoman.core.fault import DeadlineExceeded, Started

if TYPE_CHECKING:
    from dragoman.core.call import Call, Reply
    from dragoman.core.clock import Clock
    from dragoman.core.service import Layer, Service


def deadline(clock: Clock, begun: Started = Started.YES) -> Layer:
    """A layer that cancels a call at its deadline and answers `DEADLINE_EXCEEDED` then, heeded or not.

    `begun` is what is known of the function once its service has dispatched the call; before that it never ran.
    """

    def layer(service: Service) -> Service:
        stubborn: set[asyncio.Future[Reply]] = set()

        async def bounded(call: Call) -> Reply:
            if call.deadline == NEVER:
                return await service(call)
            work = asyncio.ensure_future(service(call))
            try:
                await asyncio.wait((work,), timeout=max(call.deadline - clock.monotonic(), 0.0))
            except BaseException:
                work.cancel()
                raise
            if work.done():
                return work.result()
            # What does not stop when it is cancelled goes on in the background; its caller has an answer in time.
            stubborn.add(work)
            work.add_done_callback(lambda done: (stubborn.discard(done), done.cancelled() or done.exception()))
            work.cancel()
            name = call.target.name
            detail = f"{name} ran past its {call.deadline - call.arrived_at:g}s timeout"
            started = begun if call.dispatched_at else Started.NO
            raise DeadlineExceeded(detail, started=started, function=name)

        return bounded

    return layer
