"""The manifest: contracts as a guest lists them in READY, and the strict reading of such a list from outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from dragoman.contract.batch import Batch
from dragoman.contract.codecs import json
from dragoman.contract.function import Contract, ContractError, empty_input

FUNCTIONS_MAX = 10_000
"""Ten times what one source is tested with; the names alone fit a frame many times over."""
SCHEMA_BYTES_MAX = 256 * 1024
"""A schema as JSON; larger ones cost every listing and every OpenAPI page more than they say."""
DESCRIPTION_CHARACTERS_MAX = 16_000
"""As much as is read of a docstring."""

_TEXTS = ("version", "description", "input_stream")
_FLAGS = ("streaming", "idempotent", "raw_input", "raw_output")


def to_wire(contracts: Iterable[Contract]) -> list[dict[str, Any]]:
    """List contracts as plain JSON values; what is empty or false is left out."""
    return [_entry(contract) for contract in contracts]


def from_wire(manifest: object) -> tuple[Contract, ...]:
    """Read a manifest that came from outside.

    Unknown keys are ignored, so that a newer guest may say more. Raises `ValueError`, naming the entry and the key,
    for anything of the wrong type, twice the same name, or past a limit.
    """
    if not isinstance(manifest, list):
        message = f"the manifest must be a list of functions, not {type(manifest).__name__}"
        raise ValueError(message)  # noqa: TRY004 - bad outside data is a ValueError everywhere in this room
    entries = cast("list[object]", manifest)
    if len(entries) > FUNCTIONS_MAX:
        message = f"the manifest lists {len(entries)} functions; the most is {FUNCTIONS_MAX}: split the source"
        raise ValueError(message)
    contracts = tuple(_contract(entry, position) for position, entry in enumerate(entries))
    seen: set[str] = set()
    for contract in contracts:
        if contract.name in seen:
            message = f"the manifest lists {contract.name!r} twice: give one of the two another name"
            raise ValueError(message)
        seen.add(contract.name)
    return contracts


def _entry(contract: Contract) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": contract.name, "input": contract.input, "output": contract.output}
    entry.update({key: text for key in _TEXTS if (text := getattr(contract, key))})
    entry.update({flag: True for flag in _FLAGS if getattr(contract, flag)})
    if contract.batch is not None:
        entry["batch"] = {"max": contract.batch.max, "delay": contract.batch.delay}
    return entry


def _contract(entry: object, position: int) -> Contract:
    where = f"function {position} of the manifest"
    if not isinstance(entry, dict):
        message = f"{where} must be an object, not {type(entry).__name__}"
        raise ValueError(message)  # noqa: TRY004 - bad outside data is a ValueError everywhere in this room
    fields = cast("dict[str, object]", entry)
    name = _text(fields, "name", where)
    where = f"{where} ({name[:100]!r})"
    try:
        return Contract(
            name=name,
            version=_text(fields, "version", where),
            description=_text(fields, "description", where),
            input_stream=_text(fields, "input_stream", where),
            input=_schema(fields, "input", where, empty_input()),
            output=_schema(fields, "output", where, {}),
            batch=_batch(fields, where),
            **{flag: _flag(fields, flag, where) for flag in _FLAGS},
        )
    except ContractError as error:
        message = f"{where}: {error}"
        raise ContractError(message) from None


def _text(fields: dict[str, object], key: str, where: str) -> str:
    text = fields.get(key, "")
    if not isinstance(text, str):
        message = f"{where}: {key!r} must be text, not {type(text).__name__}"
        raise ValueError(message)  # noqa: TRY004 - bad outside data is a ValueError everywhere in this room
    if len(text) > DESCRIPTION_CHARACTERS_MAX:
        message = f"{where}: {key!r} has {len(text)} characters; the most is {DESCRIPTION_CHARACTERS_MAX}"
        raise ValueError(message)
    return text


def _flag(fields: dict[str, object], key: str, where: str) -> bool:
    flag = fields.get(key, False)
    if not isinstance(flag, bool):
        message = f"{where}: {key!r} must be true or false, not {type(flag).__name__}"
        raise ValueError(message)  # noqa: TRY004 - bad outside data is a ValueError everywhere in this room
    return flag


def _batch(fields: dict[str, object], where: str) -> Batch | None:
    given = fields.get("batch")
    if given is None:
        return None
    if not isinstance(given, dict):
        message = f"{where}: 'batch' must be an object, not {type(given).__name__}"
        raise ValueError(message)  # noqa: TRY004 - bad outside data is a ValueError everywhere in this room
    members = cast("dict[str, Any]", given)
    try:
        return Batch(**{key: members[key] for key in ("max", "delay") if key in members})
    except (TypeError, ValueError) as error:
        message = f"{where}: 'batch': {error}"
        raise ValueError(message) from None


def _schema(fields: dict[str, object], key: str, where: str, default: dict[str, Any]) -> dict[str, Any]:
    schema = fields.get(key, default)
    if not isinstance(schema, dict):
        message = f"{where}: {key!r} must be a JSON Schema object, not {type(schema).__name__}"
        raise ValueError(message)  # noqa: TRY004 - bad outside data is a ValueError everywhere in this room
    found = cast("dict[str, Any]", schema)
    try:
        size = len(json.encode(found))
    except ValueError as error:
        message = f"{where}: {key!r} is no JSON: {error}"
        raise ValueError(message) from None
    if size > SCHEMA_BYTES_MAX:
        message = f"{where}: {key!r} is {size} bytes as JSON; the most is {SCHEMA_BYTES_MAX}"
        raise ValueError(message)
    if key == "input" and found.get("type", "object") != "object":
        message = f"{where}: 'input' must be the schema of an object, not of {str(found['type'])[:100]!r}"
        raise ValueError(message)
    _check_members(found, f"{where}: {key!r}")
    return found


def _check_members(schema: dict[str, Any], where: str) -> None:
    """Refuse members that everyone who reads a contract would stumble over. Raises `ValueError`."""
    for key in ("properties", "$defs"):
        members = schema.get(key, {})
        if not isinstance(members, dict):
            message = f"{where} has {key!r} that are no object of schemas"
            raise ValueError(message)  # noqa: TRY004 - bad outside data is a ValueError everywhere in this room
        for name, member in cast("dict[str, object]", members).items():
            if not isinstance(member, dict | bool):
                message = f"{where}, {key!r}: {name[:100]!r} is no schema, which is an object, true or false"
                raise ValueError(message)  # noqa: TRY004 - as above
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in cast("list[object]", required)):
        message = f"{where} has a 'required' that is no list of names"
        raise ValueError(message)
