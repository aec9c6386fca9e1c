"""Another answer where a function fails in a way that is provided for: another function's, or a value.

The other function is given the same body and what is left of the same deadline, so it has no chance where the time is
over: then only a value is an answer. A fault of `DEADLINE_EXCEEDED` may come earlier than that, from what the function
itself has called. Where the other function fails too, the value is the answer, and where there is none, the first
fault as it was.

Functions may stand in for one another. Each step counts as a call that a function makes, so that one that leads in a
circle ends (`DEPTH_MAX`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from dragoman.contract import codec
from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Code
from dragoman.core.service import Pending, settle
from dragoman.policies.attempt import another, attempt
from dragoman.policies.surroundings import Surroundings

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.core.service import Service

DEPTH_MAX = 8
"""No other function stands in for a call that is the result of so many calls and stand-ins already."""

Route: TypeAlias = "Callable[[str], Service | None]"
"""Finds a function by its full name; its service takes a call that is aimed at another one, and aims it at its own."""


@dataclass(frozen=True, slots=True)
class FallbackOptions:
    """On a fault with one of the codes `on`, the answer is that of `function` (its full name), or `value`, as JSON.

    With both, the value is for when the other function fails as well, or has no time left.
    """

    function: str = ""
    value: bytes = b""
    on: frozenset[Code] = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED})


def nowhere(_: str) -> None:
    """Know no other function."""


class Fallback:
    """The layer. Raises `ValueError` where its options name neither a function nor a value, or one that is not JSON."""

    reads_bodies: ClassVar[bool] = False

    def __init__(
        self, options: FallbackOptions, surroundings: Surroundings | None = None, route: Route = nowhere
    ) -> None:
        if not options.function and not options.value:
            raise ValueError("a fallback needs a function or a value")
        self.options = options
        self.surroundings = surroundings or Surroundings.here()
        self.counts = {"function": 0, "value": 0, "failed": 0}
        self._route = route
        self._value: Any = codec.decode(options.value, Codec.JSON) if options.value else None
        self._values: list[Any] = self._value if options.value.lstrip().startswith(b"[") else [self._value]

    def state(self) -> dict[str, object]:
        """Nothing: it remembers no call."""
        return {}

    def __call__(self, service: Service, /) -> Service:
        """Wrap a service."""
        failed = self._failed

        def falling(call: Call) -> Awaitable[Reply]:
            answer = service(call)
            pending = answer if isinstance(answer, Pending) else settle(answer)
            pending.then(lambda settled: settled.fault is not None and failed(settled, settled.fault, call))
            return pending

        return falling

    def _failed(self, pending: Pending, fault: Fault, call: Call) -> None:
        if pending.cancelled or fault.code not in self.options.on:
            return
        stand_in = self._stand_in(call)
        if stand_in is not None:
            pending.hold()
            again = another(call, self.surroundings)
            again.depth = call.depth + 1
            running = attempt(stand_in, again)
            pending.on_cancel = running.cancel
            running.then(lambda ended: self._stood_in(pending, fault, call, ended))
        elif self.options.value:
            pending.hold()
            pending.release(self._given(call))
        else:
            self.counts["failed"] += 1

    def _stand_in(self, call: Call) -> Service | None:
        """The other function, if it can be asked."""
        if not self.options.function or call.input is not None or call.depth >= DEPTH_MAX:
            return None
        if self.options.function == call.target.name:
            return None  # it is what others of its source fall back on, and has just failed
        if self.surroundings.clock.monotonic() >= call.deadline:
            return None
        return self._route(self.options.function)

    def _stood_in(self, pending: Pending, fault: Fault, call: Call, ended: Pending) -> None:
        if ended.reply is not None:
            self.counts["function"] += 1
            pending.release(ended.reply)
        elif pending.cancelled:
            pending.release(ended.fault or fault)
        elif self.options.value:
            pending.release(self._given(call))
        else:
            self.counts["failed"] += 1
            pending.release(fault)

    def _given(self, call: Call) -> Reply:
        """The value, in the caller's codec, or as JSON where that cannot say it; for a streaming function, a stream."""
        self.counts["value"] += 1
        kind = call.reply_codec if call.reply_codec is Codec.MSGPACK else Codec.JSON
        if not call.target.streaming:
            return Reply(codec.encode(self._value, kind), kind)
        items = [codec.encode(value, kind) for value in self._values]
        return Reply(b"", kind, Given(items))


class Given:
    """A stream of items that are there already."""

    def __init__(self, items: list[bytes]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._items:
            raise StopAsyncIteration
        return self._items.pop(0)

    async def batch(self) -> list[bytes]:
        """All that is left; an empty list at the end."""
        items, self._items = self._items, []
        return items

    async def aclose(self) -> None:
        """Let go of what is left."""
        self._items = []
