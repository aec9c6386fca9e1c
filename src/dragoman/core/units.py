"""Durations, sizes and rates as people write them: `"250ms"`, `"64KB"`, `"100/s"`.

A unit is required where there is one to choose: a bare `5` for a timeout is a guess about seconds that somebody gets
wrong. Bytes have no such doubt, so a size may be a plain whole number.
"""

from __future__ import annotations

import re
from fractions import Fraction

TEXT_CHARS_MAX = 32
"""No quantity is longer; the bound keeps the digits that are turned into numbers few."""

NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)
RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*([A-Za-z]+)", re.ASCII)

SECONDS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
BYTES = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}

DURATION_EXPECTED = 'a duration such as "250ms", "2s", "1.5m", "1h" or "1d"'
SIZE_EXPECTED = 'a size such as "64KB", "2MB" or "1GB" (multiples of 1024), or a whole number of bytes'
RATE_EXPECTED = 'a rate such as "100/s", "30/m" or "1000/h"'


def duration(text: str) -> float:
    """Seconds in a duration. Raises `ValueError` with what was expected."""
    amount, unit = _split(NUMBER, text, DURATION_EXPECTED)
    if unit not in SECONDS:
        raise ValueError(_unknown_unit(text, unit, SECONDS, DURATION_EXPECTED))
    return float(amount * SECONDS[unit])


def size(value: str | int) -> int:
    """Bytes in a size; a plain whole number is bytes already. Raises `ValueError` with what was expected."""
    if isinstance(value, int):
        if value < 0:
            msg = f"expected {SIZE_EXPECTED}, found {value}"
            raise ValueError(msg)
        return value
    amount, unit = _split(NUMBER, value, SIZE_EXPECTED)
    if unit not in BYTES:
        raise ValueError(_unknown_unit(value, unit, BYTES, SIZE_EXPECTED))
    count = amount * BYTES[unit]
    if count.denominator != 1:
        msg = f"{value!r} is not a whole number of bytes"
        raise ValueError(msg)
    return int(count)


def rate(text: str) -> float:
    """Events a second in a rate. Raises `ValueError` with what was expected."""
    amount, unit = _split(RATE, text, RATE_EXPECTED)
    if unit not in SECONDS:
        raise ValueError(_unknown_unit(text, unit, SECONDS, RATE_EXPECTED))
    return float(amount / SECONDS[unit])


def format_duration(seconds: float) -> str:
    """The shortest text that `duration` reads back as the same number of seconds, to the microsecond."""
    exact = Fraction(round(seconds * 1_000_000), 1_000_000)
    for unit in ("d", "h", "m", "s"):
        if exact and (exact / SECONDS[unit]).denominator == 1:
            return f"{exact / SECONDS[unit]}{unit}"
    if exact == 0:
        return "0s"
    unit = "ms" if exact < 1 else "s"
    return f"{_decimal(exact / SECONDS[unit])}{unit}"


def format_size(count: int) -> str:
    """The shortest text that `size` reads back as the same number of bytes."""
    for unit in ("TB", "GB", "MB", "KB"):
        if count and count % BYTES[unit] == 0:
            return f"{count // BYTES[unit]}{unit}"
    return f"{count}B"


def format_rate(per_second: float) -> str:
    """A rate in the largest unit that makes it at least one, to six digits."""
    for unit in ("s", "m", "h"):
        if per_second * float(SECONDS[unit]) >= 1:
            return f"{_decimal(Fraction(per_second) * SECONDS[unit])}/{unit}"
    return f"{_decimal(Fraction(per_second) * SECONDS['d'])}/d"


def _split(pattern: re.Pattern[str], text: str, expected: str) -> tuple[Fraction, str]:
    match = pattern.fullmatch(text) if len(text) <= TEXT_CHARS_MAX else None
    if match is None:
        msg = f"expected {expected}, found {text[: TEXT_CHARS_MAX * 2]!r}"
        raise ValueError(msg)
    return Fraction(match[1]), match[2]


def _unknown_unit(text: str, unit: str, units: dict[str, Fraction] | dict[str, int], expected: str) -> str:
    same = [known for known in units if known.lower() == unit.lower()]
    hint = f"; write {same[0]!r} for {unit!r}" if same else f"; units are {', '.join(units)}"
    return f"expected {expected}, found {text!r}{hint}"


def _decimal(value: Fraction) -> str:
    text = f"{float(value):.6f}".rstrip("0").rstrip(".")
    return text or "0"
