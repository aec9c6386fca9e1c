"""Functions that the tests of the command line and of the client call."""

import sys
import time
from collections.abc import Iterator

from dragoman import Context, Fault


def add(a: int, b: int = 1) -> int:
    """Add two numbers.

    Slowly, by hand.
    """
    sys.stdout.write("adding\n")
    sys.stdout.flush()
    return a + b


def count(up_to: int, fail_at: int = -1) -> Iterator[int]:
    """Count, one number at a time."""
    for number in range(up_to):
        if number == fail_at:
            raise Fault.failed_precondition(f"{number} is not for counting")
        yield number


def forever(pause: float = 0.005) -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
        time.sleep(pause)


def options(names: list[str], *, deep_flag: bool = False, ratio: float | None = None) -> dict[str, object]:
    return {"names": names, "deep_flag": deep_flag, "ratio": ratio}


def echo(data: bytes) -> bytes:
    return data


def pieces(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number, 255])


def packed(data: bytes) -> dict[str, bytes]:
    return {"data": data}


def double(number: int) -> int:
    return number * 2


def broken(message: str) -> None:
    raise ValueError(message)


def slow(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


def steps(ctx: Context) -> str:
    ctx.progress(0.5, "half way")
    ctx.log("careful", "warning", part=2)
    return "done"


def total(numbers: Iterator[int], start: int = 0) -> int:
    """Add up what comes."""
    return sum(numbers, start)


def echoes(lines: Iterator[str]) -> Iterator[str]:
    yield from lines


def first(lines: Iterator[str]) -> str:
    return next(lines)
