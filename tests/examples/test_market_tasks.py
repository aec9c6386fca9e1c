"""The market example's long report, its schedule and what judges its messages: figures, and what a task promises."""

from __future__ import annotations

import csv
import importlib.util
import os
import signal
import statistics
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psutil
import pytest

import dragoman
from dragoman.config.load import load
from dragoman.host.blocking import BlockingProject
from dragoman.tasks.task import US

MARKET = Path(__file__).parents[2] / "examples" / "market"
SHORT: dict[str, Any] = {"columns": ["realgdp", "unemp", "cpi"], "draws": 400}


class Told:
    """The context of a call: what was told of its progress."""

    def __init__(self) -> None:
        self.progress_told: list[tuple[float, str]] = []

    def progress(self, share: float, message: str = "") -> None:
        self.progress_told.append((share, message))


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"market_{name}", MARKET / f"{name}.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look their module up by name
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def reports() -> ModuleType:
    return module("reports")


@pytest.fixture(scope="module")
def watch() -> ModuleType:
    return module("watch")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlockingProject]:
    """The report hosted by itself, which takes no other language's tools; its tasks go with the test."""
    monkeypatch.setenv("DRAGOMAN_TASKS_URL", f"sqlite:{tmp_path}/tasks.db")
    (tmp_path / "dragoman.toml").write_text(
        f'[sources.reports]\npath = "{MARKET}/reports.py"\nworkers = 1\n'
        '[functions."reports.leads"]\ntimeout = "10m"\ntask = { attempts = 3, base = "10ms" }\n'
    )
    with dragoman.open(tmp_path) as opened:
        yield opened


def series(column: str) -> list[float]:
    with (MARKET / "market.csv").open() as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def test_a_lead_that_was_planted_is_found_and_its_distance(
    reports: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    changes = reports._CHANGES.copy()
    noise = rng.normal(size=(len(changes), 3))
    changes["cpi"], changes["m1"] = noise[:, 0], noise[:, 1]
    changes["pop"] = -np.roll(noise[:, 0], 3) + 0.3 * noise[:, 2]
    monkeypatch.setattr(reports, "_CHANGES", changes)
    (found,) = reports.leads(Told(), ["pop", "m1", "cpi"], draws=2000).leads
    assert (found.leader, found.follower, found.quarters) == ("cpi", "pop", 3)
    assert -1 < found.correlation < -0.9
    assert found.doubt == pytest.approx(3 / 2001, abs=1e-4)


def test_what_moves_together_is_pearsons_correlation(reports: ModuleType) -> None:
    infl, real = (np.diff(series(name))[1:] for name in ("infl", "realint"))
    (found,) = reports.leads(Told(), ["infl", "realint"], draws=100).leads
    assert found.quarters == 0
    assert found.correlation == pytest.approx(statistics.correlation(infl.tolist(), real.tolist()), abs=1e-3)


def test_noise_leads_nothing(reports: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = reports._CHANGES.copy()
    changes[:] = np.random.default_rng(7).normal(size=changes.shape)
    monkeypatch.setattr(reports, "_CHANGES", changes)
    report = reports.leads(Told(), ["realgdp", "cpi", "m1", "tbilrate", "unemp", "pop"], draws=1000)
    assert report.leads == []
    assert "Nothing that chance does not explain." in report.text


def test_progress_grows_to_its_end_and_the_same_seed_writes_the_same_report(reports: ModuleType) -> None:
    told = Told()
    first = reports.leads(told, **SHORT)
    shares = [share for share, _ in told.progress_told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) == first.pairs + 1
    assert reports.leads(Told(), **SHORT) == first
    assert reports.leads(Told(), **SHORT, seed=1).text != first.text or not first.leads


def test_a_doubt_is_held_against_all_that_was_looked_at(reports: ModuleType) -> None:
    found = [reports.Lead("a", str(number), 0, 0.5, doubt) for number, doubt in enumerate((0.03, 0.01, 0.9, 0.02))]
    assert [each.doubt for each in reports._held(found)] == [0.04, 0.06, 0.06, 0.9]


def test_as_a_task_it_says_how_far_it_is_and_gives_what_a_call_gives(project: BlockingProject) -> None:
    task = project.submit("reports.leads", SHORT)
    assert task.result() == project.call("reports.leads", SHORT)
    status = task.status()
    assert (status["progress"], status["message"]) == (1.0, "written")


def test_it_is_cancelled_in_the_middle_and_its_worker_lives(project: BlockingProject) -> None:
    task = project.submit("reports.leads", {"draws": 1_000_000})
    next(event for event in task.events() if event.kind == "progress")
    task.cancel()
    assert task.wait(30)["state"] == "CANCELLED"
    assert project.call("reports.leads", SHORT)["pairs"] == 3


def test_a_worker_that_dies_in_the_middle_changes_nothing_of_the_report(
    project: BlockingProject, reports: ModuleType, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"columns": ["realgdp", "realcons", "unemp", "cpi"], "draws": 4000}
    task = project.submit("reports.leads", asked)
    events = task.events()
    next(event for event in events if event.kind == "progress")
    (worker,) = workers(tmp_path)
    os.kill(worker, signal.SIGKILL)
    report = task.result(timeout=60)
    status = task.status()
    first, second = status["history"]
    assert (first["fault"]["code"], second["fault"]) == ("UNAVAILABLE", None), status
    assert "signal 9" in first["fault"]["detail"], status
    *_, last = events
    assert (last.kind, last.data["attempts"]) == ("state", 2), last
    assert report["text"] == reports.leads(Told(), **asked).text


def test_the_schedule_comes_at_half_past_two_in_new_york_summer_and_winter() -> None:
    nightly = load([MARKET]).schedules["nightly"]
    assert (nightly.function, nightly.catch_up) == ("reports.leads", "last")
    for month in (1, 7):
        after = datetime(2027, month, 1, tzinfo=ZoneInfo("America/New_York"))
        (moment,) = nightly.ahead(round(after.timestamp() * US), 1)
        assert datetime.fromtimestamp(moment / US, after.tzinfo).isoformat()[:16] == f"2027-0{month}-01T02:30"


@pytest.mark.parametrize("quarter", ["1975Q2", "2008Q4", "2009Q3"])
def test_a_figure_is_judged_by_how_its_series_had_moved(watch: ModuleType, quarter: str) -> None:
    values = series("cpi")
    place = (int(quarter[:4]) - 1959) * 4 + int(quarter[5]) - 1
    steps = np.diff(values[place - 13 : place])
    middle, width = values[place - 1] + steps.mean(), 3 * steps.std(ddof=1)
    judged = watch.judge("cpi", quarter, values[place])
    assert (judged.low, judged.high) == (pytest.approx(middle - width), pytest.approx(middle + width))
    assert judged.unusual is not (middle - width <= values[place] <= middle + width)
    assert watch.judge("cpi", quarter, middle).unusual is False
    assert watch.judge("cpi", quarter, middle + 1.01 * width).unusual


def test_what_has_too_little_before_it_is_judged_by_nothing(watch: ModuleType) -> None:
    assert watch.judge("cpi", "1962Q1", 1e9).low is None
    assert watch.judge("cpi", "1962Q2", 1e9).unusual


@pytest.mark.parametrize(("column", "quarter"), [("gold", "2008Q4"), ("cpi", "2010Q1"), ("year", "2008Q4")])
def test_what_is_not_there_is_told(watch: ModuleType, column: str, quarter: str) -> None:
    with pytest.raises(dragoman.NotFound, match=f"there is no '{column}' of '{quarter}'"):
        watch.judge(column, quarter, 1.0)


def workers(folder: Path) -> list[int]:
    """The processes that run a Python source of the project there: other tests' may not all be gone yet."""
    found = psutil.Process().children(recursive=True)
    return [each.pid for each in found if each.cmdline()[-1:] == ["dragoman.guest"] and each.cwd() == str(folder)]
