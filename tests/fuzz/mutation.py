"""What all fuzz targets share: inputs that are bent at random from a seed, and runs of them until time is up.

The targets are run by their paths, so that they find it beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import uvloop

T = TypeVar("T")
Draw = Callable[[random.Random], T]
Run = Callable[[T, random.Random], Awaitable[None] | None]
"""Runs one input, and raises on a bug."""


def mutate(chance: random.Random, seeds: Sequence[bytes], tokens: Sequence[bytes], changes_max: int = 4) -> bytes:
    """One seed, bent: bytes changed, cut, doubled, tokens put in or over, or spliced with another seed."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(0, changes_max)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                bend(data, at, chance, 40)
            case 1:
                data[at:] = chance.choice(seeds)
            case 2:
                data += chance.choice(seeds)
            case 3:
                token = chance.choice(tokens)
                data[at : at + len(token)] = token
            case 4:
                data[at:at] = chance.choice(tokens)
            case _:
                bend(data, at, chance, 4)
    return bytes(data)


def bend(data: bytearray, at: int, chance: random.Random, bytes_max: int) -> None:
    """Change one byte or bit at a place, or take out or double a few of them."""
    match chance.randrange(4):
        case 0:
            data[at : at + 1] = bytes((chance.randrange(256),))
        case 1 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        case 2:
            del data[at : at + chance.randint(1, bytes_max)]
        case _:
            data[at:at] = data[at : at + chance.randint(1, 2 * bytes_max)]


def fuzz(description: str | None, draw: Draw[T], begin: Callable[[asyncio.AbstractEventLoop], Run[T]]) -> None:
    """Run inputs as the command line says; `begin` gives what runs one of them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = parser.parse_args()
    number = run_random(options.seconds, options.seed, draw, begin)
    sys.stdout.write(f"seed {options.seed}: {number} inputs, no bug\n")


def run_random(seconds: float, seed: int, draw: Draw[T], begin: Callable[[asyncio.AbstractEventLoop], Run[T]]) -> int:
    """Run inputs for some time; return how many. On a bug, the input is on stderr."""

    async def run() -> int:
        chance = random.Random(seed)
        run_once = begin(asyncio.get_running_loop())
        until = time.monotonic() + seconds
        number = 0
        while time.monotonic() < until:
            data = draw(chance)
            number += 1
            try:
                if (running := run_once(data, chance)) is not None:
                    await running
            except BaseException:
                sys.stderr.write(f"seed {seed}, input {number}: {data!r}\n")
                raise
        return number

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
