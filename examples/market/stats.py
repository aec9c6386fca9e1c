"""Figures over fifty years of the US economy: correlation, normalisation, anomalies and a streamed report.

A plain Python file: it imports nothing of Dragoman. Every public, annotated function below is callable as it stands;
the annotations are its contract, the docstring its description.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from msgspec import Meta

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
RATES = frozenset({"tbilrate", "unemp", "infl", "realint"})
"""Series in percent: they change by points, as a share of a rate near zero says nothing."""

Window = Annotated[int, Meta(ge=2, le=100)]
Width = Annotated[float, Meta(gt=0, le=10)]


@dataclass(frozen=True)
class Observation:
    """One value of a series; `quarter` reads like `2008Q4`."""

    quarter: str
    value: float


@dataclass(frozen=True)
class Anomaly:
    """A value outside the band that the quarters before it had led one to expect."""

    quarter: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Year:
    """One line of the report; `change` is against the mean of the year before, null in the first year of all.

    It is in percent, and in percentage points where the series is itself a rate.
    """

    year: int
    quarters: int
    low: float
    mean: float
    high: float
    change: float | None


def _load() -> pd.DataFrame:
    frame = pd.read_csv(Path(__file__).with_name("market.csv"))
    frame.index = pd.Index(frame["year"].astype(str) + "Q" + frame["quarter"].astype(str))
    return frame


_MARKET = _load()


def correlation(columns: Annotated[list[Column], Meta(min_length=2, max_length=12)]) -> list[list[float]]:
    """Pearson's correlation of every column with every other, as a symmetric matrix in the order asked for."""
    return _MARKET[list(columns)].corr().to_numpy().tolist()


def normalise(column: Column, method: Literal["zscore", "minmax", "index"] = "zscore") -> list[Observation]:
    """Put a series on a scale of its own.

    `zscore` is the distance from the mean in sample standard deviations, `minmax` runs from 0 to 1, `index` starts
    at 100 in the first quarter.

    Raises:
        ValueError: `index` of a series whose first value is 0.
    """
    series = _MARKET[column]
    if method == "zscore":
        scaled = (series - series.mean()) / series.std()
    elif method == "minmax":
        scaled = (series - series.min()) / (series.max() - series.min())
    elif series.iloc[0] == 0:
        message = f"{column} begins at 0, which cannot be set to 100; choose zscore or minmax"
        raise ValueError(message)
    else:
        scaled = series / series.iloc[0] * 100
    return [Observation(quarter, value) for quarter, value in zip(scaled.index, scaled.tolist(), strict=True)]


def anomalies(
    column: Column, window: Window = 12, k: Width = 3.0, of: Literal["level", "change"] = "change"
) -> list[Anomaly]:
    """Quarters whose value lies outside mean ± k·sigma of the `window` quarters before them.

    The band is taken from the past alone, so an outlier does not widen the band that it is judged by. `change` looks
    at the change from quarter to quarter, in percent (in points where the series is a rate), `level` at the values.
    """
    series = _MARKET[column]
    if of == "change":
        series = series.diff() if column in RATES else series.pct_change() * 100
    past = series.shift(1).rolling(window)
    middle, sigma = past.mean(), past.std()
    frame = pd.DataFrame({"value": series, "low": middle - k * sigma, "high": middle + k * sigma})
    outside = frame[(frame["value"] < frame["low"]) | (frame["value"] > frame["high"])]
    return [Anomaly(quarter, *row) for quarter, row in zip(outside.index, outside.to_numpy().tolist(), strict=True)]


def report(column: Column, first_year: int = 1959, last_year: int = 2009) -> Iterator[Year]:
    """Summarise a series year by year; each line is sent as soon as it is computed.

    Raises:
        ValueError: the years are the wrong way round.
    """
    if first_year > last_year:
        message = f"first_year {first_year} is after last_year {last_year}"
        raise ValueError(message)
    before: float | None = None
    for year, rows in _MARKET.groupby("year"):
        values = rows[column]
        mean = float(values.mean())
        if first_year <= int(str(year)) <= last_year:
            yield Year(
                year=int(str(year)),
                quarters=len(values),
                low=float(values.min()),
                mean=mean,
                high=float(values.max()),
                change=None if before is None else _change(column, before, mean),
            )
        before = mean


def _change(column: Column, before: float, now: float) -> float:
    return now - before if column in RATES else (now / before - 1) * 100
