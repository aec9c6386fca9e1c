"""Judges figures as they come in, one a message: is this one within what the quarters before it had led one to expect?

A plain Python file with nothing but the standard library: some microseconds a call, at home at the end of a queue.
"""

import csv
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from dragoman import Fault

WINDOW = 12
"""Quarters that an expectation is formed from."""
WIDTH = 3.0
"""So many standard deviations from what was to be expected, and a figure is unusual."""


@dataclass(frozen=True)
class Judgement:
    """A figure, and the band that it was expected in; null where too little was known before it."""

    column: str
    quarter: str
    value: float
    low: float | None
    high: float | None
    unusual: bool


def _load() -> tuple[dict[str, int], dict[str, list[float]]]:
    with Path(__file__).with_name("market.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    places = {f"{row['year']}Q{row['quarter']}": place for place, row in enumerate(rows)}
    names = [name for name in rows[0] if name not in {"year", "quarter"}]
    return places, {name: [float(row[name]) for row in rows] for name in names}


_PLACES, _SERIES = _load()


def judge(column: str, quarter: str, value: float) -> Judgement:
    """Whether a figure of a quarter is unusual, by how its series had moved in the three years before.

    Raises:
        Fault: NOT_FOUND, there is no such series or quarter.
    """
    series, place = _SERIES.get(column), _PLACES.get(quarter)
    if series is None or place is None:
        raise Fault.not_found(f"there is no {column!r} of {quarter!r}")
    if place <= WINDOW:
        return Judgement(column, quarter, value, None, None, unusual=False)
    before = series[place - WINDOW - 1 : place]
    steps = [after - earlier for earlier, after in pairwise(before)]
    middle = sum(steps) / WINDOW
    width = WIDTH * math.sqrt(sum((step - middle) ** 2 for step in steps) / (WINDOW - 1))
    expected = before[-1] + middle
    low, high = expected - width, expected + width
    return Judgement(column, quarter, value, low, high, not low <= value <= high)
