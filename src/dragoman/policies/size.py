"""A bound on the bodies of one source, where its project sets one below what the wire takes anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.fault import InvalidArgument
from dragoman.core.service import Pending

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dragoman.core.call import Call, Reply
    from dragoman.core.service import Layer, Service


def body_size(bytes_max: int) -> Layer:
    """A layer that refuses calls whose body has more than `bytes_max` bytes, as it came."""

    def layer(service: Service) -> Service:
        def bounded(call: Call) -> Awaitable[Reply]:
            size = len(call.body)
            if size <= bytes_max:
                return service(call)
            name = call.target.name
            detail = f"the input of {name} has {size} bytes; it takes at most {bytes_max} (body_max)"
            return Pending.failed(InvalidArgument(detail, function=name))

        return bounded

    return layer
