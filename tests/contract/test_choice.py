"""Types that the decoder cannot take are rewritten, and built from plain values."""

from __future__ import annotations

import collections
import enum
from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NewType, TypedDict, Union
from uuid import UUID

import msgspec
import pytest

from dragoman.contract.choice import decodable, decode_hook
from dragoman.contract.codecs.typed import json_decoder, msgpack_decoder


class Mixed(enum.Enum):
    """Values of more than one type."""

    A = 1.5
    B = "b"


class Name(str):
    """A text of a class of its own."""

    __slots__ = ()


@dataclass
class One:
    """A record."""

    x: int


@dataclass
class Two:
    """A record that looks like it."""

    x: int
    y: int


@dataclass
class Holder:
    """Fields that the hook builds."""

    path: Path
    items: Iterable[int]
    whatever: object


@dataclass
class Computed:
    """A field that is no parameter, and a parameter that is no field."""

    a: int
    scale: InitVar[int] = 2
    total: int = field(init=False)
    seen: list[int] = field(default_factory=list[int])

    def __post_init__(self, scale: int) -> None:
        """Compute."""
        self.total = self.a * scale


@dataclass
class Event:
    """Fields that look alike, and itself."""

    name: str
    who: One | Two | None = None
    parent: Event | None = None
    computed: list[Computed] = field(default_factory=list[Computed])


class Parcel(TypedDict, total=False):
    """Keys that look alike."""

    who: One | Two
    count: int


class Left(msgspec.Struct, tag="left", rename="camel", forbid_unknown_fields=True):
    """One of two that are told by their tag."""

    the_event: Event


class Right(msgspec.Struct, tag="right", rename="camel"):
    """The other one."""

    the_event: Event


class TypeAliasType:
    """Stands for `type Json = …`, which Python 3.11 cannot write; told by its name."""

    @property
    def __value__(self) -> Any:
        return Union[dict[str, self], list[self], str, int, None]  # noqa: UP007 - built at run time

    def __call__(self) -> None:
        """Make `typing` take an instance for a type."""


def read(kind: Any, body: bytes) -> Any:
    """Decode as a parameter of that type is."""
    return json_decoder(decodable(kind), decode_hook)(body)


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        (One | Two, b'{"x":1}', One(1)),
        (One | Two, b'{"x":1,"y":2}', Two(1, 2)),
        (Two | One, b'{"x":1}', One(1)),
        (list[One | Two | None], b'[null,{"x":1}]', [None, One(1)]),
        (str | datetime, b'"2020-01-01T00:00:00Z"', datetime(2020, 1, 1, tzinfo=UTC)),
        (str | date, b'"soon"', "soon"),
        (str | UUID | None, b'"123e4567-e89b-12d3-a456-426614174000"', UUID("123e4567-e89b-12d3-a456-426614174000")),
        (str | bytes, b'"YWJj"', "YWJj"),
        (Path | int, b'"/x"', Path("/x")),
        (Path | int, b"3", 3),
        (list[int] | set[str], b'["a"]', {"a"}),
        (dict[str, int] | dict[str, str], b'{"a":"b"}', {"a": "b"}),
        (int | Any, b'"x"', "x"),
        (Literal[True, "x"], b"true", True),
        (Mixed, b"1.5", Mixed.A),
        (dict[str, Mixed], b'{"k":"b"}', {"k": Mixed.B}),
        (Name, b'"x"', Name("x")),
        (NewType("Id", int), b"3", 3),
        (PurePosixPath, b'"a/b"', PurePosixPath("a/b")),
        (object, b'{"a":[1]}', {"a": [1]}),
        (collections.deque[int], b"[1]", collections.deque([1])),
        (collections.OrderedDict[str, int], b'{"a":1}', collections.OrderedDict(a=1)),
        (collections.defaultdict[str, int], b'{"a":1}', collections.defaultdict(None, a=1)),
        (Holder, b'{"path":"/x","items":[1],"whatever":{}}', Holder(Path("/x"), [1], {})),
        (Annotated[str | None, msgspec.Meta(min_length=2)], b"null", None),
        (TypeAliasType(), b'{"a":[1,"x",{"b":null}]}', {"a": [1, "x", {"b": None}]}),
        (collections.Counter[str], b'{"a":2}', collections.Counter(a=2)),
        (Event, b'{"name":"n","who":{"x":1,"y":2},"other":0}', Event("n", Two(1, 2))),
        (Event, b'{"name":"n","parent":{"name":"p","who":{"x":1}}}', Event("n", parent=Event("p", One(1)))),
        (Parcel, b'{"who":{"x":1}}', {"who": One(1)}),
        (list[Left | Right], b'[{"type":"right","theEvent":{"name":"n"}}]', [Right(Event("n"))]),
        (Left | Right, b'{"type":"left","theEvent":{"name":"n"}}', Left(Event("n"))),
    ],
)
def test_a_value_is_built_as_the_type_that_it_fits(kind: Any, body: bytes, value: object) -> None:
    found = read(kind, body)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (One | Two, b'{"y":1}'),
        (Literal[True, "x"], b"1"),
        (Mixed, b"2"),
        (Name, b"1"),
        (Path, b"1"),
        (Path, b'"a\\u0000b"'),
        (list[Iterable[int]], b'[["x"]]'),
        (collections.OrderedDict[str, int], b'{"a":"x"}'),
        (TypeAliasType(), b"1.5"),
        (collections.Counter[str], b'{"a":"x"}'),
        (Event, b'{"name":"n","who":{"y":2}}'),
        (Left, b'{"type":"right","theEvent":{"name":"n"}}'),
        (Left, b'{"type":"left","theEvent":{"name":"n"},"other":0}'),
        (Computed, b'{"scale":2}'),
    ],
)
def test_a_misfit_is_refused(kind: Any, body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(kind, body)


def test_messagepack_tells_text_from_bytes() -> None:
    reader = msgpack_decoder(decodable(str | bytes), decode_hook)
    assert reader(msgspec.msgpack.encode(b"x")) == b"x"
    assert reader(msgspec.msgpack.encode("x")) == "x"


def test_what_the_decoder_takes_is_left_alone() -> None:
    assert decodable(dict[str, list[int] | None]) == dict[str, list[int] | None]


def test_a_dataclass_takes_its_parameters_and_computes_the_rest() -> None:
    found = read(list[Computed], b'[{"a":1},{"a":2,"scale":5,"seen":[3]}]')
    assert [(each.a, each.total, each.seen) for each in found] == [(1, 2, []), (2, 10, [3])]
    assert found[0].seen is not read(Computed, b'{"a":1}').seen


def test_a_private_attribute_is_a_parameter_without_its_underscore() -> None:
    attrs = pytest.importorskip("attrs")
    private = attrs.make_class("Private", {"_who": attrs.field(type=One | Two), "n": attrs.field(type=int, default=1)})
    assert read(private, b'{"_who":{"x":1}}') == private(who=One(1))
