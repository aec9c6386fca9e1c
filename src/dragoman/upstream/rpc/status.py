"""What a gRPC status means as a fault: the codes are ours already."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dragoman.core.fault import Code, DeadlineExceeded, Fault, Started
from dragoman.core.problem import clip
from dragoman.upstream.pieces import too_large

if TYPE_CHECKING:
    import grpc

    from dragoman.core.call import Call

DETAIL_CHARS_MAX = 4000
UNREAD = frozenset({"UNIMPLEMENTED", "UNAUTHENTICATED"})
"""Statuses of calls that nobody began to serve."""
UNSENT = ("failed to connect to all addresses", "Name resolution", "DNS resolution failed")
"""How the library says that a call never left; nothing else does."""
PLACEHOLDER = "Internal error from Core"
PAUSES_S = (0.0, 0.0, 0.001, 0.004, 0.015, 0.06, 0.25, 0.7)
"""About a second in all, the first looks being enough but on a machine that has no time."""
TOO_LARGE = "Received message larger than max"


class Ending:
    """How a call ended, as its service said.

    Where a service ends a call while a message goes out, the library says `INTERNAL`, before the real status comes or
    in its place (https://github.com/grpc/grpc/issues/36066). So the first word is kept, and the last one waited for.
    """

    def __init__(self, rpc: Any) -> None:
        """Make it before the call is used."""
        self._rpc = rpc
        self._told: tuple[grpc.StatusCode, str] | None = None
        rpc.add_done_callback(self._note)

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Wait for the status."""
        await self._rpc.code()
        for pause_s in PAUSES_S:
            if self._told is not None:
                return self._told
            self._note(self._rpc)
            await asyncio.sleep(pause_s)
        return self._told or (await self._rpc.code(), await self._rpc.details() or "")

    def _note(self, _: object) -> None:
        code, details = at_once(self._rpc.code()), at_once(self._rpc.details()) or ""
        if self._told is None and code is not None and details != PLACEHOLDER:
            self._told = code, details


def at_once(coroutine: Any) -> Any:
    """What a coroutine gives that need not wait; `None` if it would."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    return None


def fault_of(code: grpc.StatusCode, details: str, call: Call, reply_bytes_max: int) -> Fault:
    """The fault of a call that did not end well."""
    name = code.name
    function = call.target.name
    if name == "RESOURCE_EXHAUSTED" and TOO_LARGE in details:
        return too_large(function, reply_bytes_max)
    if name == "DEADLINE_EXCEEDED":
        detail = f"{function} ran past its {call.deadline - call.arrived_at:g}s timeout"
        return DeadlineExceeded(detail, started=Started.UNKNOWN, function=function)
    started = Started.NO if name in UNREAD or details.startswith(UNSENT) else Started.UNKNOWN
    known = Code[name] if name in Code.__members__ else Code.UNKNOWN
    said = clip(details, DETAIL_CHARS_MAX) or f"the service answered {name}"
    fault = Fault.of(known, said, started=started)
    fault.function = function
    return fault
