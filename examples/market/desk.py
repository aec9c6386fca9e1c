"""What a desk asks for in the morning: a briefing and an outlook, put together from functions in six languages.

Asynchronous, so one worker has many calls in flight while the functions that it calls do the work.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any

from msgspec import Meta

from dragoman import Context, function


@dataclass(frozen=True)
class Brief:
    """One series in short: where it stands, where it has been, and the quarters that broke its pattern."""

    column: str
    last: float
    mean: float
    low: float
    high: float
    unusual_quarters: list[str]


@dataclass(frozen=True)
class Outlook:
    """One series since a year: its yearly growth with the interval that holds it, in percent, and a chart."""

    column: str
    quarters: int
    growth: float
    low: float
    high: float
    unusual_quarters: list[str]
    dollar_worth: Decimal
    chart: str


@function(idempotent=True, version="1.0.0")
async def briefing(columns: Annotated[list[str], Meta(min_length=1, max_length=12)], ctx: Context) -> list[Brief]:
    """Brief on several series at once.

    The figures come from `summary`, an awk script, the unusual quarters from `stats.anomalies`, a pandas function;
    both run at the same time.
    """
    done = 0

    async def brief(column: str) -> Brief:
        nonlocal done
        figures, unusual = await asyncio.gather(
            ctx.call("summary", column=column), ctx.call("stats.anomalies", column=column)
        )
        done += 1
        ctx.progress(done / len(columns), column)
        return _brief(column, figures, unusual)

    return list(await asyncio.gather(*(brief(column) for column in columns)))


def _brief(column: str, figures: dict[str, Any], unusual: list[dict[str, Any]]) -> Brief:
    return Brief(
        column=column,
        last=figures["last"],
        mean=figures["mean"],
        low=figures["min"],
        high=figures["max"],
        unusual_quarters=[each["quarter"] for each in unusual],
    )


@function(idempotent=True, version="1.0.0")
async def outlook(
    column: str, ctx: Context, since: Annotated[int, Meta(ge=1959, le=2008)] = 1990, locale: str = "en"
) -> Outlook:
    """One series since a year, through five languages.

    The quarters come from `series.between` (Go), what is unusual in them from `stats.anomalies` (Python, pandas), how
    sure their growth is from `risk.interval` (Rust), what a dollar of that year has become from `prices.adjusted`
    (Java), and the chart from `chart.line` (Node).
    """
    points, levels = await asyncio.gather(
        ctx.call("series.between", column=column, since=since), ctx.call("series.between", column="cpi", since=since)
    )
    ctx.progress(0.3, "read")
    growth = [400 * (after["value"] / before["value"] - 1) for before, after in pairwise(points)]
    unusual, interval, dollar = await asyncio.gather(
        ctx.call("stats.anomalies", column=column),
        ctx.call("risk.interval", values=growth, seed=since),
        ctx.call("prices.adjusted", amount="1.00", then=str(levels[0]["value"]), now=str(levels[-1]["value"])),
    )
    ctx.progress(0.8, "weighed")
    marked = [each["quarter"] for each in unusual if each["quarter"] >= points[0]["quarter"]]
    chart = await ctx.call("chart.line", title=column, points=points, marked=marked, locale=locale)
    return Outlook(
        column=column,
        quarters=len(points),
        growth=interval["mean"],
        low=interval["low"],
        high=interval["high"],
        unusual_quarters=marked,
        dollar_worth=Decimal(dollar["worth"]),
        chart=chart,
    )
