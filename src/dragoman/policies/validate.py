"""Input checked against its JSON Schema before the function's worker hears of the call.

For functions whose contract is a schema and whose guest does not check all of it: commands, and guests that do not say
that they do. Defaults are filled in, so that no guest need know them; a body that lacks none goes on as it came, unless
the guest wants JSON whatever came. Python functions are not in need of this layer: their guest decodes into the
annotated types, which is the check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.contract import codec
from dragoman.contract.breach import refused
from dragoman.contract.codecs.flat import NO_SIEVES, sieves
from dragoman.contract.malformed import Malformed
from dragoman.contract.pointer import pointer
from dragoman.core.call import Call, Codec, Reply
from dragoman.core.draft import whole
from dragoman.core.fault import Breach
from dragoman.core.service import Pending, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

    from dragoman.contract.check import Checker
    from dragoman.core.call import Input
    from dragoman.core.service import Layer

ARROW, BYTES = Codec.ARROW, Codec.BYTES
"""Looked up for every call."""


def validate(schema: Mapping[str, Any], *, as_json: bool = False, input_stream: str = "") -> Layer:
    """A layer that lets only input through which keeps to `schema`, of an object. Built once per function.

    With `as_json` the body goes on as JSON, newly written; else in the codec in which it came. Raw bytes for a function
    that takes them, and Arrow streams, are the guest's to read. `input_stream` is the property whose values may come as
    a stream beside the body: each is then checked as it passes.

    Raises `ContractError` for a schema that is none.
    """
    from dragoman.contract.check import Checker  # noqa: PLC0415 - 11 ms of a start, which Python alone does without

    whole = Checker(dict(schema))
    rest, item = (Checker(part) for part in parted(schema, input_stream)) if input_stream else (whole, whole)
    properties: Mapping[str, dict[str, Any] | bool] = schema.get("properties", {})
    defaults = {
        name: each["default"] for name, each in properties.items() if isinstance(each, dict) and "default" in each
    }
    quick = NO_SIEVES if as_json else sieves(schema)
    rest_defaults = {name: value for name, value in defaults.items() if name != input_stream}

    def layer(service: Service) -> Service:
        def checked(call: Call) -> Awaitable[Reply]:
            kind, body = call.codec, call.body
            fits = quick[kind]
            if fits is not None and type(body) is bytes and call.input is None and fits(body):
                return service(call)
            if kind is ARROW or (kind is BYTES and call.target.raw_input):
                return service(call)
            streamed = bool(input_stream) and call.input is not None
            checker, filling = (rest, rest_defaults) if streamed else (whole, defaults)
            value, breaches = read(call, checker)
            if streamed and not breaches:
                breaches = _check_stream(call, value, input_stream, item)
            if breaches:
                return Pending.failed(refused(call.target.name, breaches))
            lacking = bool(filling) and any(key not in value for key in filling)
            if lacking:
                value = {**filling, **value}
            if as_json or lacking or not call.body:
                call.codec = Codec.JSON if as_json or not call.body else call.codec
                try:
                    call.body = codec.encode(value, call.codec)
                except Malformed as error:  # NaN or an infinity, which came as MessagePack
                    breach = Breach(error.path, "must be finite: this function reads JSON, which has no such number")
                    return Pending.failed(refused(call.target.name, (breach,)))
            return service(call)

        return checked

    return layer


def read(call: Call, checker: Checker) -> tuple[dict[str, Any], tuple[Breach, ...]]:
    """The input of a call, and where it breaks its schema."""
    if type(call.body) is not bytes:
        # What lies in memory that a worker can write must not change once it has been checked.
        call.body = bytes(whole(call.body))
    try:
        value: Any = codec.decode(call.body, call.codec) if call.body else {}
    except Malformed as error:
        return {}, (Breach(error.path, error.message),)
    if not checker.fits(value) and (breaches := checker.breaches(value)):
        return {}, breaches
    given: dict[str, Any] = value
    return (given, ()) if type(value) is dict else ({}, (Breach("", "must be an object"),))


def _check_stream(call: Call, value: dict[str, Any], stream: str, item: Checker) -> tuple[Breach, ...]:
    """Have the items of a streamed input checked as they pass; a breach where the property is in the body as well."""
    if stream in value:
        return (Breach(pointer([stream]), "comes as a stream, and cannot be in the body too"),)
    assert call.input is not None
    call.input = CheckedItems(call.input, item, (call.target.name, stream))
    return ()


def parted(schema: Mapping[str, Any], stream: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema without the property that comes as a stream, and the schema of one item of that."""
    properties: dict[str, dict[str, Any] | bool] = dict(schema.get("properties", {}))
    array = properties.pop(stream, {})
    rest = {**schema, "properties": properties}
    rest["required"] = [name for name in schema.get("required", ()) if name != stream]
    definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    return rest, {**definitions, "allOf": [array.get("items", {}) if isinstance(array, dict) else array]}


class CheckedItems:
    """A streamed input whose items are checked as they pass; the first that breaks its schema is the last."""

    def __init__(self, items: Input, checker: Checker, place: tuple[str, str]) -> None:
        """`place` is the function and its property, for the fault."""
        self._items = items
        self._checker = checker
        self._place = place

    async def __aiter__(self) -> AsyncIterator[tuple[Codec, bytes]]:
        """Iterate over the items. Raises `InvalidArgument` at one that must not go on."""
        index = 0
        async for kind, body in self._items:
            if kind is not Codec.ARROW:
                self._check(index, kind, body)
            yield kind, body
            index += 1

    def _check(self, index: int, kind: Codec, body: bytes) -> None:
        name, stream = self._place
        try:
            value: Any = codec.decode(body, kind)
        except Malformed as error:
            breaches: tuple[Breach, ...] = (Breach(error.path, error.message),)
        else:
            breaches = () if self._checker.fits(value) else self._checker.breaches(value)
        if breaches:
            here = pointer([stream, index])
            raise refused(name, tuple(Breach(here + breach.path, breach.message) for breach in breaches))
