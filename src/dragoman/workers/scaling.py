"""How many workers a pool should have: decisions only, as functions of what is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.workers.options import PoolOptions

WAIT_S = 0.005
"""A call that has waited this long is a reason for another worker. A start takes ten times longer, so a shorter wait
would only chase bursts that are over before the worker is up."""
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 30.0
YOUNG_S = 1.0
"""A worker that ends before this age, uncalled, was stillborn: replacing it at once, for ever, would spin."""
STILLBORN_MAX = 3
"""So many of them in a row are a source that cannot start; fewer may have been killed by somebody."""
CRASH_PAUSE_MAX_S = 1.0
"""Longest pause before workers that crash in their first calls are replaced: other callers wait through it."""

SLOW_S = 0.15
"""Processor time of a start from which on a zygote is worth a process of its own: a bare guest takes a third of it."""

DYING_MAX = 2
"""For each worker that may run, so many that have run and are being cleared away: their memory is still in use."""


def growth(options: PoolOptions, workers: int, waiting: int) -> int:
    """How many workers to add: one for every `concurrency` waiting calls, at most as many again as there are."""
    wanted = -(-waiting // options.concurrency)
    return max(min(wanted, max(workers, 1), options.workers_max - workers), 0)


def crash_pause_s(crashes: int) -> float:
    """Seconds to wait after so many workers in a row died without having answered a call: none after the first."""
    return min(backoff_s(crashes - 1), CRASH_PAUSE_MAX_S) if crashes > 1 else 0.0


def backoff_s(failures: int) -> float:
    """Seconds to wait after so many failed starts in a row: doubling from 0.1 s up to half a minute."""
    return min(BACKOFF_FIRST_S * 2 ** min(failures - 1, 16), BACKOFF_MAX_S) if failures else 0.0


def spares(options: PoolOptions, least: int, waiting: int, running: int, dying: int) -> int:
    """How many single-use workers should be ready or starting: for each call that waits, and for the next ones.

    `dying` have answered and are not gone yet. Where they do not get away in time, none are added: a flood of calls
    would leave ever more of them.
    """
    if dying >= DYING_MAX * options.workers_max:
        return 0
    return min(least + waiting, options.workers_max - running)


def is_slow(options: PoolOptions, start_s: float) -> bool:
    """Whether a pool that may grow has a source that is slow to load, in seconds of processor time."""
    return options.workers_max > options.workers_min and start_s >= SLOW_S
