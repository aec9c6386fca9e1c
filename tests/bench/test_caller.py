"""Callers measure what answers rightly, and refuse what does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.caller import CONTESTANTS, measure
from bench.comparisons import large_bodies, local_calls, native_calls
from bench.workload import SMALL

ROOT = Path(__file__).parents[2]
PEERS = [
    "small.native",
    "small.http",
    "small.ping",
    "small.ping_json",
    "small.pool",
    "small.python",
    "blob.ping",
    "true.run",
    "awk.posix",
]


@pytest.mark.parametrize("name", PEERS)
def test_peer_answers_and_is_measured(name: str) -> None:
    command = [sys.executable, "-m", "bench.caller", name, "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    figures = json.loads(done.stdout)
    assert set(figures) == {"p50_us", "p99_us", "rate_s", "caller_cpu_us", "others_cpu_us"}
    assert 0 < figures["p50_us"] <= figures["p99_us"]


def test_a_wrong_answer_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="answered 'nonsense'"):
        measure(lambda: "nonsense", "sense", 5)


def test_small_body_is_a_hundred_bytes() -> None:
    assert len(SMALL) == 100


def test_every_contestant_of_a_comparison_exists() -> None:
    assert {*local_calls.NAMES.values(), *large_bodies.NAMES.values(), *native_calls.NAMES.values()} <= set(CONTESTANTS)
