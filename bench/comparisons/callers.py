"""Programs in Go, Rust, Node and Java that call a warm Python function, in the ways that people have for it."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import TYPE_CHECKING

from bench import foreign
from bench.contest import FAILURES, contest
from bench.outcome import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contest import Contestant
    from bench.outcome import Plan

NAME = "callers"
OURS, BARE = foreign.TALES["dragoman"], foreign.TALES["ping"]
SLOW = frozenset({"pythonia"})
SLOW_SHARE = 10
"""What takes some ten times as long is called a tenth as often."""
NOTES = {"Go": "pyproc was not measured: its Go module is not on the Go module proxy"}


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare, language by language."""
    for language, ways in foreign.WAYS.items():
        found = Comparison(f"A {language} program calls a warm Python function, a text of 89 characters")
        try:
            command = foreign.build(language)
        except (*FAILURES, subprocess.SubprocessError) as error:
            found.notes.append(f"{language} was not measured: {error}")
            yield found
            continue
        contestants: dict[str, Contestant] = {
            foreign.TALES[way]: partial(
                foreign.contestant, command, way, plan.calls // (SLOW_SHARE if way in SLOW else 1)
            )
            for way in ways
        }
        contest(found, contestants, plan.turns)
        for figure, where in (("p50_us", ""), ("pinned_p50_us", ", everything on one core")):
            found.aim(f"p50 over a bare ping-pong{where}", found.ratio(figure, OURS, BARE), "at most", 2.5)
            for way in ways[2:]:
                peer = foreign.TALES[way]
                found.aim(f"p50 over {peer}{where}", found.ratio(figure, OURS, peer), "at most", 1)
        if language in NOTES:
            found.notes.append(NOTES[language])
        yield found
