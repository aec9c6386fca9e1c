"""What a function promises: its contract, and the error of a function that cannot have one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from dragoman.contract.batch import Batch, fits

NAME_CHARACTERS_MAX = 128
"""Long enough for any name that people type, short enough for a metrics label and a log line."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NUMBER = r"(?:0|[1-9]\d*)"
_PRE = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRE}(?:\.{_PRE})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
VERSION_CHARACTERS_MAX = 128


class ContractError(ValueError):
    """A function, type or schema that cannot be a contract; the message names it and says what to do."""


def empty_input() -> dict[str, Any]:
    """Build the schema of an input without any parameter."""
    return {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Contract:
    """One function as its callers see it.

    `input` is a JSON Schema 2020-12 of an object; `output` one of the result, or of each item where `streaming`.
    `input_stream` names the property of the input whose values may also come as a stream, if there is one.
    `batch` says how calls may be gathered into one, where the function takes that.
    `raw_input` says that the whole input may be handed over as raw bytes, `raw_output` that the result is bytes.
    `version` is a semantic version or empty.
    """

    name: str
    version: str = ""
    description: str = ""
    input: dict[str, Any] = field(default_factory=empty_input)
    output: dict[str, Any] = field(default_factory=dict[str, Any])
    streaming: bool = False
    idempotent: bool = False
    raw_input: bool = False
    raw_output: bool = False
    input_stream: str = ""
    batch: Batch | None = None

    def __post_init__(self) -> None:
        """Raises `ContractError` for a name or version that callers could not write down, or a stream of nothing.

        And for a `batch` of what cannot be gathered.
        """
        check_name(self.name)
        check_version(self.version)
        if self.input_stream and self.input_stream not in self.input.get("properties", {}):
            message = f"{self.name}: the input has no property {self.input_stream[:NAME_CHARACTERS_MAX]!r} to stream"
            raise ContractError(message)
        if self.batch is not None and (reason := fits(self)):
            message = f"{self.name}: its calls cannot be gathered (batch): {reason}"
            raise ContractError(message)


def check_name(name: str) -> None:
    """Raise `ContractError` unless `name` is a function's own name: a letter or `_`, then letters, digits, `_`, `-`."""
    if len(name) > NAME_CHARACTERS_MAX or _NAME.fullmatch(name) is None:
        message = (
            f"{name[:NAME_CHARACTERS_MAX]!r} cannot be a function's name: use a letter or '_', then letters, digits, "
            f"'_' and '-', at most {NAME_CHARACTERS_MAX} characters"
        )
        raise ContractError(message)


def check_version(version: str) -> None:
    """Raise `ContractError` unless `version` is empty or a semantic version such as `1.2.0`."""
    if version and (len(version) > VERSION_CHARACTERS_MAX or _VERSION.fullmatch(version) is None):
        message = f"{version[:VERSION_CHARACTERS_MAX]!r} is not a semantic version: write it like '1.2.0'"
        raise ContractError(message)
