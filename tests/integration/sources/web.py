"""Functions that the HTTP tests call."""

# ruff: noqa: ASYNC240, FBT001, FBT002, ICN001 - written as a user would

import asyncio
import datetime
import decimal
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

from dragoman import Context, Fault, function


@function(idempotent=True)
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@function(idempotent=True)
def exactly(n: int) -> int:
    """The number that was given."""
    return n


def echo(data: bytes) -> bytes:
    """The bytes that were given."""
    return data


def text(value: str) -> str:
    """The text that was given."""
    return value


def anything(value: Any) -> Any:
    """Whatever was given."""
    return value


def nap(seconds: float, marker: str = "") -> float:
    """Sleep, and then leave a mark."""
    if marker:
        Path(marker + ".began").touch()
    time.sleep(seconds)
    if marker:
        Path(marker).touch()
    return seconds


async def doze(seconds: float, marker: str = "") -> float:
    """Sleep without a thread, and leave a mark of having been cancelled."""
    Path(marker + ".began").touch()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        Path(marker + ".cancelled").touch()
        raise
    return seconds


def work() -> int:
    """Take ten milliseconds."""
    time.sleep(0.01)
    return 1


def count(n: int, release: str = "") -> Iterator[int]:
    """Count; with `release`, each number only once a file of that name and number is there."""
    for number in range(n):
        while release and not Path(f"{release}.{number}").exists():
            time.sleep(0.005)
        yield number


def flood(progress: str) -> Iterator[str]:
    """Text without an end; a file says how much has been made."""
    block = "x" * 65_536
    number = 0
    try:
        while True:
            number += 1
            Path(progress).write_text(str(number))
            yield block
    finally:
        Path(progress + ".closed").touch()


async def ticks(progress: str) -> AsyncIterator[int]:
    """Numbers without an end."""
    number = 0
    try:
        while True:
            number += 1
            yield number
            await asyncio.sleep(0.01)
    finally:
        Path(progress + ".closed").touch()


def halfway(n: int) -> Iterator[int]:
    """Count, and then fail."""
    yield from range(n)
    raise ValueError("half of it is enough")


def boom() -> int:
    """Fail."""
    raise ValueError("no")


def picky(reason: str) -> int:
    """Fail with a code."""
    raise Fault.failed_precondition(reason)


def traced(ctx: Context) -> dict[str, str]:
    """Where this call stands in somebody's trace."""
    return {"trace": ctx.trace, "call_id": ctx.call_id}


def pid() -> int:
    """The worker's process id."""
    return os.getpid()


class Color(Enum):
    """A color."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Address:
    """Where someone lives."""

    street: str
    number: Annotated[int, "the house"] = 1
    country: Literal["DE", "FR", "IT"] = "DE"


@dataclass
class Order:
    """What someone wants."""

    id: uuid.UUID
    placed_at: datetime.datetime
    lines: list[dict[str, decimal.Decimal]]
    address: Address
    color: Color | None = None
    tags: set[str] = field(default_factory=set)
    note: str | None = None


def book(order: Order) -> Order:
    """Book an order."""
    return order


@function(idempotent=True)
def search(
    text: str,
    limit: int = 10,
    exact: bool = False,
    colors: list[Color] | None = None,
    after: datetime.date | None = None,
) -> dict[str, Any]:
    """Search for something."""
    return {
        "text": text,
        "limit": limit,
        "exact": exact,
        "colors": [c.value for c in colors or []],
        "after": str(after),
    }
