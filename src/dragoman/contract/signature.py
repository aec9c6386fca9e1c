"""Plain Python functions bound to their contracts: the schema of their input and output, and the call itself.

Everything that can be decided is decided in `bind`, once. A call is a typed decode and the function; nothing between
the two inspects, looks up or copies. Whatever is slow to import waits until a body has been refused.
"""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from dragoman.contract import docstring, intake, parameters
from dragoman.contract.annotation import REQUIRED, Hints, Unresolved, fields_of, hints_of, is_model, is_record, strip
from dragoman.contract.choice import decodable, decode_hook
from dragoman.contract.codec import WRITERS
from dragoman.contract.codecs.typed import (
    DECODING_ERRORS,
    UNSET,
    arguments,
    convert,
    json_decoder,
    keys_json,
    keys_msgpack,
    msgpack_decoder,
)
from dragoman.contract.function import Contract, ContractError
from dragoman.contract.late import own_path
from dragoman.contract.malformed import Malformed
from dragoman.contract.marker import Marker, marker_of
from dragoman.contract.offering import is_offered, reason_not_offered
from dragoman.contract.plain import rows, type_name
from dragoman.contract.schema import Schema, SchemaBuilder, Unsupported, annotate
from dragoman.contract.table import is_table
from dragoman.core.call import Codec
from dragoman.core.draft import Draft
from dragoman.core.fault import Breach, Fault, InvalidArgument, Started, Unimplemented, Unknown

if TYPE_CHECKING:
    from dragoman.contract.parameters import Parameters
    from dragoman.contract.refusal import Patient

__all__ = ["Binding", "bind", "is_offered", "reason_not_offered"]

Reader = Callable[[bytes | memoryview], Any]

_GENERATORS = frozenset({collections.abc.Generator, collections.abc.AsyncGenerator})
_ITERATORS = frozenset({collections.abc.Iterator, collections.abc.AsyncIterator, collections.abc.AsyncIterable})
_ITERABLES = frozenset({collections.abc.Iterable})
_NEVER = (typing.NoReturn, typing.Never)
"""What a function that always raises says about its result."""
_DESCRIPTION_CHARACTERS_MAX = 16_000


class Binding:
    """One function and its contract, ready to be called with bytes.

    `is_async` says that `invoke` returns an awaitable or an asynchronous generator, `is_stream` that the result is
    iterated; `context_parameter` names the parameter that gets the call's context, if there is one.
    """

    __slots__ = (
        "_input",
        "_patient",
        "_readers",
        "_rows",
        "_strict",
        "_tables",
        "context_parameter",
        "contract",
        "function",
        "intake",
        "is_async",
        "is_stream",
        "name",
        "plan",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        contract: Contract,
        taken: _Input,
        *,
        is_async: bool,
        patterned: bool = False,
    ) -> None:
        """Raises `ContractError` where the schema cannot be compiled. Use `bind`."""
        self.function = function
        self.contract = contract
        self.name = contract.name
        self.is_async = is_async
        self.is_stream = contract.streaming
        self.context_parameter = taken.parameters.context
        self._input = taken
        self.plan = taken.plan(function)
        self.intake: intake.Intake | None = None
        self._readers: list[Reader] = [
            self._read_nothing,
            taken.json,
            taken.msgpack,
            self._read_raw,
            self._read_raw,
        ]
        self._tables = False
        self._rows = contract.output.get("items", {}).get("type") == "array"
        self._patient: Patient | None = None
        self._strict = taken.strict
        if taken.stricter or patterned:
            self._slow()

    def give_tables(self) -> None:
        """Write results as tables: Arrow streams where bytes are wanted, else records."""
        self._tables = True

    def belong_to(self, source: str) -> None:
        """Be known by the full name, as callers know the function, in what its faults say."""
        if source:
            self.name = f"{source}.{self.contract.name}"
        if self._patient is not None:
            self._patient.function = self.name

    @property
    def strict(self) -> bool:
        """Whether the schema refuses what the decoder takes."""
        return self._strict

    def invoke(self, body: bytes | memoryview, codec: Codec, context: object | None = None) -> Any:
        """Decode the input and call the function; give what it gives: a value, an awaitable or a generator.

        Raises `InvalidArgument` (`started: no`, every breach in `errors`) where the input breaks the contract, and
        else only what the function itself raises.
        """
        try:
            taken = self._readers[codec](body)
            if self._strict and codec < Codec.BYTES:
                self._check(body, codec)
        except DECODING_ERRORS:
            taken = self._read_slowly(body, codec)
        return self.plan(taken, context)

    def direct(self, codec: Codec, wanted: Codec) -> Direct | None:
        """The call from one codec to another with nothing in between, where the function needs nothing in between."""
        if self._strict or self._rows:
            return None
        return Direct(self, codec, self._readers[codec], wanted)

    def encode(self, value: Any, codec: Codec) -> bytes | Draft:
        """Encode a result, or one item of a stream; what is large and raw is written when it is known where to.

        Raises `Unimplemented` for raw output of what is not bytes, `Unknown` for a value that cannot be written; both
        with `started: yes`.
        """
        if self._rows:
            value = rows(value)
        try:
            if self._tables:
                return _written(value, codec)
            if codec >= Codec.BYTES and isinstance(value, (bytearray, memoryview)):
                return _copied(memoryview(cast("bytearray", value)))
            return WRITERS[codec](value)
        except Malformed as error:
            raise self._unwritten(value, codec, error) from error

    def _check(self, body: bytes | memoryview, codec: Codec) -> None:
        if self._input.keys is not None and body:
            keys = (keys_json if codec == Codec.JSON else keys_msgpack)(body)
            if not self._input.keys.issuperset(keys):
                self._slow().check(body, codec)
        if self._input.stricter and body:
            self._slow().check(body, codec)

    def _slow(self) -> Patient:
        if self._patient is None:
            with own_path():
                from dragoman.contract.refusal import Patient  # noqa: PLC0415 - costs what a guest's start cannot spare

            self._patient = Patient(self.name, self.contract.input, self._input.kind, decode_hook)
        return self._patient

    def _read_slowly(self, body: bytes | memoryview, codec: Codec) -> Any:
        if not body:
            body, codec = b"{}", Codec.JSON
        return self._slow().read(body, codec)

    def _read_nothing(self, body: bytes | memoryview) -> Any:
        if not body:
            return self._input.json(b"{}")
        raise self._refused("must say its codec: send JSON or MessagePack")

    def _read_raw(self, body: bytes | memoryview) -> Any:
        if self.contract.raw_input:
            try:
                return self._input.raw(body)
            except Malformed as error:
                raise self._refused(error.message, error.path) from None
        if not body:
            return self._input.json(b"{}")
        raise self._refused(
            "must be JSON or MessagePack: raw bytes and Arrow streams fit only a function whose single parameter takes "
            "them"
        )

    def _refused(self, message: str, path: str = "") -> InvalidArgument:
        detail = f"the input of {self.name} {message}"
        return InvalidArgument(detail, errors=(Breach(path, message),), function=self.name)

    def _unwritten(self, value: Any, codec: Codec, error: Malformed) -> Fault:
        name = self.name
        if codec not in {Codec.JSON, Codec.MSGPACK} and not self._tables:
            detail = f"{name} has no raw output: it returned {type_name(type(value))}; ask for JSON or MessagePack"
            return Unimplemented(detail, started=Started.YES, function=name)
        detail = f"{name} returned a {type_name(type(value))} that cannot be sent: {error}"
        return Unknown(detail, started=Started.YES, function=name)


class Direct:
    """A function from bytes to a value, and its result to bytes: each codec known beforehand."""

    __slots__ = ("_binding", "_codec", "_plan", "_read", "encode", "wanted")

    def __init__(self, binding: Binding, codec: Codec, read: Reader, wanted: Codec) -> None:
        """Use `Binding.direct`. `encode` writes a result, and raises `Malformed`."""
        self._binding = binding
        self._codec = codec
        self._read = read
        self._plan = binding.plan
        self.wanted = wanted
        self.encode = WRITERS[wanted]

    def invoke(self, body: bytes) -> Any:
        """As `Binding.invoke`."""
        try:
            taken = self._read(body)
        except DECODING_ERRORS:
            return self._binding.invoke(body, self._codec)
        return self._plan(taken, None)


class _Input:
    """How the input of one function is read: its type, its decoders, and what they do not check."""

    def __init__(
        self, name: str, found: Parameters, hints_kinds: tuple[Any, ...], *, stricter: bool, whole: bool = True
    ) -> None:
        """A single record is the `whole` input, unless it is one part of it."""
        self.parameters = found
        self.stricter = stricter
        self.is_record = whole and _takes_whole(found)
        self.keys: frozenset[str] | None = None
        if self.is_record:
            (self.kind,) = hints_kinds
            self.keys = _known_keys(found.inputs[0].kind)
        else:
            fields = [
                (parameter.name, kind, UNSET if parameter.default is REQUIRED else parameter.default)
                for parameter, kind in zip(found.inputs, hints_kinds, strict=True)
            ]
            self.kind = arguments(f"{name} input", fields)
        self.strict = stricter or self.keys is not None
        self._json = json_decoder(self.kind, decode_hook)
        self._msgpack = msgpack_decoder(self.kind, decode_hook)
        self.json: Reader = self._json if not self._may_be_empty() else self._json_or_nothing
        self.msgpack: Reader = self._msgpack if not self._may_be_empty() else self._msgpack_or_nothing

    def plan(self, function: Callable[..., Any]) -> parameters.Plan:
        """How to call the function with what was read."""
        return (parameters.whole if self.is_record else parameters.spread)(function, self.parameters)

    def raw(self, body: bytes | memoryview) -> Any:
        """What the decoder would give for a single parameter of bytes, or a table.

        A view of the body, and a table over it, cost no copy. Raises `Malformed` for what does not fit.
        """
        (parameter,) = self.parameters.inputs
        if parameter.kind is bytes:
            return self.kind(p0=bytes(body))
        bare = strip(parameter.kind)
        if bare is memoryview:
            return self.kind(p0=memoryview(body).toreadonly())
        if is_table(bare):
            return self.kind(p0=_table(bare, body))
        return convert({parameter.name: bytes(body)}, self.kind, decode_hook)

    def _may_be_empty(self) -> bool:
        return not self.is_record and all(parameter.default is not REQUIRED for parameter in self.parameters.inputs)

    def _json_or_nothing(self, body: bytes | memoryview) -> Any:
        return self._json(body or b"{}")

    def _msgpack_or_nothing(self, body: bytes | memoryview) -> Any:
        return self._msgpack(body or b"\x80")


def bind(function: Callable[..., Any], *, marker: Marker | None = None) -> Binding:
    """Bind a function to the contract that its annotations, defaults, docstring and marker make.

    Args:
        function: a plain, `async` or generator function. A parameter without annotation takes anything.
        marker: what to take in place of the function's own `@function` options.

    Returns:
        The binding, with everything for a call built.

    Raises:
        ContractError: a parameter or result that cannot be a contract; names the function, the parameter, the type.
    """
    marker = marker or marker_of(function) or Marker()
    name = marker.name or getattr(function, "__name__", type(function).__name__)
    try:
        hints = hints_of(inspect.unwrap(function))
    except Unresolved as error:
        message = f"function {name}: {error}"
        raise ContractError(message) from None
    documented = docstring.parse(getattr(function, "__doc__", None))
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    is_async = is_async or _is_async_stream(hints.get("return"))
    written = parameters.read(function, name, hints)
    found, stream_at = intake.find(written, name, is_async=is_async)
    builder = SchemaBuilder()
    input_schema = _input_schema(name, found, builder, documented)
    try:
        taken = _Input(name, found, tuple(_decodable(name, p) for p in found.inputs), stricter=builder.stricter)
    except TypeError as error:
        message = f"function {name}: its parameters cannot be decoded: {str(error).splitlines()[0]}"
        raise ContractError(message) from None
    streaming, result = _result(function, hints)
    contract = Contract(
        name=name,
        version=marker.version,
        description=(marker.description or documented.description)[:_DESCRIPTION_CHARACTERS_MAX],
        input=input_schema,
        output=_output_schema(name, result, documented.result),
        streaming=streaming,
        idempotent=marker.idempotent,
        raw_input=len(found.inputs) == 1 and _is_raw(found.inputs[0].kind),
        raw_output=_is_raw(result) or strip(result) is bytearray,
        input_stream="" if stream_at is None else found.inputs[stream_at].name,
        batch=marker.batch,
    )
    binding = Binding(function, contract, taken, is_async=is_async, patterned=builder.patterned)
    if is_table(strip(result)):
        binding.give_tables()
    if stream_at is not None:
        plan, written_as = binding.plan, written.inputs[stream_at]
        binding.plan = intake.iterating(plan, stream_at, written_as, is_async=is_async)
        binding.intake = _intake(binding, taken, stream_at, plan, patterned=builder.patterned)
    return binding


def _intake(binding: Binding, taken: _Input, at: int, plan: parameters.Plan, *, patterned: bool) -> intake.Intake:
    """What reads the function's input stream: the items, and the rest of the input without them."""
    contract, inputs = binding.contract, taken.parameters.inputs
    stream = inputs[at]

    def part(*members: parameters.Parameter) -> Binding:
        names = [member.name for member in members]
        schema = dict(contract.input)
        schema["properties"] = {name: contract.input["properties"][name] for name in names}
        schema["required"] = [name for name in contract.input.get("required", ()) if name in names]
        kinds = tuple(decodable(member.kind) for member in members)
        found = parameters.Parameters(tuple(replace(member, by_name=False) for member in members), None, None)
        one = _Input(contract.name, found, kinds, stricter=taken.stricter, whole=False)
        alone = replace(contract, input=schema, input_stream="")
        return Binding(_gather, alone, one, is_async=False, patterned=patterned)

    kind: Any = (get_args(stream.kind) or (Any,))[0]
    readers: dict[Codec, Reader] = {
        Codec.JSON: json_decoder(decodable(kind), decode_hook),
        Codec.MSGPACK: msgpack_decoder(decodable(kind), decode_hook),
    }
    if kind is bytes:
        readers[Codec.BYTES] = readers[Codec.ARROW] = bytes
    elif is_table(kind):
        readers[Codec.BYTES] = readers[Codec.ARROW] = lambda body: _table(kind, body)
    rest = part(*(each for each in inputs if each is not stream))
    return intake.Intake(stream.name, at, (rest, part(replace(stream, default=REQUIRED))), (taken.kind, plan), readers)


def _is_raw(kind: Any) -> bool:
    """Whether a value of this type is one run of bytes: raw, or an Arrow stream."""
    return strip(kind) in (bytes, memoryview) or is_table(strip(kind))


def _table(kind: type, body: bytes | memoryview) -> Any:
    from dragoman.contract import arrow  # noqa: PLC0415 - for the few functions that take tables

    return arrow.read(kind, body)


def _written(value: Any, codec: Codec) -> bytes | Draft:
    """A table, as its Arrow stream or its records. Raises `Malformed`."""
    from dragoman.contract import arrow  # noqa: PLC0415 - for the few functions that give tables

    return arrow.draft(value) if codec >= Codec.BYTES else WRITERS[codec](arrow.records(value))


def _copied(view: memoryview[Any]) -> Draft | bytes:
    if not view.c_contiguous:
        return bytes(view)
    flat = view.cast("B") if view.nbytes else view
    return Draft(view.nbytes, lambda memory: memory.__setitem__(slice(None), flat))


def _gather(*values: Any) -> tuple[Any, ...]:
    return values


def _takes_whole(found: Parameters) -> bool:
    return len(found.inputs) == 1 and found.inputs[0].default is REQUIRED and is_record(strip(found.inputs[0].kind))


def _takes_more(kind: Any) -> bool:
    """Whether a pydantic model says itself that it takes keys which are not in its schema."""
    config: dict[str, Any] = getattr(kind, "model_config", {}) if is_model(kind) else {}
    return config.get("extra") == "allow" or bool(config.get("populate_by_name") or config.get("validate_by_name"))


def _known_keys(kind: Any) -> frozenset[str] | None:
    """The keys of a record whose decoder lets unknown ones pass; None where it does not, or where the model decides."""
    bare = strip(kind)
    origin = get_origin(bare) or bare
    config = getattr(origin, "__struct_config__", None)
    if is_model(origin) or (config is not None and config.forbid_unknown_fields):
        return None
    keys = {field.key for field in fields_of(bare) or () if field.taken}
    return frozenset(keys | {config.tag_field} if config is not None and config.tag is not None else keys)


def _input_schema(name: str, found: Parameters, builder: SchemaBuilder, said: docstring.Documented) -> Schema:
    if _takes_whole(found):
        schema = builder.inline(_parameter_schema(name, found.inputs[0], builder))
        if not _takes_more(strip(found.inputs[0].kind)):
            schema["additionalProperties"] = False
        return builder.complete(schema)
    properties = {
        parameter.name: annotate(
            _parameter_schema(name, parameter, builder), parameter.default, said.parameters.get(parameter.name, "")
        )
        for parameter in found.inputs
    }
    schema: Schema = {"type": "object", "properties": properties}
    if required := [parameter.name for parameter in found.inputs if parameter.default is REQUIRED]:
        schema["required"] = required
    return builder.complete({**schema, "additionalProperties": False})


def _parameter_schema(name: str, parameter: parameters.Parameter, builder: SchemaBuilder) -> Schema:
    try:
        return builder.schema(parameter.kind)
    except Unsupported as error:
        raise _not_a_contract(f"function {name}: parameter `{parameter.name}`", error) from None


def _output_schema(name: str, result: Any, description: str) -> Schema:
    builder = SchemaBuilder(output=True)
    try:
        schema = builder.schema(result)
    except Unsupported as error:
        raise _not_a_contract(f"function {name}: its result", error) from None
    return builder.complete(annotate(schema, REQUIRED, description))


def _not_a_contract(subject: str, error: Unsupported) -> ContractError:
    where = f" (in {', in '.join(error.where)})" if error.where else ""
    return ContractError(f"{subject}: type {type_name(error.kind)}{where} cannot be part of a contract: {error.why}")


def _decodable(name: str, parameter: parameters.Parameter) -> Any:
    """The type as the decoder takes it. Built alone once, so that a refusal names the parameter."""
    try:
        kind = decodable(parameter.kind)
        json_decoder(kind, decode_hook)
        msgpack_decoder(kind, decode_hook)
    except (TypeError, ValueError, RecursionError, NameError) as error:
        message = (
            f"function {name}: parameter `{parameter.name}`: type {type_name(parameter.kind)} cannot be decoded: "
            f"{' '.join(str(error).split())}; tag the members of a union that look alike with a Literal or a Struct tag"
        )
        raise ContractError(message) from None
    return kind


def _result(function: Callable[..., Any], hints: Hints) -> tuple[bool, Any]:
    """Whether a function streams, and the type of its result or of each item."""
    hint = hints.get("return", Any)
    bare = strip(hint)
    origin = get_origin(bare) or bare
    generates = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    known = _GENERATORS | _ITERATORS | (_ITERABLES if generates else frozenset[Any]())
    if isinstance(origin, collections.abc.Hashable) and origin in known:
        return True, (get_args(bare) or (Any,))[0]
    return generates, Any if generates or bare in _NEVER else hint


def _is_async_stream(hint: Any) -> bool:
    origin = get_origin(strip(hint)) or hint
    return origin in {collections.abc.AsyncIterator, collections.abc.AsyncIterable, collections.abc.AsyncGenerator}
