"""Fuzz target of the contract room: whatever body comes, the function runs or `InvalidArgument` names a breach.

`python tests/fuzz/contract_bodies.py --seconds 5` bends bodies at random, from a seed that it prints.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as day_time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from mutation import bend, fuzz

from dragoman.contract.codec import Malformed, decode, encode
from dragoman.contract.signature import bind
from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument

ODD: list[Any] = [
    *(0, -1, 2**63, 2**64, 2**2000, 1.5, 1e308, 1.0, -0.0, True, False, None, [], [1], [1, "x"], {}, [[[[]]]]),
    *(
        "",
        "a",
        "#",
        "YQ==",
        "\0",
        "a\0b",
        "é" * 50,
        "\uff11",
        " 1",
        "1_0",
        "0x10",
        "NaN",
        "sNaN",
        "1e999999999999999999",
    ),
    *("2020-01-01", "2020-01-01T00:00:00Z", "9999-12-31T23:59:59.9-23:59", "0001-01-01T00:00:00+23:59", "24:00:00"),
    *("23:59:60", "PT1S", "P999999999999999D", "-P99999999999999999999D", "123e4567-e89b-12d3-a456-426614174000"),
    *({"x": 1}, {"x": 1.0}, {"x": 1, "n": {"x": "q"}}, {"1": "a"}, {"2020-01-01": 1}, {"99999999999999999999": "x"}),
]


class Letter(enum.Enum):
    """An enumeration."""

    A = "a"
    B = "b"


@dataclass
class One:
    """A record that contains itself."""

    x: int
    y: list[float] = field(default_factory=list[float])
    n: One | None = None


@dataclass
class Two:
    """A record that looks like it."""

    x: int
    z: str = ""


def texts(  # noqa: PLR0913 - one parameter per type
    *,
    a: str = "",
    b: bytes = b"",
    c: datetime | None = None,
    d: date | None = None,
    e: day_time | None = None,
    f: timedelta | None = None,
    g: UUID | None = None,
    h: Decimal | None = None,
    i: Path | None = None,
    j: str | date = "",
) -> None:
    """Take everything that is text in JSON."""


def shapes(  # noqa: PLR0913 - one parameter per type
    *,
    a: int = 0,
    b: float = 0,
    c: Letter = Letter.A,
    d: One | Two | None = None,
    e: dict[int, str] | None = None,
    f: set[int] | None = None,
    g: tuple[int, str] | None = None,
    h: Any = None,
    i: Iterable[int] = (),
    j: Annotated[Literal["a", 1] | list[dict[date, float]], "either"] = 1,
) -> None:
    """Take everything else."""


def record(one: One) -> None:
    """Take a record."""


BINDINGS = [bind(target) for target in (texts, shapes, record)]


def run_once(given: tuple[bytes, Codec], _: random.Random | None = None) -> None:
    """Hand one body to everything that decodes. Raises where a bug is."""
    body, codec = given
    for binding in BINDINGS:
        try:
            binding.invoke(body, codec)
        except InvalidArgument as fault:
            if not fault.errors:
                message = "a refusal must name a breach"
                raise AssertionError(message) from fault
    try:
        again = encode(decode(body, codec), codec)
        assert encode(decode(again, codec), codec) == again, "what was written reads back as something else"
    except Malformed:
        return


def bent(chance: random.Random) -> tuple[bytes, Codec]:
    """A body of odd values, often with bytes changed, cut or doubled."""
    codec = chance.choice((Codec.JSON, Codec.MSGPACK))
    value = {chance.choice("abcdefghijxyn"): chance.choice(ODD) for _ in range(chance.randint(0, 3))}
    try:
        data = bytearray(encode(value, codec))
    except Malformed:
        return b"", codec
    for _ in range(chance.choice((0, 0, 1, 3))):
        bend(data, chance.randrange(len(data) + 1), chance, 4)
    return bytes(data), codec


if __name__ == "__main__":
    fuzz(__doc__, bent, lambda _: run_once)
