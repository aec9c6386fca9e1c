"""Each layer's own cost on a call that goes well, beside what others ask for the same."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from bench import layered
from bench.contest import contest
from bench.outcome import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from bench.contest import Contestant, Turn
    from bench.outcome import Plan

NAME = "layers"
SHARE = 4
"""A round of ours has so many calls for each of the plan's: they take less than a microsecond."""


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure all in turns, then compare each of ours with those that do the same."""
    contestants: dict[str, Contestant] = {
        name: partial(_contestant, partial(layered.own_us, make, plan.calls * SHARE))
        for name, make in layered.OURS.items()
    }
    contestants[layered.KEPT] = partial(_contestant, partial(layered.kept_us, plan.calls * SHARE))
    contestants[layered.GATHERED] = partial(_contestant, partial(layered.gathered_us, plan.calls * SHARE))
    contestants[layered.GUARDED] = partial(_contestant, partial(layered.peer_us, layered.guarded, plan.calls))
    for layer, peers in layered.PEERS.items():
        for peer, wrap in peers.items():
            contestants[called(layer, peer)] = partial(_contestant, partial(layered.peer_us, wrap, plan.calls))
    found = contest(Comparison("Each layer's own cost on a call that goes well"), contestants, plan.turns)
    for layer, peers in layered.PEERS.items():
        for peer in peers:
            found.aim(f"{layer} over {peer}", found.ratio("own_us", layer, called(layer, peer)), "at most", 1)
    found.notes.append("pybreaker knows no asyncio: it guards the making of a coroutine, and would not see it fail")
    yield found


def called(layer: str, peer: str) -> str:
    """The name of a peer's row: what it does, and whose it is."""
    return f"{layer}: {peer}"


@contextlib.contextmanager
def _contestant(measure: Callable[[], float]) -> Generator[Turn]:
    yield lambda: {"own_us": measure()}
