"""Calls far beyond capacity, with priorities: what critical callers see, and how much is still done.

Critical calls come at half the capacity throughout, which makes them 10 % at five times the capacity. At twenty times,
10 % would be twice what can be run at all; so there only the rest grows, two thirds of it normal and one third batch.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from bench import servers
from bench.load import drive
from bench.outcome import Comparison, Row, Sample
from bench.servers import ROOT
from bench.system import free_port
from bench.workload import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.outcome import Plan

NAME = "overload"
WORKERS = {"waiting.wait": 4, "burning.burn": 1}
PROJECT = "bench/overloaded"
TIMES = (5, 20)
CRITICAL_SHARE = 0.5
NORMAL_SHARE = 2 / 3
PEAK, ALONE = "nobody refused, all workers busy", "critical calls alone"
LOAD_S_MAX = 60


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure functions that wait, and functions that compute."""
    port = free_port()
    requests = {name: Request(name, b"{}", 1) for name in WORKERS}
    command = servers.dragoman(port, PROJECT)
    with servers.serve(command, port, requests["burning.burn"]) as server:
        for name, workers in WORKERS.items():
            yield _compare(server.url, requests[name], workers, plan)


def _compare(url: str, request: Request, workers: int, plan: Plan) -> Comparison:
    found = Comparison(f"Overload with priorities, {request.function}, 5 ms in {workers} worker(s)")
    samples: dict[str, list[Sample]] = {name: [] for name in (PEAK, ALONE, *map(_many, TIMES))}
    for _ in range(plan.turns):
        # One call waits for each that runs: no worker is ever idle, and nothing is refused.
        peak_s = drive(url, request, 2 * workers, plan.seconds).rate_s
        samples[PEAK].append({"rate_s": peak_s})
        samples[ALONE].append(_surge(url, request, plan.seconds, peak_s, 0))
        for times in TIMES:
            samples[_many(times)].append(_surge(url, request, plan.seconds, peak_s, times))
    found.rows = [Row.of(name, taken) for name, taken in samples.items()]
    for times in TIMES:
        name = _many(times)
        found.aim(f"{name}: critical calls that succeed", found.figure(name, "critical_success"), "at least", 0.99)
        slower = found.ratio("critical_p99_us", name, ALONE)
        found.aim(f"{name}: p99 of critical calls over that of the same calls alone", slower, "at most", 2)
        found.aim(f"{name}: goodput over peak", found.figure(name, "goodput"), "at least", 0.9)
    return found


def _many(times: int) -> str:
    return f"{times} times the capacity"


def _surge(url: str, request: Request, seconds: float, peak_s: float, times: int) -> Sample:
    """What callers see at so many times the capacity; at 0, of critical calls alone."""
    critical_s = peak_s * CRITICAL_SHARE
    rest_s = max(times * peak_s - critical_s, 0.0)
    rates = {"critical": critical_s, "normal": rest_s * NORMAL_SHARE, "batch": rest_s * (1 - NORMAL_SHARE)}
    command = [sys.executable, "-m", "bench.surge", url + request.path, str(seconds)]
    command += [f"{name}={rate_s}" for name, rate_s in rates.items() if rate_s]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=LOAD_S_MAX, check=True)
    seen: dict[str, dict[str, float]] = json.loads(done.stdout)
    failed = sum(each["failed"] for each in seen.values())
    if failed:
        raise RuntimeError(f"{failed:.0f} calls failed that were not refused")
    good_s = sum(each["good_s"] for each in seen.values())
    figures: Sample = {"rate_s": good_s, "offered_s": sum(each["offered_s"] for each in seen.values())}
    figures |= {"goodput": good_s / peak_s} if times else {}
    for name, each in seen.items():
        figures |= {f"{name}_success": each["success"]}
        if each["p99_us"]:
            figures |= {f"{name}_p50_us": each["p50_us"], f"{name}_p99_us": each["p99_us"]}
    return figures
