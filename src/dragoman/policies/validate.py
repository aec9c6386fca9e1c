"""Input checked against its JSON Schema before the function's worker hears of the call.

For functions whose contract is a schema and whose guest does not check it: commands. The body that goes on is JSON with
defaults filled in, so that the guest need not know the schema. Python functions are not in need of this layer: their
guest decodes into the annotated types, which is the check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.contract import codec
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import Breach, InvalidArgument
from dragoman.core.service import Pending, Service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from dragoman.core.service import Layer


def validate(schema: Mapping[str, Any]) -> Layer:
    """A layer that lets only input through which keeps to `schema`, of an object. Built once per function.

    Raises `ContractError` for a schema that is none.
    """
    from dragoman.contract.check import Checker  # noqa: PLC0415 - 11 ms of a start, for commands alone

    checker = Checker(dict(schema))
    properties: Mapping[str, Any] = schema.get("properties", {})
    defaults: dict[str, Any] = {name: each["default"] for name, each in properties.items() if "default" in each}

    def layer(service: Service) -> Service:
        def checked(call: Call) -> Awaitable[Reply]:
            if call.codec is Codec.BYTES and call.target.raw_input:
                return service(call)
            name = call.target.name
            try:
                value = codec.decode(call.body or b"{}", call.codec)
            except Malformed as error:
                detail = f"the input of {name} cannot be read: {error}"
                return Pending.failed(InvalidArgument(detail, errors=(Breach("", str(error)),), function=name))
            breaches = checker.breaches(value)
            if breaches:
                return Pending.failed(
                    InvalidArgument(f"the input of {name} breaks its contract", errors=breaches, function=name)
                )
            if any(key not in value for key in defaults):
                value = {**defaults, **value}
            call.body, call.codec = codec.encode(value, Codec.JSON), Codec.JSON
            return service(call)

        return checked

    return layer
