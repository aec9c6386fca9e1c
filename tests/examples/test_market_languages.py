"""The market example as a whole: its functions in Go, Rust, Java and Node, and the one that calls through them."""

from __future__ import annotations

import csv
import io
import shutil
import statistics
import subprocess
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

import dragoman
from dragoman.core.fault import InvalidArgument, NotFound, OutOfRange
from examples.demo.pipeline import build, collect
from examples.demo.server import free_port, own_environment, serving
from tests.valkey import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.host.blocking import BlockingProject

MARKET = Path(__file__).parents[2] / "examples" / "market"
SVG = "{http://www.w3.org/2000/svg}"

# The first build compiles what the Rust functions depend on.
pytestmark = [*(pytest.mark.needs(tool) for tool in ("go", "cargo", "javac", "node")), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingProject]:
    folder = tmp_path_factory.mktemp("market")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DRAGOMAN_TASKS_URL", f"sqlite:{folder}/tasks.db")
        with dragoman.open(MARKET) as project:
            yield project


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (MARKET / "market.csv").open() as file:
        return list(csv.DictReader(file))


def points(rows: list[dict[str, str]], column: str, since: int, until: int) -> list[dict[str, Any]]:
    within = (row for row in rows if since <= int(row["year"]) <= until)
    return [{"quarter": f"{row['year']}Q{row['quarter']}", "value": float(row[column])} for row in within]


@pytest.mark.parametrize(("since", "until"), [(1959, 2009), (2000, 2000), (1990, 2009), (1900, 1960)])
def test_go_cuts_out_a_span(market: BlockingProject, rows: list[dict[str, str]], since: int, until: int) -> None:
    expected = points(rows, "cpi", since, until)
    assert market.series.between(column="cpi", since=since, until=until) == expected
    assert list(market.series.each(column="cpi", since=since, until=until)) == expected


def test_go_names_what_is_not_there(market: BlockingProject) -> None:
    with pytest.raises(NotFound, match="gold"):
        market.series.between(column="gold")
    with pytest.raises(OutOfRange, match="1959Q1 to 2009Q3"):
        market.series.between(column="cpi", since=2010)


def test_rust_weighs_a_mean(market: BlockingProject) -> None:
    values = [float(each * 37 % 101) for each in range(101)]
    asked: dict[str, Any] = {"values": values, "block": 1, "draws": 20_000, "seed": 2**63}
    found = market.risk.interval(**asked)
    half = 1.96 * statistics.pstdev(values) / len(values) ** 0.5
    assert found["mean"] == pytest.approx(50)
    assert found["low"] == pytest.approx(50 - half, abs=0.1 * half)
    assert found["high"] == pytest.approx(50 + half, abs=0.1 * half)
    assert market.risk.interval(**asked) == found
    with pytest.raises(InvalidArgument, match="/values"):
        market.risk.interval(values=[1.0])


def test_java_is_right_to_the_cent(market: BlockingProject) -> None:
    factor = Decimal("216.4") / Decimal("127.5")
    amounts = [Decimal("99.95"), Decimal("0.05"), Decimal("12345678901234567890.12")]
    worth = [(each * factor).quantize(Decimal("0.01"), ROUND_HALF_EVEN) for each in amounts[:2]]
    for amount, expected in zip(amounts, worth, strict=False):
        found = market.prices.adjusted(amount=str(amount), then="127.5", now="216.4")
        assert found == {"worth": str(expected), "growth": "69.7"}
    assert market.prices.total(amounts=["99.95", "0.05"], then="127.5", now="216.4") == str(sum(worth))
    exact = market.prices.total(amounts=[str(amounts[2])] * 3, then="2", now="2")
    assert exact == str(amounts[2] * 3)
    with pytest.raises(InvalidArgument, match="positive"):
        market.prices.adjusted(amount="1", then="0", now="1")


def test_node_draws_a_line(market: BlockingProject, rows: list[dict[str, str]]) -> None:
    drawn = points(rows, "cpi", 2000, 2001)
    svg = market.chart.line(title="<cpi> & more", points=drawn, marked=["2001Q2"], locale="de")
    root = ET.fromstring(svg)
    (line,) = root.iter(f"{SVG}polyline")
    assert len(line.attrib["points"].split()) == len(drawn)
    (title,) = (each.text for each in root.iter(f"{SVG}title"))
    assert title == f"2001Q2: {drawn[5]['value']:.1f}".replace(".", ",")
    assert next(root.iter(f"{SVG}text")).text == "<cpi> & more"
    with pytest.raises(InvalidArgument, match="klingon_0"):
        market.chart.line(title="", points=drawn, locale="klingon_0")


def test_an_outlook_goes_through_all_of_them(market: BlockingProject, rows: list[dict[str, str]]) -> None:
    outlook = market.desk.outlook(column="realgdp", since=1990, locale="de")
    values = [each["value"] for each in points(rows, "realgdp", 1990, 2009)]
    prices = [Decimal(row["cpi"]) for row in rows if int(row["year"]) >= 1990]
    growth = statistics.fmean(400 * (after / before - 1) for before, after in pairwise(values))
    assert outlook["quarters"] == len(values)
    assert outlook["growth"] == pytest.approx(growth)
    assert outlook["low"] < growth < outlook["high"]
    assert Decimal(outlook["dollar_worth"]) == (prices[-1] / prices[0]).quantize(Decimal("0.01"))
    assert [each.text for each in ET.fromstring(outlook["chart"]).iter(f"{SVG}title")] != []
    with pytest.raises(NotFound, match="there is no series"):
        market.desk.outlook(column="gold")


def test_what_the_go_program_sends_is_judged_and_comes_back(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    valkey, console = Server(), Console(file=io.StringIO())
    try:
        environment = own_environment(tmp_path, valkey.url)
        with serving(free_port(), environment, console) as missing, valkey.client() as client:
            assert missing == {}
            client.xadd("market.figures", {"body": '{"column": "gold", "quarter": "2008Q4", "value": 1}'})
            sent = subprocess.run(
                [build(tmp_path)], cwd=MARKET, env=environment, capture_output=True, text=True, timeout=60, check=True
            )
            expected = {f"{column}/{row['year']}Q{row['quarter']}" for row in rows for column in list(row)[2:]}
            assert sent.stdout.startswith(f"sent {len(expected)} messages to market.figures")
            judged = dict(collect(client, len(expected)))
            assert judged.keys() == expected
            assert judged["cpi/2008Q4"]["unusual"]
            assert judged["cpi/2008Q4"]["value"] < judged["cpi/2008Q4"]["low"]
            ((_, dead),) = client.xrange("figures.dead")
            assert dead[b"dragoman-code"] == b"NOT_FOUND"
    finally:
        valkey.close()


@pytest.mark.parametrize("package", ["feed", "series"])
def test_their_own_tests_pass(tmp_path: Path, package: str) -> None:
    copied = tmp_path / package
    shutil.copytree(MARKET / package, copied)
    sdk = Path(dragoman.__file__).parent / "sdk" / "go"
    (tmp_path / "go.work").write_text(f"go 1.23\nuse (\n\t./{package}\n\t{sdk.resolve()}\n)\n")
    ran = subprocess.run(["go", "test", "./..."], cwd=copied, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
