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


def compare(
    title: str, names: dict[str, str], calls: dict[str, int], plan: Plan, program: str = "bench.caller"
) -> Comparison:
    """Compare callers by name; `calls` is per contestant where it must differ from the plan's.

    `program` is the module that runs one of them.
    """
    contestants: dict[str, Contestant] = {
        shown: partial(_contestant, name, calls.get(name, plan.calls), program) for shown, name in names.items()
    }
    return contest(Comparison(title), contestants, plan.turns)


@contextlib.contextmanager
def _contestant(name: str, calls: int, program: str) -> Generator[Turn]:
    yield partial(_turn, name, calls, program)


def _turn(name: str, calls: int, program: str) -> Sample:
    figures = _measure(name, calls, program)
    with pinned():
        alone = _measure(name, calls, program)
    return {**figures, "pinned_p50_us": alone["p50_us"]}


def _measure(name: str, calls: int, program: str) -> Sample:
    command = [sys.executable, "-m", program, name, str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CALLER_S_MAX, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return json.loads(done.stdout.splitlines()[-1])
