"""Contestants that a blocking program calls: each turn is a caller process, run plainly and then on one core."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from bench.contest import contest
from bench.outcome import Comparison, Plan, Sample
from bench.system import pinned

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.contest import Contestant, Turn

CALLER_S_MAX = 300


def compare(title: str, names: dict[str, str], calls: dict[str, int], plan: Plan) -> Comparison:
    """Compare callers (`bench.caller`) by name; `calls` is per contestant where it must differ from the plan's."""
    contestants: dict[str, Contestant] = {
        shown: partial(_contestant, name, calls.get(name, plan.calls)) for shown, name in names.items()
    }
    return contest(Comparison(title), contestants, plan.turns)


@contextlib.contextmanager
def _contestant(name: str, calls: int) -> Generator[Turn]:
    yield partial(_turn, name, calls)


def _turn(name: str, calls: int) -> Sample:
    figures = _measure(name, calls)
    with pinned():
        alone = _measure(name, calls)
    return {**figures, "pinned_p50_us": alone["p50_us"]}


def _measure(name: str, calls: int) -> Sample:
    command = [sys.executable, "-m", "bench.caller", name, str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CALLER_S_MAX, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return json.loads(done.stdout.splitlines()[-1])
