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


def deadline(clock: Clock) -> Layer:
    """A layer that cancels a call at its deadline and answers `DEADLINE_EXCEEDED`."""

    def layer(service: Service) -> Service:
        async def bounded(call: Call) -> Reply:
            if call.deadline == NEVER:
                return await service(call)
            left_s = call.deadline - clock.monotonic()
            scope = asyncio.timeout(max(left_s, 0.0))
            try:
                async with scope:
                    return await service(call)
            except TimeoutError:
                if not scope.expired():
                    raise
                name = call.target.name
                timeout_s = call.deadline - call.arrived_at
                detail = f"{name} ran past its {timeout_s:g}s timeout"
                raise DeadlineExceeded(detail, started=Started.YES, function=name) from None

        return bounded

    return layer
