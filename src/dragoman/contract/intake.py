"""The input stream of a function: one parameter whose values may come one by one, beside the rest of the input.

A function that takes an `Iterator[T]` has an array of T in its contract, and can always be called with all of it.
Called with a stream, the other parameters are decoded as ever, and each item for itself when the function asks for it.
"""

from __future__ import annotations

import collections.abc
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, get_args, get_origin

from dragoman.contract.annotation import strip
from dragoman.contract.codecs.typed import DECODING_ERRORS
from dragoman.contract.function import ContractError
from dragoman.contract.late import own_path
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Codec
from dragoman.core.fault import Breach, InvalidArgument, Started

if TYPE_CHECKING:
    from dragoman.contract.function import Contract
    from dragoman.contract.parameters import Parameter, Parameters, Plan

_SYNC = (collections.abc.Iterator, collections.abc.Iterable)
_ASYNC = (collections.abc.AsyncIterator, collections.abc.AsyncIterable)


def find(found: Parameters, name: str, *, is_async: bool) -> tuple[Parameters, int | None]:
    """The parameters with the stream's as a list of its items, and its place; `None` where there is none.

    Raises `ContractError` for two streams, and for one of the other kind of function.
    """
    kinds = [_stream_of(parameter.kind) for parameter in found.inputs]
    own, foreign = (_ASYNC, _SYNC) if is_async else (_SYNC, _ASYNC)
    sure = [at for at, kind in enumerate(kinds) if kind in {own[0], *_ASYNC} or (is_async and kind is foreign[0])]
    maybe = [at for at, kind in enumerate(kinds) if kind is own[1]]
    places = sure or (maybe if len(maybe) == 1 else [])
    if not places:
        return found, None
    at = places[0]
    shown = found.inputs[at].name
    if len(places) > 1:
        message = f"function {name}: `{shown}` and `{found.inputs[places[1]].name}` are both streams; a call has one"
        raise ContractError(message)
    if kinds[at] not in own:
        message = (
            f"function {name}: parameter `{shown}`: an {'asynchronous' if is_async else 'ordinary'} function takes its"
            f" items by {own[0].__name__}, not by {kinds[at].__name__}"
        )
        raise ContractError(message)
    inputs = list(found.inputs)
    item = (get_args(strip(inputs[at].kind)) or (Any,))[0]
    inputs[at] = replace(inputs[at], kind=list[item])
    return replace(found, inputs=tuple(inputs)), at


def iterating(plan: Plan, at: int, parameter: Parameter, *, is_async: bool) -> Plan:
    """A plan for a call with the whole array: the function iterates over it. An `Iterable` is the list itself."""
    if _stream_of(parameter.kind) is collections.abc.Iterable:
        return plan
    field, iterate = f"p{at}", _aiter if is_async else iter

    def planned(record: Any, context: Any) -> Any:
        values = getattr(record, field)
        if isinstance(values, collections.abc.Iterable):
            setattr(record, field, iterate(values))  # pyright: ignore[reportUnknownArgumentType] - any value of the user's
        return plan(record, context)

    return planned


class Part(Protocol):
    """A binding that gives the values of some parameters."""

    contract: Contract

    @property
    def strict(self) -> bool:
        """Whether the schema refuses what the decoder takes."""
        ...

    def invoke(self, body: bytes | memoryview, codec: Codec, /) -> Any:
        """The values, as a tuple. Raises `InvalidArgument`."""
        ...


class Intake:
    """How the input stream of one function is read. `name` is its parameter's."""

    __slots__ = ("_at", "_kind", "_one", "_plan", "_prefixes", "_readers", "_rest", "_strict", "function", "name")

    def __init__(
        self,
        name: str,
        at: int,
        parts: tuple[Part, Part],
        call: tuple[Callable[..., Any], Plan],
        readers: dict[Codec, Callable[[bytes | memoryview], Any]],
    ) -> None:
        """`parts` bind the other parameters, and this one alone; `call` is the record of all, and what it goes to."""
        self.name = name
        self._at = at
        self._rest, self._one = parts
        self._kind, self._plan = call
        self._readers = readers
        self._strict = self._one.strict
        self.function = self._one.contract.name
        key = name.encode()
        self._prefixes = {Codec.JSON: b'{"%b":[' % key, Codec.MSGPACK: b"\x81\xda" + len(key).to_bytes(2, "big") + key}

    def invoke(self, body: bytes | memoryview, codec: Codec, context: object | None, items: object) -> Any:
        """Call the function with its items still to come; else as `Binding.invoke`."""
        values = list(self._rest.invoke(body, codec))
        values.insert(self._at, items)
        return self._plan(self._kind(**{f"p{at}": value for at, value in enumerate(values)}), context)

    def read(self, body: bytes, codec: Codec, position: int) -> Any:
        """Decode one item. Raises `InvalidArgument` with its place, as `/name/position`."""
        reader = self._readers.get(codec)
        if reader is None:
            raise self._refused((Breach(f"/{self.name}/{position}", f"cannot be read as {codec.name}"),))
        try:
            value = reader(body)
        except DECODING_ERRORS:
            return self._read_slowly(body, codec, position)
        return self._read_slowly(body, codec, position) if self._strict and codec is not Codec.BYTES else value

    def _read_slowly(self, body: bytes, codec: Codec, position: int) -> Any:
        with own_path():
            from dragoman.contract.codec import decode  # noqa: PLC0415 - only items that were refused come here
            from dragoman.contract.pointer import pointer  # noqa: PLC0415 - see above
        first, own = pointer((self.name, 0)), pointer((self.name, position))
        try:
            decode(body, codec)  # one value, and no more: it is about to be put between brackets
            if codec is Codec.BYTES:
                raise Malformed("is not of the right length")  # noqa: TRY301 - said below, as every other breach
            whole = self._prefixes[codec] + (body + b"]}" if codec is Codec.JSON else b"\x91" + body)
            ((value,),) = self._one.invoke(whole, codec)
        except Malformed as error:
            raise self._refused((Breach(own + error.path, error.message),)) from None
        except InvalidArgument as fault:
            breaches = [Breach(own + path.removeprefix(first), message) for path, message in fault.errors]
            raise self._refused(tuple(breaches)) from None
        return value

    def _refused(self, breaches: tuple[Breach, ...]) -> InvalidArgument:
        with own_path():
            from dragoman.contract.refusal import refused  # noqa: PLC0415 - costs what a guest's start cannot spare
        fault = refused(self.function, breaches)
        fault.started = Started.YES
        return fault


def _stream_of(kind: Any) -> Any:
    bare = strip(kind)
    origin = get_origin(bare) or bare
    return origin if any(origin is known for known in (*_SYNC, *_ASYNC)) else None


async def _aiter(values: Iterable[Any]) -> AsyncIterator[Any]:
    for value in values:
        yield value
