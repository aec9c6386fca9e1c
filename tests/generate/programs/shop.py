"""Functions whose contracts are hard to say in other languages."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from dragoman import Fault


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    DARK_RED = "dark-red"
    ODD = '*/ """ \' ` ${x} \\u000a \n {} 😀'


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 10


class Circle(msgspec.Struct, tag="circle", tag_field="kind"):
    """Round."""

    radius: float


class Square(msgspec.Struct, tag="square", tag_field="kind"):
    side: int
    inner: Circle | Square | None = None
    seal: bytes = b""


@dataclass
class Node:
    value: int
    children: list[Node] = field(default_factory=list["Node"])
    next: Node | None = None


class Everything(TypedDict):
    """Every kind of value.

    With a second paragraph */ and \\u0041 `code` and {@code x} <b> & @Deprecated.

        indented();
    ```
    panic!()
    ```
    >>> 1 / 0
    """

    big: int
    small: Annotated[int, Meta(ge=0, le=255)]
    wide: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    ratio: float
    text: str
    flag: bool
    blob: bytes
    moment: dt.datetime
    day: dt.date
    clock: dt.time
    span: dt.timedelta
    price: decimal.Decimal
    id: uuid.UUID
    colour: Colour
    level: Level
    shape: Circle | Square
    shapes: list[Circle | Square]
    pair: tuple[int, str]
    twice: tuple[int, int]
    counts: dict[str, int]
    tree: Node
    nullable: str | None
    mixed: int | str
    anything: Any
    type: str
    optional: NotRequired[str]
    both: NotRequired[int | None]
    limit: NotRequired[Annotated[int, Meta(ge=1, description="At most so many. */ // @ ``` {@link x}")]]
    self: NotRequired[Literal["a", "b"]]


Odd = TypedDict(
    "Odd",
    {
        "class": int,
        "Class": int,
        "größe": str,
        "hash-code": int,
        "hashCode": int,
        "1st": int,
        "😀": int,
        "$ref x": int,
        "toString": int,
        "__proto__": NotRequired[int],
        "`tick": int,
        "it's": int,
    },
)
Worse = TypedDict(
    "Worse",
    {
        'quo"te': int,
        "back\\slash": int,
        "com,ma": int,
        "*/": int,
        "new\nline": int,
        "": int,  # pyright: ignore[reportGeneralTypeIssues] - JSON has such names, and so have other languages' contracts
    },
)


def echo(value: Everything) -> Everything:
    """Give back every kind of value."""
    return value


def odd(value: Odd) -> Odd:
    return value


def worse(value: Worse) -> Worse:
    return value


def double(number: int) -> int:
    """Twice a number, of any size."""
    return number * 2


def area(shape: Circle | Square, scale: float = 1.0) -> float:
    return scale * (shape.side**2 if isinstance(shape, Square) else 3 * shape.radius**2)


def find(name: str | None, limit: int = 3, *, class_: bool = False) -> str | None:
    """Find."""
    return name if name is None else name * limit


def count(upto: int) -> Iterator[int]:
    yield from range(upto)


def total(numbers: Iterator[int], start: int = 0) -> int:
    """Add up what comes."""
    return sum(numbers, start)


async def doubled(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
    async for number in numbers:
        yield 2 * number


def blob(data: bytes) -> bytes:
    return data[::-1]


def nothing() -> None:
    """Nothing."""


def fail(detail: str) -> None:
    raise Fault.not_found(detail)
