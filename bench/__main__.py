"""Run the comparisons: `python -m bench [--quick] [--only NAME …]`."""

from __future__ import annotations

import argparse
import os
import sys

from bench import report
from bench.comparisons import executables, flatness, http_calls, large_bodies, local_calls, startup
from bench.outcome import Comparison, Plan
from bench.servers import ROOT

COMPARISONS = {
    module.NAME: module for module in (http_calls, local_calls, large_bodies, executables, startup, flatness)
}
THOROUGH = Plan(turns=5, seconds=3, calls=5000, quick=False)
QUICK = Plan(turns=2, seconds=1, calls=1000, quick=True)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the report; 1 with `--strict` where a target was missed or not measured."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure Dragoman beside its peers, in one run.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns: a first look, not a result")
    parser.add_argument("--only", action="append", choices=COMPARISONS, metavar="NAME", help=", ".join(COMPARISONS))
    parser.add_argument("--strict", action="store_true", help="fail where a target is missed or not measured")
    chosen = parser.parse_args(arguments)
    plan = QUICK if chosen.quick else THOROUGH
    os.chdir(ROOT)
    found: list[Comparison] = []
    for name in chosen.only or COMPARISONS:
        for comparison in COMPARISONS[name].run(plan):
            print(report.section(comparison), flush=True)
            found.append(comparison)
    print(f"written to {report.write(found, plan)} and latest.json beside it")
    missed = [target for comparison in found for target in comparison.targets if target.verdict != "pass"]
    return 1 if chosen.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
