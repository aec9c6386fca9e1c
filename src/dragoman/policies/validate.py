"""Input checked against its JSON Schema before the function's worker hears of the call.

For functions whose contract is a schema and whose guest does not check all of it: commands, and guests that do not say
that they do. Defaults are filled in, so that no guest need know them; a body that lacks none goes on as it came, unless
the guest wants JSON whatever came. Python functions are not in need of this layer: their guest decodes into the
annotated types, which is the check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dragoman.contract import codec
from dragoman.contract.breach import refused
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import Breach
from dragoman.core.service import Pending, Service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from dragoman.core.service import Layer


def validate(schema: Mapping[str, Any], *, as_json: bool = False) -> Layer:
    """A layer that lets only input through which keeps to `schema`, of an object. Built once per function.

    With `as_json` the body goes on as JSON, newly written; else in the codec in which it came. Raw bytes for a function
    that takes them, and Arrow streams, are the guest's to read.

    Raises `ContractError` for a schema that is none.
    """
    from dragoman.contract.check import Checker  # noqa: PLC0415 - 11 ms of a start, which Python alone does without

    checker = Checker(dict(schema))
    valid = checker.valid
    properties: Mapping[str, Any] = schema.get("properties", {})
    defaults: dict[str, Any] = {name: each["default"] for name, each in properties.items() if "default" in each}

    def layer(service: Service) -> Service:
        def checked(call: Call) -> Awaitable[Reply]:
            if call.codec is Codec.ARROW or (call.codec is Codec.BYTES and call.target.raw_input):
                return service(call)
            name = call.target.name
            try:
                value: Any = codec.decode(call.body, call.codec) if call.body else {}
            except Malformed as error:
                return Pending.failed(refused(name, (Breach(error.path, error.message),)))
            if not valid(value) and (breaches := checker.breaches(value)):
                return Pending.failed(refused(name, breaches))
            if not isinstance(value, dict):
                return Pending.failed(refused(name, (Breach("", "must be an object"),)))
            lacking = any(key not in value for key in defaults)
            if lacking:
                value = {**defaults, **cast("dict[str, Any]", value)}
            if as_json or lacking or not call.body:
                call.codec = Codec.JSON if as_json or not call.body else call.codec
                call.body = codec.encode(value, call.codec)
            return service(call)

        return checked

    return layer
