"""A worker of each language: how long it takes to READY, beside a program that does nothing, and what it weighs."""

from __future__ import annotations

import contextlib
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from bench import servers
from bench.contest import contest
from bench.guest import observe, start
from bench.guest import run as run_through
from bench.outcome import Comparison, Row

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn
    from bench.outcome import Plan, Sample

NAME = "workers"
STARTS = 5
"""Each turn takes the least of so many starts: what else runs on the machine only ever adds to one."""
START_MOST = {"Go": 1.5, "Rust": 1.5, "Node": 1.2, "Java": 1.2}
"""How long the start of a worker may take, as a share of that of a program in its language that does nothing."""


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure starts, then weights."""
    weights = Comparison("Idle worker with two functions, memory")
    contestants: dict[str, Contestant] = {}
    for language in servers.LANGUAGES:
        contestants[worker(language)] = partial(_worker, language, weights)
        contestants[empty(language)] = partial(_empty, language)
    found = contest(Comparison(f"Start of a worker to READY, least of {STARTS}"), contestants, plan.turns)
    for language, most in START_MOST.items():
        ratio = found.ratio("time_ms", worker(language), empty(language))
        found.aim(f"{language}: worker over {empty(language)}", ratio, "at most", most)
    yield found
    yield weights


def worker(language: str) -> str:
    """A contestant's name."""
    return f"{language} worker"


def empty(language: str) -> str:
    """A peer's name."""
    return f"empty {language} program"


@contextlib.contextmanager
def _worker(language: str, weights: Comparison) -> Generator[Turn]:
    guest = observe(language)
    weights.rows.append(Row.of(language, [guest.weight]))
    yield partial(_least, partial(start, guest))


@contextlib.contextmanager
def _empty(language: str) -> Generator[Turn]:
    command = servers.build_empty(language)
    run_through(command)  # fills the caches of the disk
    yield partial(_least, partial(run_through, command))


def _least(once: Turn) -> Sample:
    return min((once() for _ in range(STARTS)), key=itemgetter("time_ms"))
