"""What is counted of tasks is what a scrape shows, under the conventional names."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from dragoman.telemetry.metrics import Metrics
from dragoman.telemetry.task_meter import WAIT_BOUNDS_S, Census, Standing, TaskMeter

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(meter: TaskMeter, census: Census | None = None) -> Samples:
    async def asked() -> Census | None:
        return census

    metrics = Metrics("0")
    metrics.tasks, metrics.census = meter, asked
    await metrics.gather()
    body, _ = metrics.exposition()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(body.decode())
        for sample in family.samples
        if sample.name.startswith(("dragoman_task", "dragoman_schedule"))
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_what_waits_runs_and_is_kept_is_what_the_store_says() -> None:
    counts = {"PENDING": 3, "RETRYING": 1, "RUNNING": 2, "DEAD": 7}
    census = Census(up=True, standings=[Standing("a.b", counts, 12.5), Standing("c.d", {"SUCCEEDED": 1})])
    samples = await scraped(TaskMeter(), census)
    assert value(samples, "dragoman_task_store_up") == 1
    assert value(samples, "dragoman_tasks_queued", function="a.b", state="PENDING") == 3
    assert value(samples, "dragoman_tasks_queued", function="a.b", state="SCHEDULED") == 0
    assert value(samples, "dragoman_tasks_running", function="a.b") == 2
    assert value(samples, "dragoman_tasks_kept", function="a.b", state="DEAD") == 7
    assert value(samples, "dragoman_tasks_oldest_age_seconds", function="a.b") == 12.5
    assert value(samples, "dragoman_tasks_oldest_age_seconds", function="c.d") == 0
    assert ("dragoman_tasks_kept", frozenset({("function", "a.b"), ("state", "PENDING")})) not in samples


async def test_a_store_that_says_nothing_is_down() -> None:
    samples = await scraped(TaskMeter(), Census(up=False))
    assert value(samples, "dragoman_task_store_up") == 0
    assert not [name for name, _ in samples if name == "dragoman_tasks_queued"]


async def test_a_host_without_a_store_says_nothing_of_one() -> None:
    assert await scraped(TaskMeter()) == {}


async def test_what_happens_is_counted() -> None:
    meter = TaskMeter()
    meter.submitted["a.b"] += 2
    meter.attempts["a.b", "RETRYING"] += 1
    meter.ended["a.b", "SUCCEEDED"] += 1
    meter.callbacks["failed"] += 1
    meter.schedules["nightly", "skipped"] += 3
    meter.operation("submit", 0.1)
    meter.operation("claim", 0.1)
    meter.failures["submit"] += 1
    samples = await scraped(meter)
    assert value(samples, "dragoman_tasks_submitted_total", function="a.b") == 2
    assert value(samples, "dragoman_task_attempts_total", function="a.b", state="RETRYING") == 1
    assert value(samples, "dragoman_tasks_ended_total", function="a.b", state="SUCCEEDED") == 1
    assert value(samples, "dragoman_task_callbacks_total", outcome="failed") == 1
    assert value(samples, "dragoman_schedule_moments_total", schedule="nightly", outcome="skipped") == 3
    assert value(samples, "dragoman_task_callbacks_total", outcome="dead") == 0
    assert value(samples, "dragoman_task_store_failures_total", operation="submit") == 1
    assert value(samples, "dragoman_task_store_failures_total", operation="claim") == 0


async def test_what_takes_time_is_timed() -> None:
    meter = TaskMeter()
    meter.operation("submit", 0.004)
    meter.operation("submit", 0.2)
    meter.waited("a.b", 400.0)
    meter.waited("a.b", -1.0)
    samples = await scraped(meter)
    name = "dragoman_task_store_duration_seconds"
    assert value(samples, f"{name}_count", operation="submit") == 2
    assert value(samples, f"{name}_sum", operation="submit") == pytest.approx(0.204)
    assert value(samples, f"{name}_bucket", operation="submit", le="0.005") == 1
    assert value(samples, "dragoman_task_wait_seconds_bucket", function="a.b", le="300.0") == 1
    assert value(samples, "dragoman_task_wait_seconds_bucket", function="a.b", le=str(WAIT_BOUNDS_S[-2])) == 2
