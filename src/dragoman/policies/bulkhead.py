"""A bound on calls in flight, for services that have no pool to bound them: the rest is refused at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.fault import Overloaded

if TYPE_CHECKING:
    from dragoman.core.call import Call, Reply
    from dragoman.core.service import Layer, Service


def bulkhead(limit: int) -> Layer:
    """A layer that lets at most `limit` calls in at a time."""

    def layer(service: Service) -> Service:
        inside = 0

        async def bounded(call: Call) -> Reply:
            nonlocal inside
            if inside >= limit:
                name = call.target.name
                raise Overloaded(
                    f"{name} has {limit} calls in flight and takes no more", function=name, retry_after_s=1
                )
            inside += 1
            try:
                return await service(call)
            finally:
                inside -= 1

        return bounded

    return layer
