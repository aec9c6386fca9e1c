"""Contracts as the surface of a client: functions by source, and every type that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.generate import schemas
from dragoman.generate.model import Function, Group, Kind, Mapping, Named, Nothing, Record, Surface
from dragoman.generate.naming import pascal
from dragoman.generate.reading import Reading, Types, content
from dragoman.generate.writing import paragraph

if TYPE_CHECKING:
    import collections.abc

    from dragoman.contract.function import Contract

RESERVED = frozenset({
    "Any", "Array", "ArrayList", "AsMut", "AsRef", "AsyncCaller", "AsyncGenerator", "AsyncIterable",
    "AsyncIterableIterator", "AsyncIterator", "Awaitable", "BigDecimal", "BigInt", "BigInteger", "Boolean", "Box",
    "Buffer", "Byte", "Bytes", "CallOptions", "Caller", "Character", "Class", "Client", "Clone", "Code",
    "Comparable", "CompletableFuture", "Constable", "Context", "Copy", "D", "DataLoss", "Date", "DateTime", "Debug",
    "Decimal", "Default", "Deprecated", "Deserialize", "Deserializer", "Double", "DoubleEndedIterator", "Drop",
    "Duration", "Enum", "Eq", "Err", "Error", "ExactSizeIterator", "Exception", "Extend", "Fault", "Float", "Fn",
    "FnMut", "FnOnce", "From", "Function", "Generator", "Hash", "Input", "Instant", "Int", "Integer", "Into",
    "IntoIterator", "Items", "Iter", "Iterable", "Iterator", "JSON", "Json", "List", "Literal", "LocalDate",
    "LocalTime", "Long", "Map", "Math", "Module", "Moment", "Name", "Never", "None", "Nullable", "Number", "O",
    "Object", "OffsetDateTime", "Ok", "Option", "Optional", "Ord", "Override", "Package", "Partial", "PartialEq",
    "PartialOrd", "Pick", "Pointer", "Process", "Promise", "Protocol", "Raw", "Read", "Readonly", "Record", "Reply",
    "Result", "Runnable", "RuntimeException", "Self", "Send", "Serialize", "Serializer", "Set", "Short", "Sized",
    "Some", "Stream", "String", "StringBuilder", "Struct", "SuppressWarnings", "Symbol", "Sync", "System", "T",
    "Tag", "Thread", "Throwable", "Time", "ToOwned", "ToString", "Trace", "TryFrom", "Type", "TypeAlias", "TypeOf",
    "UNSET", "UUID", "Uint8Array", "Union", "Unpin", "UnsetType", "Uuid", "Value", "Vec", "Void",
})  # fmt: skip
"""What languages, their libraries and ours call their own types: one list, so that a type is named alike in all."""


def client_name(service: str) -> str:
    """The name of the client itself."""
    return f"{pascal(service)}Client"


def surface(service: str, contracts: collections.abc.Mapping[str, Contract], *, big_integers: bool = False) -> Surface:
    """Read the contracts, by full name, of one service."""
    types = Types(RESERVED)
    by_source: dict[str, list[str]] = {}
    for full in sorted(contracts):
        by_source.setdefault(full.rpartition(".")[0], []).append(full)
    types.take(client_name(service))
    named = {source: types.take(f"{pascal(source)}Functions") if source else "" for source in by_source}
    known = _definitions(contracts)
    groups = tuple(
        Group(source, named[source], tuple(_function(full, contracts[full], types, known) for full in names))
        for source, names in by_source.items()
    )
    return Surface(" ".join(paragraph(service)), groups, types.declarations(), big_integers)


def _definitions(contracts: collections.abc.Mapping[str, Contract]) -> dict[str, str]:
    """The name of each definition of any function, by its content."""
    found: dict[str, str] = {}
    for _, contract in sorted(contracts.items()):
        for root in (contract.input, contract.output):
            for name, definition in schemas.definitions(root).items():
                found.setdefault(content(definition, root), name)
    return found


def _function(full: str, contract: Contract, types: Types, known: dict[str, str]) -> Function:
    stem = "".join(map(pascal, full.split(".")))
    output: Kind = Reading(types, contract.output).kind(
        contract.output, f"{stem}{'Item' if contract.streaming else 'Output'}"
    )
    shared = "" if contract.input_stream else known.get(content(contract.input, contract.input), "")
    taken = _input(contract, types, pascal(shared) if shared else f"{stem}Input")
    return Function(
        full,
        full.rpartition(".")[2],
        taken,
        output,
        _told(contract),
        contract.streaming,
        bool(shared),
        contract.input_stream if _streams(taken, contract, types) else "",
        contract.raw_output and not contract.streaming,
    )


def _input(contract: Contract, types: Types, name: str) -> Kind | None:
    schema = contract.input
    reading = Reading(types, schema)
    target, _ = schemas.followed(schema, schema)
    if target is not None and schemas.properties(target) and not target.keys() & {"allOf", "anyOf", "oneOf"}:
        return reading.record(target, name)
    kind = reading.kind({"type": "object", **schema} if "$ref" not in schema else schema, name)
    empty = isinstance(kind, Mapping) and schema.get("additionalProperties") is False
    return None if empty or isinstance(kind, Nothing) else kind


def _streams(taken: Kind | None, contract: Contract, types: Types) -> bool:
    if not contract.input_stream or not isinstance(taken, Named):
        return False
    record = next(each for each in types.declarations() if each.name == taken.name)
    return isinstance(record, Record) and any(field.wire == contract.input_stream for field in record.fields)


def _told(contract: Contract) -> tuple[str, ...]:
    told = [contract.description.strip()] if contract.description.strip() else []
    traits = [f"Version {contract.version}."] if contract.version else []
    traits += ["Idempotent: it may be called again."] if contract.idempotent else []
    return (*told, " ".join(traits)) if traits else tuple(told)
