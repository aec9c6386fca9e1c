"""Functions with every kind of type that a contract can have; each does nothing but answer."""

# ruff: noqa: FBT001, FBT002, ICN001, UP007, UP045 - written as a user would

import datetime
import decimal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, Optional, TypedDict, Union

import msgspec

from dragoman import function


class Color(Enum):
    """A color."""

    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    """A level."""

    LOW = 1
    HIGH = 2


@dataclass
class Address:
    """Where someone lives."""

    street: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    number: Annotated[int, msgspec.Meta(ge=1, le=9999)] = 1
    country: Literal["DE", "FR", "IT"] = "DE"


class Options(TypedDict, total=False):
    """How to do it."""

    fast: bool
    retries: int


class Point(msgspec.Struct):
    """A point."""

    x: float
    y: float = 0.0


@dataclass
class Node:
    """A tree."""

    value: int
    children: list["Node"] = field(default_factory=list)


@dataclass
class Order:
    """What someone wants."""

    id: uuid.UUID
    placed_at: datetime.datetime
    day: datetime.date
    address: Address
    color: Color
    level: Level = Level.LOW
    prices: dict[str, decimal.Decimal] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    pair: tuple[int, str] = (1, "a")
    note: Optional[str] = None


@function(idempotent=True)
def add(a: float, b: float) -> float:
    """Add two numbers, as far as there are numbers."""
    return max(min(a + b, 1e300), -1e300)


@function(idempotent=True)
def search(
    text: str,
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10,
    exact: bool = False,
    colors: list[Color] | None = None,
    level: Level = Level.LOW,
    after: datetime.date | None = None,
) -> dict[str, Any]:
    """Search for something."""
    return {"text": text, "limit": limit, "exact": exact, "colors": len(colors or []), "level": level, "after": after}


def book(order: Order) -> Order:
    """Book an order."""
    return order


def either(value: Union[int, str, None], options: Options | None = None) -> Union[int, str, None]:
    """Take one of several."""
    return value


def move(point: Point, by: Point | None = None) -> Point:
    """Give a point back."""
    return point


def size(node: Node) -> int:
    """Count the nodes of a tree."""
    return 1 + sum(size(child) for child in node.children)


def anything(value: Any) -> Any:
    """Give back whatever was given."""
    return value


def wait(delay: datetime.timedelta, at: datetime.time) -> datetime.timedelta:
    """Give back a time."""
    return delay


def digest(data: bytes) -> bytes:
    """Give back bytes."""
    return data


def fixed(matrix: list[list[float]], names: frozenset[str] = frozenset()) -> int:
    """Count rows."""
    return len(matrix)


def count(n: Annotated[int, msgspec.Meta(ge=0, le=50)]) -> Iterator[int]:
    """Count."""
    yield from range(n)


def nothing() -> None:
    """Do nothing."""
