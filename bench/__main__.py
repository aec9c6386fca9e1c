"""Run the comparisons: `python -m bench [--quick] [--only NAME …]`.

What it measures is compiled to bytecode beforehand, as an installed package is, and what a shell sets for development
(`PYTHONDONTWRITEBYTECODE`, `PYTHONDEVMODE`, …) is not handed on: both sides start as they would in service.
"""

from __future__ import annotations

import argparse
import compileall
import os
import sys
from pathlib import Path

import dragoman
from bench import report
from bench.comparisons import (
    backlog,
    beside,
    bridges,
    callers,
    executables,
    flatness,
    forks,
    guests,
    http_calls,
    kept,
    large_bodies,
    layers,
    local_calls,
    native_calls,
    overload,
    postgres,
    stack,
    startup,
    streams,
    tables,
    tasks,
    workers,
)
from bench.outcome import Comparison, Plan
from bench.servers import ROOT

MODULES = (
    http_calls,
    guests,
    local_calls,
    native_calls,
    callers,
    bridges,
    large_bodies,
    executables,
    forks,
    startup,
    tables,
    workers,
    kept,
    overload,
    stack,
    flatness,
    layers,
    tasks,
    postgres,
    streams,
    backlog,
    beside,
)
COMPARISONS = {module.NAME: module for module in MODULES}
THOROUGH = Plan(turns=5, seconds=2, calls=5000, quick=False)
QUICK = Plan(turns=2, seconds=1, calls=1000, quick=True)
PYTHON_KEPT = ("PYTHONHOME", "PYTHONPATH")
"""Variables of the interpreter that say where things are, and not how it is to run."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the report; 1 with `--strict` where a target was missed or not measured."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure Dragoman beside its peers, in one run.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns: a first look, not a result")
    parser.add_argument("--only", action="append", choices=COMPARISONS, metavar="NAME", help=", ".join(COMPARISONS))
    parser.add_argument("--strict", action="store_true", help="fail where a target is missed or not measured")
    chosen = parser.parse_args(arguments)
    plan = QUICK if chosen.quick else THOROUGH
    os.chdir(ROOT)
    prepare()
    busy = report.load()
    found: list[Comparison] = []
    for name in chosen.only or COMPARISONS:
        for comparison in COMPARISONS[name].run(plan):
            print(report.section(comparison), flush=True)
            found.append(comparison)
    path = report.write(found, plan, busy)
    print(report.summary(found))
    print(f"written to {path} and latest.json beside it")
    missed = [target for comparison in found for target in comparison.targets if target.verdict != "pass"]
    return 1 if chosen.strict and missed else 0


def prepare() -> None:
    """Give both sides what they would have in service: bytecode, and none of a developer's switches."""
    for name in [name for name in os.environ if name.startswith("PYTHON") and name not in PYTHON_KEPT]:
        del os.environ[name]
    sys.dont_write_bytecode = False
    for folder in (Path(dragoman.__file__).parent, ROOT / "bench"):
        compileall.compile_dir(folder, quiet=2)


if __name__ == "__main__":
    sys.exit(main())
