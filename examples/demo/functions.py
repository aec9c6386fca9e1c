"""Every function of the example, called once to show its answer, then again and again to show how fast it answers."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from examples.demo.server import TOOL_MISSING, get
from examples.demo.speed import ANSWER_S_MAX, measure, request

if TYPE_CHECKING:
    from rich.console import Console

ANSWER_CHARACTERS_MAX = 60

CALLS: dict[str, dict[str, Any]] = {
    "stats.correlation": {"columns": ["realgdp", "realcons", "unemp"]},
    "stats.normalise": {"column": "cpi", "method": "index"},
    "stats.anomalies": {"column": "cpi", "window": 12, "k": 3},
    "stats.report": {"column": "unemp", "first_year": 2005},
    "reports.leads": {"columns": ["realgdp", "unemp", "cpi"], "draws": 100},
    "watch.judge": {"column": "cpi", "quarter": "2008Q4", "value": 212.7},
    "summary": {"column": "tbilrate"},
    "rows": {"column": "unemp", "since": 2008},
    "series.between": {"column": "cpi", "since": 2005},
    "series.each": {"column": "unemp", "since": 2009},
    "risk.interval": {"values": [2.1, 3.4, -0.2, 1.8, 2.6, 4.0, 0.3, 2.2]},
    "prices.adjusted": {"amount": "99.95", "then": "127.5", "now": "216.4"},
    "prices.total": {"amounts": ["99.95", "0.05"], "then": "127.5", "now": "216.4"},
    "chart.line": {
        "title": "cpi",
        "points": [{"quarter": "2009Q1", "value": 212.7}, {"quarter": "2009Q2", "value": 214}],
    },
    "desk.briefing": {"columns": ["realgdp", "cpi", "unemp"]},
    "desk.outlook": {"column": "realgdp", "since": 2000, "locale": "de"},
}
"""What each function is asked."""


@dataclass(frozen=True)
class Answer:
    """What a function said: the beginning of it, whether it is kept for whoever asks next, and the limit on asking."""

    text: str
    kept: bool
    limit: str


class CallFailedError(OSError):
    """A call that failed, with the fault's own words."""


def call(port: int, function: str, *, streaming: bool) -> Answer:
    """Call once and give the answer, shortened. Raises `OSError`."""
    headers = {"Content-Type": "application/json", "Accept": "application/jsonl" if streaming else "application/json"}
    url = f"http://127.0.0.1:{port}/v1/call/{function}"
    post = urllib.request.Request(url, json.dumps(CALLS[function]).encode(), headers)
    try:
        with urllib.request.urlopen(post, timeout=ANSWER_S_MAX) as answer:
            said = answer.headers
            return Answer(short(answer.read().decode()), "ETag" in said, said.get("RateLimit-Policy", ""))
    except urllib.error.HTTPError as error:
        raise CallFailedError(json.loads(error.read())["detail"]) from None


def short(answer: str) -> str:
    """The beginning of an answer, on one line, numbers to four places."""
    line = " ".join(answer.split("\n")).strip()
    line = re.sub(r"(\d+\.\d{4})\d+", r"\1", line)
    return line if len(line) <= ANSWER_CHARACTERS_MAX else line[: ANSWER_CHARACTERS_MAX - 1] + "…"


def show(port: int, console: Console, missing: dict[str, str]) -> bool:
    """Call everything and print the table; False where anything failed that this machine has the tools for."""
    table = Table("function", "language", "mode", "answer", title="Dragoman, examples/market")
    for column in ("p50", "calls/s", "kept: p50", "calls/s"):
        table.add_column(column, justify="right")
    well = True
    for contract in json.loads(get(port, "/v1/functions"))["functions"]:
        name, streaming = contract["name"], contract["streaming"]
        if name not in CALLS:
            table.add_row(name, contract["language"], contract["mode"], "(no example call)")
            continue
        with console.status(f"calling {name}"):
            try:
                answer = call(port, name, streaming=streaming)
                figures = speeds(port, name, answer, streaming=streaming)
            except (OSError, RuntimeError, TimeoutError) as error:
                lacking = [each for each, reason in missing.items() if reason in str(error)]
                said = f"needs {', '.join(lacking)}" if lacking else f"failed: {error}"
                table.add_row(name, contract["language"], contract["mode"], said)
                well = well and bool(lacking)
                continue
        table.add_row(name, contract["language"], contract["mode"], answer.text, *figures)
    console.print(table)
    for name, reason in missing.items():
        console.print(f"{name} is left out: {reason}", markup=False)
    return well and all(TOOL_MISSING in reason for reason in missing.values())


def speeds(port: int, function: str, answer: Answer, *, streaming: bool) -> list[str]:
    """How fast a function answers, and how fast where its answer is kept. Raises `OSError`, `RuntimeError`."""
    if answer.limit:
        return ["limited", "by rate"]  # to measure it is what its limit is against
    accept = {"Accept": "application/jsonl" if streaming else "application/json"}
    computed = {"Cache-Control": "no-cache"}  # the function runs each time, whatever is kept
    wanted = [accept | computed, accept] if answer.kept else [accept | computed]
    found = [asyncio.run(measure(port, request(function, CALLS[function], headers))) for headers in wanted]
    return [figure for speed in found for figure in (f"{speed.p50_s * 1e3:.2f} ms", f"{speed.rate_s:,.0f}")]
