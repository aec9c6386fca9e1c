"""The market example's figures, checked against arithmetic that shares no code with it."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import math
import statistics
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

MARKET = Path(__file__).parents[2] / "examples" / "market"


@pytest.fixture(scope="module")
def stats() -> ModuleType:
    spec = importlib.util.spec_from_file_location("market_stats", MARKET / "stats.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["market_stats"] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (MARKET / "market.csv").open() as file:
        return list(csv.DictReader(file))


def series(rows: list[dict[str, str]], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


def awk(script: str, **values: object) -> subprocess.CompletedProcess[str]:
    given = [part for name, value in values.items() for part in ("-v", f"{name}={value}")]
    command = ["awk", *given, "-f", script, "market.csv"]
    return subprocess.run(command, cwd=MARKET, capture_output=True, text=True, timeout=10, check=False)


def expected_anomalies(values: list[float | None], window: int, k: float) -> list[tuple[int, float, float]]:
    found: list[tuple[int, float, float]] = []
    for position, value in enumerate(values):
        past = [each for each in values[max(position - window, 0) : position] if each is not None]
        if value is None or len(past) < window:
            continue
        mean, sigma = statistics.fmean(past), statistics.stdev(past)
        if not mean - k * sigma <= value <= mean + k * sigma:
            found.append((position, mean - k * sigma, mean + k * sigma))
    return found


def test_data_is_the_file_that_its_provenance_names() -> None:
    digest = hashlib.sha256((MARKET / "market.csv").read_bytes()).hexdigest()
    assert f"`{digest}`" in (MARKET / "DATA.md").read_text()


def test_columns_offered_are_the_columns_of_the_file(stats: ModuleType, rows: list[dict[str, str]]) -> None:
    assert list(stats.Column.__args__) == [name for name in rows[0] if name not in {"year", "quarter"}]


def test_correlation_is_pearsons(stats: ModuleType, rows: list[dict[str, str]]) -> None:
    columns = ["realgdp", "unemp", "tbilrate"]
    matrix = stats.correlation(columns)
    for i, first in enumerate(columns):
        for j, second in enumerate(columns):
            expected = statistics.correlation(series(rows, first), series(rows, second))
            assert matrix[i][j] == pytest.approx(expected, abs=1e-12)


def test_correlation_of_a_series_with_itself_is_one(stats: ModuleType) -> None:
    assert stats.correlation(["cpi", "cpi"]) == [[pytest.approx(1)] * 2] * 2


def test_zscore_has_mean_zero_and_sample_deviation_one(stats: ModuleType) -> None:
    values = [each.value for each in stats.normalise("unemp")]
    assert statistics.fmean(values) == pytest.approx(0, abs=1e-12)
    assert statistics.stdev(values) == pytest.approx(1)


def test_minmax_runs_from_zero_to_one(stats: ModuleType, rows: list[dict[str, str]]) -> None:
    values = [each.value for each in stats.normalise("cpi", "minmax")]
    raw = series(rows, "cpi")
    assert (min(values), max(values)) == (0, 1)
    assert values.index(1) == raw.index(max(raw))


def test_index_starts_at_a_hundred_and_names_quarters(stats: ModuleType, rows: list[dict[str, str]]) -> None:
    observations = stats.normalise("cpi", "index")
    raw = series(rows, "cpi")
    assert (observations[0].quarter, observations[0].value) == ("1959Q1", 100)
    assert observations[-1].quarter == "2009Q3"
    assert observations[-1].value == pytest.approx(raw[-1] / raw[0] * 100)


def test_index_of_a_series_that_begins_at_zero_is_refused(stats: ModuleType) -> None:
    with pytest.raises(ValueError, match="infl begins at 0"):
        stats.normalise("infl", "index")


@pytest.mark.parametrize(("column", "window", "k"), [("cpi", 12, 2.0), ("unemp", 8, 2.0), ("realgdp", 20, 2.5)])
def test_level_anomalies_lie_outside_the_band_of_the_past(
    stats: ModuleType, rows: list[dict[str, str]], column: str, window: int, k: float
) -> None:
    found = stats.anomalies(column, window, k, "level")
    values = series(rows, column)
    expected = expected_anomalies(list(values), window, k)
    assert expected
    assert [each.value for each in found] == [values[position] for position, _, _ in expected]
    for anomaly, (_, low, high) in zip(found, expected, strict=True):
        assert (anomaly.low, anomaly.high) == (pytest.approx(low, rel=1e-6), pytest.approx(high, rel=1e-6))


def test_change_anomalies_are_of_percentages(stats: ModuleType, rows: list[dict[str, str]]) -> None:
    values = series(rows, "cpi")
    changes = [None, *((now / before - 1) * 100 for before, now in pairwise(values))]
    found = stats.anomalies("cpi")
    expected = expected_anomalies(changes, 12, 3.0)
    assert [each.value for each in found] == [pytest.approx(changes[position]) for position, _, _ in expected]
    assert "2008Q4" in [each.quarter for each in found], "the fall of prices after the banks failed"


def test_change_anomalies_of_a_rate_are_in_points(stats: ModuleType, rows: list[dict[str, str]]) -> None:
    values = series(rows, "infl")
    found = stats.anomalies("infl", 12, 2.0)
    assert found
    changes = [round(now - before, 6) for before, now in pairwise(values)]
    assert all(round(each.value, 6) in changes for each in found)


def test_report_streams_a_line_a_year(stats: ModuleType, rows: list[dict[str, str]]) -> None:
    lines = list(stats.report("cpi"))
    assert [line.year for line in lines] == list(range(1959, 2010))
    last = [float(row["cpi"]) for row in rows if row["year"] == "2009"]
    before = [float(row["cpi"]) for row in rows if row["year"] == "2008"]
    assert (lines[-1].quarters, lines[-1].low, lines[-1].high) == (3, min(last), max(last))
    assert lines[-1].mean == pytest.approx(statistics.fmean(last))
    assert lines[-1].change == pytest.approx((statistics.fmean(last) / statistics.fmean(before) - 1) * 100)
    assert lines[0].change is None


def test_report_of_some_years_still_knows_the_year_before(stats: ModuleType) -> None:
    assert list(stats.report("unemp", 2000, 2001)) == list(stats.report("unemp"))[41:43]


def test_report_of_years_the_wrong_way_round_is_refused(stats: ModuleType) -> None:
    with pytest.raises(ValueError, match="2001 is after"):
        list(stats.report("cpi", 2001, 2000))


@pytest.mark.parametrize("column", ["cpi", "realint", "pop"])
def test_summary_in_awk_agrees_with_python(rows: list[dict[str, str]], column: str) -> None:
    answer: dict[str, Any] = json.loads(awk("summary.awk", column=column).stdout)
    values = series(rows, column)
    assert (answer["column"], answer["count"]) == (column, len(values))
    assert (answer["first"], answer["last"]) == (values[0], values[-1])
    assert (answer["min"], answer["max"]) == (min(values), max(values))
    assert math.isclose(answer["mean"], statistics.fmean(values), rel_tol=1e-9)
    assert math.isclose(answer["sd"], statistics.stdev(values), rel_tol=1e-9)


def test_rows_in_awk_are_a_json_object_a_line(rows: list[dict[str, str]]) -> None:
    lines = [json.loads(line) for line in awk("rows.awk", column="unemp", since=2008).stdout.splitlines()]
    chosen = [row for row in rows if int(row["year"]) >= 2008]
    assert lines == [{"quarter": f"{row['year']}Q{row['quarter']}", "value": float(row["unemp"])} for row in chosen]


@pytest.mark.parametrize("script", ["summary.awk", "rows.awk"])
def test_a_column_that_is_not_there_is_an_exit_code_and_a_reason(script: str) -> None:
    done = awk(script, column="gold", since=2000)
    assert done.returncode == 2
    assert done.stdout == ""
    assert 'no column "gold" in market.csv' in done.stderr
