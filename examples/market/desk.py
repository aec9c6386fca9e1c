"""What a desk asks for in the morning: one briefing, put together from functions in two languages.

Asynchronous, so one worker has many briefings in flight while the functions that it calls do the work.
"""

import asyncio
from dataclasses import dataclass
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
