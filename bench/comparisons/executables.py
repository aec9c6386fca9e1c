"""A process per call: `exec` mode beside starting and reaping the same program directly.

What each side does with a call:

- `dragoman.open`: asks a warm worker over its socket; the worker starts the program in a session of its own, watches
  its end, its deadline and the host, captures stdout and the tail of stderr, sweeps up what the program left behind,
  and answers.
- `subprocess.run(capture_output=True)`: starts it, captures stdout and stderr, reaps it: what a Python program would
  do in its place, and the peer of the target.
- `os.posix_spawn` with a pipe: starts it, reads stdout to its end, reaps it; stderr goes to /dev/null. No deadline.
- `os.posix_spawn` and `waitpid`: starts it and reaps it; everything it prints goes to /dev/null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.called import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.outcome import Comparison, Plan

NAME = "exec"
OURS = "dragoman.open, exec mode"
CAPTURED = "subprocess.run, capture_output"
PIPED = "os.posix_spawn, stdout read"
BARE = "os.posix_spawn, waitpid"
SHARE = 5
"""A process takes a millisecond or so."""


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare, with a program that does nothing and with one that computes and prints."""
    for program, shown in (("true", "/bin/true"), ("awk", "an awk script")):
        names = {
            OURS: f"{program}.open",
            CAPTURED: f"{program}.run",
            PIPED: f"{program}.posix",
            BARE: f"{program}.bare",
        }
        calls = dict.fromkeys(names.values(), plan.calls // SHARE)
        found = compare(f"A process per call, {shown}", names, calls, plan)
        for figure, where in (("p50_us", ""), ("pinned_p50_us", ", everything on one core")):
            found.aim(f"p50 over {CAPTURED}{where}", found.ratio(figure, OURS, CAPTURED), "at most", 1.2)
        for peer in (PIPED, BARE):
            if ratio := found.ratio("p50_us", OURS, peer):
                found.notes.append(f"p50 over {peer}, which does less than is asked of both: {ratio:.2f}")
        yield found
