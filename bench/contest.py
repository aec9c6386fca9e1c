"""Contestants in turns, A-B-A-B, so that a noisy minute on the machine falls on all of them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias

from bench.outcome import Row, Sample
from bench.system import Missing

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.outcome import Comparison

Turn: TypeAlias = Callable[[], Sample]
Contestant: TypeAlias = Callable[[], AbstractContextManager[Turn]]
"""Starts what is to be measured and gives what measures it once."""

FAILURES = (Missing, RuntimeError, OSError, ImportError, AttributeError, subprocess.SubprocessError)
"""What takes one contestant out of the contest, with a note, and leaves the others in."""


def contest(comparison: Comparison, contestants: dict[str, Contestant], turns: int) -> Comparison:
    """Start all, measure each in turn so many times, stop all; medians go into the comparison's rows."""
    with contextlib.ExitStack() as stack:
        started: dict[str, Turn] = {}
        for name, contestant in contestants.items():
            with _noting(comparison, name):
                started[name] = stack.enter_context(contestant())
        samples: dict[str, list[Sample]] = {name: [] for name in started}
        for _ in range(turns):
            for name in list(started):
                with _noting(comparison, name, started):
                    samples[name].append(started[name]())
    comparison.rows += [Row.of(name, taken) for name, taken in samples.items() if taken]
    return comparison


@contextlib.contextmanager
def _noting(comparison: Comparison, name: str, started: dict[str, Turn] | None = None) -> Generator[None]:
    try:
        yield
    except FAILURES as error:
        comparison.notes.append(f"{name} was not measured: {error}")
        if started is not None:
            del started[name]
