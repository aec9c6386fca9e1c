"""A setting as the project file has it: its value, how near to the function it stands, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.config.document import dotted
from dragoman.core.units import duration

if TYPE_CHECKING:
    from dragoman.config.document import Document, Values
    from dragoman.config.positions import Path as KeyPath
    from dragoman.contract.function import Contract


class Level(IntEnum):
    """Whom a setting is for: all, the functions of a source, or one function. The nearer comes first.

    What the code of a function says of itself holds where the project says nothing.
    """

    CODE = -1
    DEFAULTS = 0
    SOURCE = 1
    FUNCTION = 2


LEVELS = {"defaults": Level.DEFAULTS, "sources": Level.SOURCE, "functions": Level.FUNCTION}


class Place(NamedTuple):
    """Where something is written: a file, its line (from 1), the table (`sources.stats`) and the key as it stands.

    What the code says has no line and no table.
    """

    file: str
    line: int
    table: str
    key: str

    @property
    def name(self) -> str:
        """The key from the root of the file, as messages name it."""
        return f"{self.table}.{self.key}"

    def __str__(self) -> str:
        """For people: `dragoman.toml:12 [sources.stats]`."""
        if not self.line:
            return f"{self.file}: {self.key}"
        return f"{self.file}:{self.line} [{self.table}]"


@dataclass(frozen=True, slots=True)
class Written:
    """One setting. Two are equal where they say the same, wherever they stand."""

    value: Any
    level: Level = field(compare=False)
    place: Place = field(compare=False)


Writings = Mapping[str, Written]
"""Settings by their dotted keys."""


def level(path: KeyPath) -> Level:
    """How near to a function the table of a key is."""
    return LEVELS[str(path[0])]


def written(document: Document, values: Values) -> dict[str, Written]:
    """Settings with their places."""
    return {key: Written(value.value, level(value.path), _place(document, value.path)) for key, value in values.items()}


def declared(contract: Contract, file: str) -> dict[str, Written]:
    """What a function says of itself, in its code, in the terms of the settings. `file` is its source's."""
    said: dict[str, tuple[Any, str]] = {}
    if contract.idempotent:
        said["idempotent"] = (True, "idempotent=True")
    if contract.batch is not None:
        said["batch.max"] = (contract.batch.max, f"batch.max={contract.batch.max}")
        said["batch.delay"] = (duration(contract.batch.delay), f"batch.delay={contract.batch.delay!r}")
    return {
        key: Written(value, Level.CODE, Place(file, 0, "", f"@function({text})")) for key, (value, text) in said.items()
    }


def _place(document: Document, path: KeyPath) -> Place:
    table = path[:1] if path[0] == "defaults" else path[:2]
    return Place(str(document.file), document.positions.line(path), dotted(table), dotted(path[len(table) :]))
