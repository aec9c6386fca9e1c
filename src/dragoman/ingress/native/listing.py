"""What the host itself answers: which functions there are (`dragoman.functions`, `dragoman.function`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from dragoman.contract import codec
from dragoman.core.call import Codec, Reply
from dragoman.core.draft import whole
from dragoman.core.fault import Breach, InvalidArgument, Started
from dragoman.core.target import Target
from dragoman.ingress.native.doors import OWN, Door

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.ingress.native.doors import Meter

ANSWER_S = 30.0
"""How long a listing may take: a thousand functions take a tenth of a second."""


class Documents(Protocol):
    """The listings, as JSON. Asked in a thread, since a long one takes its time."""

    def functions(self) -> bytes:
        """All functions with their contracts."""
        ...

    def function(self, name: str) -> bytes | None:
        """One of them; None where there is none of that name."""
        ...


def own_doors(documents: Documents, missing: Callable[[str], Fault], meter: Meter) -> dict[str, Door]:
    """The doors of what the host itself answers. `missing(name)` says why there is no such function."""

    async def functions(call: Call) -> Reply:
        input_of(call)
        return Reply(await asyncio.to_thread(documents.functions), Codec.JSON)

    async def function(call: Call) -> Reply:
        name = input_of(call).get("name")
        if not isinstance(name, str):
            detail = f"the input of {call.target.name} breaks its contract"
            breach = Breach("/name", "a function's full name is required")
            raise InvalidArgument(detail, errors=(breach,), started=Started.NO)
        found = await asyncio.to_thread(documents.function, name)
        if found is None:
            raise missing(name)
        return Reply(found, Codec.JSON)

    return {
        OWN + name: Door(Target(OWN + name, "dragoman", name, 0, ANSWER_S), service, meter)
        for name, service in (("functions", functions), ("function", function))
    }


def input_of(call: Call) -> dict[str, Any]:
    """The input of a call to the host itself. Raises `InvalidArgument` where it is no object."""
    try:
        value = codec.decode(whole(call.body) or b"{}", call.codec if call.body else Codec.JSON)
    except ValueError as error:
        raise InvalidArgument(f"the input of {call.target.name} cannot be read: {error}", started=Started.NO) from None
    if not isinstance(value, dict):
        raise InvalidArgument(f"the input of {call.target.name} is no object", started=Started.NO)
    return cast("dict[str, Any]", value)
