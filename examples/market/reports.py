"""The long report: which series of an economy lead which others, and by how much, weighed against chance.

It computes for seconds or minutes, so it is called as a task, and says how far it is. It may be run twice without harm,
as a task may be: it changes nothing outside of itself, and chance comes from `seed`, so that whoever runs it again gets
the same report. It may be stopped at any time: a step takes milliseconds.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from msgspec import Meta

from dragoman import Context, function

Column = Literal[
    "realgdp",
    "realcons",
    "realinv",
    "realgovt",
    "realdpi",
    "cpi",
    "m1",
    "tbilrate",
    "unemp",
    "pop",
    "infl",
    "realint",
]
ALL: tuple[Column, ...] = Column.__args__
RATES = frozenset({"tbilrate", "unemp", "infl", "realint"})
"""Series in percent: they change by points, all others by a share of themselves."""
BLOCK = 8
"""Quarters that are drawn together: two years, so that what is drawn has the series' own ups and downs."""
DRAWN_AT_ONCE = 500
DOUBT = 0.05
"""A lead that chance explains more often than this is none."""


@dataclass(frozen=True)
class Lead:
    """`leader` moves, and `quarters` later so does `follower`; in the same quarter where that is 0.

    `doubt` is how often chance alone would show as much somewhere among all the pairs that were looked at.
    """

    leader: str
    follower: str
    quarters: int
    correlation: float
    doubt: float


@dataclass(frozen=True)
class Report:
    """What was looked at, the leads that chance does not explain, the clearest first, and all of it as Markdown."""

    first_quarter: str
    last_quarter: str
    pairs: int
    draws: int
    leads: list[Lead]
    text: str


def _load() -> pd.DataFrame:
    """How each series changed from quarter to quarter. The first has no quarter before it, nor has its inflation."""
    frame = pd.read_csv(Path(__file__).with_name("market.csv"))
    frame.index = pd.Index(frame["year"].astype(str) + "Q" + frame["quarter"].astype(str))
    changes = {name: frame[name].diff() if name in RATES else np.log(frame[name]).diff() for name in ALL}
    return pd.DataFrame(changes).iloc[2:]


_CHANGES = _load()


@function(idempotent=True, version="1.0.0")
def leads(
    ctx: Context,
    columns: Annotated[list[Column] | None, Meta(min_length=2, max_length=12)] = None,
    lags: Annotated[int, Meta(ge=1, le=20)] = 8,
    draws: Annotated[int, Meta(ge=100, le=1_000_000)] = 10_000,
    seed: Annotated[int, Meta(ge=0, le=2**32)] = 2009,
) -> Report:
    """Which series lead which: every pair, at every distance up to `lags` quarters, against chance.

    How closely two series move together is their cross-correlation at its strongest. Chance is what is left when the
    one is put together anew from random blocks of its past, `draws` times, so that it is as it was but knows nothing of
    the other. The more pairs are looked at, the more a pair must show (Holm's method).
    """
    chosen = list(dict.fromkeys(columns or ALL))
    pairs = list(combinations(chosen, 2))
    found: list[Lead] = []
    for number, (one, other) in enumerate(pairs):
        ctx.progress(number / len(pairs), f"{one} and {other}")
        rng = np.random.default_rng([seed, ALL.index(one), ALL.index(other)])
        lead = _weigh(one, other, lags, draws, rng)
        if lead.doubt * len(pairs) < DOUBT:  # clear already, whatever the others show
            print(_sentence(lead))
        found.append(lead)
    ctx.progress(1.0, "written")
    clear = [each for each in _held(found) if each.doubt < DOUBT]
    clear.sort(key=lambda each: (each.doubt, -abs(each.correlation)))
    first, last = str(_CHANGES.index[0]), str(_CHANGES.index[-1])
    text = _written(clear, f"{len(pairs)} pairs of series, {first} to {last}, {draws} draws each")
    return Report(first, last, len(pairs), draws, clear, text)


def _weigh(one: str, other: str, lags: int, draws: int, rng: np.random.Generator) -> Lead:
    """How two series move together at their best distance, and how often chance does as well."""
    ones, others = _standard(_CHANGES[one].to_numpy()), _standard(_CHANGES[other].to_numpy())
    shifted = _shifted(others, lags)
    seen = ones @ shifted
    best = int(np.abs(seen).argmax())
    as_much, left = 0, draws
    while left > 0:
        strongest = np.abs(_drawn(ones, min(left, DRAWN_AT_ONCE), rng) @ shifted).max(axis=1)
        as_much += int((strongest >= abs(seen[best])).sum())
        left -= DRAWN_AT_ONCE
    quarters = best - lags
    leader, follower = (one, other) if quarters >= 0 else (other, one)
    return Lead(leader, follower, abs(quarters), round(float(seen[best]), 3), (as_much + 1) / (draws + 1))


def _standard(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).sum(axis=-1, keepdims=True))


def _shifted(values: np.ndarray, lags: int) -> np.ndarray:
    """A column for each distance from -lags to lags: the values so many quarters later, 0 past the ends."""
    padded = np.pad(values, lags)
    return np.stack([padded[start : start + len(values)] for start in range(2 * lags + 1)], axis=1)


def _drawn(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Series of the same length, each put together from random blocks of one."""
    blocks = -(-len(values) // BLOCK)
    starts = rng.integers(0, len(values), (count, blocks, 1))
    places = (starts + np.arange(BLOCK)) % len(values)
    return _standard(values[places.reshape(count, -1)[:, : len(values)]])


def _held(found: list[Lead]) -> list[Lead]:
    """Each with the doubt that is left when so many were looked at: Holm's method."""
    held: list[Lead] = []
    worst = 0.0
    for rank, lead in enumerate(sorted(found, key=lambda each: each.doubt)):
        worst = max(worst, min(1.0, lead.doubt * (len(found) - rank)))
        held.append(Lead(lead.leader, lead.follower, lead.quarters, lead.correlation, round(worst, 4)))
    return held


def _sentence(lead: Lead) -> str:
    way = "with" if lead.correlation > 0 else "against"
    if lead.quarters == 0:
        return f"{lead.leader} moves {way} {lead.follower} ({lead.correlation:+.2f})"
    ahead = f"{lead.quarters} quarter{'s' if lead.quarters > 1 else ''} ahead"
    return f"{lead.leader} moves {ahead} of {lead.follower}, {way} it ({lead.correlation:+.2f})"


def _written(clear: list[Lead], about: str) -> str:
    lines = [f"- {_sentence(each)}, doubt {each.doubt:.2%}" for each in clear]
    return "\n".join(["# What leads what", "", about, "", *(lines or ["Nothing that chance does not explain."]), ""])
