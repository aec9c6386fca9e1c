"""What a layer needs of the world around it: time, chance, ids of further attempts. All passed in, for tests to own."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.clock import SystemClock

if TYPE_CHECKING:
    from dragoman.core.clock import CallLater, Clock, Timer
    from dragoman.core.service import Service


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The world of one function's layers.

    `random` gives numbers from 0 up to 1, evenly; `next_id` the id of one more call of this host. `attend()` has the
    host look whether calls have ended: layers that refuse thousands of calls in one turn of its loop say it each time.
    """

    clock: Clock
    call_later: CallLater
    random: Callable[[], float]
    next_id: Callable[[], int]
    attend: Callable[[], object] = _nothing

    @classmethod
    def here(cls) -> Surroundings:
        """The machine's clocks, timers of the running loop, and ids counted from 1: for a program of its own."""
        return cls(SystemClock(), call_later, random.random, itertools.count(1).__next__)


def call_later(delay: float, callback: Callable[..., object], /, *args: Any) -> Timer:
    """Call back once, `delay` seconds from now, on the loop that runs now."""
    return asyncio.get_running_loop().call_later(delay, callback, *args)


class Scripts(Protocol):
    """The part of a store that counts for all hosts: `evaluate` fails with `ConnectionError` alone, and soon."""

    @property
    def up(self) -> bool:
        """Whether it is worth asking."""
        ...

    def evaluate(
        self, text: str, keys: Sequence[str], arguments: Sequence[bytes | str | float] = (), /
    ) -> asyncio.Future[Any]:
        """What a Lua script returns."""
        ...


class Policy(Protocol):
    """One layer of one function, with its state: put it around another service, and it goes on with what it knows.

    `counts` only ever grow, by words that become the label of a metric; `state` is what an operator may want to see.
    """

    @property
    def counts(self) -> Mapping[str, int]:
        """How often what has happened."""
        ...

    def state(self) -> Mapping[str, object]:
        """What it knows now, as plain JSON values."""
        ...

    def __call__(self, service: Service, /) -> Service:
        """Wrap a service."""
        ...
