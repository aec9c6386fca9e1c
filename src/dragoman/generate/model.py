"""What a client is made of, before it is any language's: kinds of values, named types, and the functions by source.

Everything that printers need to decide is decided once, while contracts are read: they only spell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Anything:
    """A value of any type; `why` says which schema could be said no better, and is empty where it wanted any value."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Only null."""


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number between two bounds, each None where there is none."""

    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A float."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text; of a `format` that languages have types for, or plain."""

    format: str = ""


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes: base64 in JSON."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One text or integer, always the same."""

    value: str | int


@dataclass(frozen=True, slots=True)
class Listing:
    """An array whose items are alike."""

    item: Kind


@dataclass(frozen=True, slots=True)
class Mapping:
    """An object whose keys are data."""

    value: Kind


@dataclass(frozen=True, slots=True)
class Row:
    """An array of a fixed length, each member of its own kind."""

    members: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A declaration by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Nullable:
    """That, or null."""

    inner: Kind


@dataclass(frozen=True, slots=True)
class Either:
    """One of several kinds that no tag tells apart."""

    kinds: tuple[Kind, ...]


Kind: TypeAlias = (
    Anything
    | Nothing
    | Boolean
    | Integer
    | Number
    | Text
    | Binary
    | Constant
    | Listing
    | Mapping
    | Row
    | Named
    | Nullable
    | Either
)


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a record; `wire` is its name there. What is not required may be absent."""

    wire: str
    kind: Kind
    required: bool
    about: tuple[str, ...] = ()
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An object with known properties. A case of a union has its `tag`, property and value, which is no field."""

    name: str
    fields: tuple[Field, ...]
    about: tuple[str, ...] = ()
    tag: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Enumeration:
    """A choice of texts, or of integers; never of both."""

    name: str
    values: tuple[str, ...] | tuple[int, ...]
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Union:
    """One of several records, told apart by the value of a property: (value, name of the record) each."""

    name: str
    tag: str
    cases: tuple[tuple[str, str], ...]
    about: tuple[str, ...] = ()


Declaration: TypeAlias = Record | Enumeration | Union


@dataclass(frozen=True, slots=True)
class Function:
    """One function; `full` is its name for callers, `own` that within its source.

    `input` is None where it takes nothing, mostly the name of a record, else what its one value is. That record is
    `whole` where the function takes it as one value, and the same type is met elsewhere. `input_stream` is the property
    of that record that may come as a stream.
    """

    full: str
    own: str
    input: Kind | None
    output: Kind
    about: tuple[str, ...] = ()
    streaming: bool = False
    whole: bool = False
    input_stream: str = ""
    raw_output: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The functions of one source, and the name of what holds them. Both are empty for sources of one function each."""

    source: str
    name: str
    functions: tuple[Function, ...]


@dataclass(frozen=True, slots=True)
class Surface:
    """All of a client: what it calls, and the types that it says that in."""

    service: str
    groups: tuple[Group, ...]
    declarations: tuple[Declaration, ...]
    big_integers: bool = False
    """Whether integers without bounds are of any size, also in languages whose own have 64 bits."""

    def named(self, name: str) -> Declaration:
        """A declaration by its name."""
        return next(each for each in self.declarations if each.name == name)

    def inputs(self) -> frozenset[str]:
        """The records that are nothing but the parameters of a function."""
        taken = {f.input.name for g in self.groups for f in g.functions if isinstance(f.input, Named) and not f.whole}
        kinds = [f.output for g in self.groups for f in g.functions]
        kinds += [field.kind for each in self.declarations if isinstance(each, Record) for field in each.fields]
        cases = {name for each in self.declarations if isinstance(each, Union) for _, name in each.cases}
        return frozenset(taken.difference(cases, *map(names, kinds)))

    def streamed(self) -> dict[str, str]:
        """The property that comes as a stream, by the record that has it."""
        return {
            each.input.name: each.input_stream
            for group in self.groups
            for each in group.functions
            if isinstance(each.input, Named) and each.input_stream and not each.whole
        }

    def unsayable(self, odd: Callable[[Record], bool]) -> frozenset[str]:
        """The records that are odd to a language, and the unions that have one of them for a case."""
        records = {each.name for each in self.declarations if isinstance(each, Record) and odd(each)}
        unions = [each for each in self.declarations if isinstance(each, Union)]
        return frozenset(records.union(each.name for each in unions if any(case in records for _, case in each.cases)))

    def record(self, kind: Kind | None) -> Record | None:
        """The record that a kind is; None where it is something else."""
        found = self.named(kind.name) if isinstance(kind, Named) else None
        return found if isinstance(found, Record) else None


def names(kind: Kind) -> frozenset[str]:
    """The declarations that a kind names."""
    match kind:
        case Named(name=name):
            return frozenset({name})
        case Listing(item=inner) | Mapping(value=inner) | Nullable(inner=inner):
            return names(inner)
        case Row(members=several) | Either(kinds=several):
            return frozenset[str]().union(*map(names, several))
        case _:
            return frozenset()
