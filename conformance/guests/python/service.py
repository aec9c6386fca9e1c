"""The conformance service in Python."""

import asyncio
import builtins
import math
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NotRequired, TypedDict
from uuid import UUID

from msgspec import Meta, Struct

from dragoman import Breach, Context, Fault

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Colour(Enum):
    """Two colours."""

    RED = "red"
    GREEN = "green"


class Circle(Struct, tag_field="kind", tag="circle"):
    """A round shape."""

    radius: float


class Square(Struct, tag_field="kind", tag="square"):
    """A shape with corners."""

    side: float


class Typed(TypedDict):
    """One of everything."""

    int: Int64
    big: int
    float: float
    decimal: Decimal
    flag: bool
    text: str
    bytes: bytes
    moment: datetime
    date: date
    duration: timedelta
    uuid: UUID
    colour: Colour
    tags: list[str]
    scores: dict[str, Int64]
    shape: Circle | Square
    nullable: Int64 | None
    maybe: NotRequired[Int64]
    inner: "NotRequired[Typed]"


def echo(value: Any) -> Any:
    return value


def add(a: Int64, b: Int64) -> int:
    return a + b


def typed(record: Typed) -> Typed:
    return record


def fail(code: str, detail: str) -> None:
    fault = Fault.of(code, detail)
    fault.errors = (Breach("/code", "as asked"),)
    raise fault


def crash(message: str) -> None:
    raise RuntimeError(message)


def unserialisable() -> Any:
    return threading.Lock()


def count(to: int, bytes: int = 0) -> Iterator[Any]:
    for number in range(to):
        yield "x" * bytes if bytes else number


def fail_after(items: int) -> Iterator[int]:
    yield from range(items)
    raise Fault.failed_precondition("as asked")


async def sleep(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


async def endless() -> AsyncIterator[int]:
    number = 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(0)


def stubborn(seconds: float) -> str:
    ends = time.monotonic() + seconds
    while True:
        try:
            while time.monotonic() < ends:
                time.sleep(0.005)
        except BaseException:  # noqa: BLE001, S112 - whatever happens
            continue
        return "done"


async def sum(numbers: AsyncIterator[int]) -> int:
    total = 0
    async for number in numbers:
        total += number
    return total


async def first(numbers: AsyncIterator[int]) -> int:
    async for number in numbers:
        return number
    raise Fault.invalid_argument("no numbers")


async def double(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
    async for number in numbers:
        yield 2 * number


async def call(function: str, input: dict[str, Any], ctx: Context) -> Any:
    return await ctx.call(function, **input)


async def relay(function: str, input: dict[str, Any], ctx: Context) -> AsyncIterator[Any]:
    async for item in ctx.stream(function, **input):
        yield item


def log(message: str, level: str, ctx: Context) -> None:
    ctx.log(message, level, n=1)


def progress(share: float, message: str, ctx: Context) -> None:
    ctx.progress(share, message)


def steps(shares: list[float], seconds: float, ctx: Context) -> None:
    for share in shares:
        ctx.progress(share)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pass


def print(text: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        builtins.print(text, file=stream, flush=True)


def remaining(ctx: Context) -> float | None:
    return None if math.isinf(ctx.remaining) else ctx.remaining


def about(ctx: Context) -> dict[str, Any]:
    trace = ctx.trace
    return {"call_id": ctx.call_id, "trace_id": trace.split("-")[1] if trace else None, "cancelled": ctx.cancelled}


def reverse(data: bytes) -> bytes:
    return data[::-1]
