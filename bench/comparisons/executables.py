"""A process per call: `exec` mode beside starting and reaping the same program directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.called import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.outcome import Comparison, Plan

NAME = "exec"
SHARE = 5
"""A process takes a millisecond or so."""


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare, with a program that does nothing and with one that computes and prints."""
    for program, shown in (("true", "/bin/true"), ("awk", "an awk script")):
        names = {
            "dragoman.open, exec mode": f"{program}.open",
            "subprocess.run": f"{program}.run",
            "os.posix_spawn": f"{program}.posix",
        }
        calls = dict.fromkeys(names.values(), plan.calls // SHARE)
        found = compare(f"A process per call, {shown}", names, calls, plan)
        for peer in ("subprocess.run", "os.posix_spawn"):
            ratio = found.ratio("p50_us", "dragoman.open, exec mode", peer)
            found.aim(f"p50 over {peer} of the same program", ratio, "at most", 1.2)
        yield found
