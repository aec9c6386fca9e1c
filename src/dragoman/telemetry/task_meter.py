"""What one host counts of durable tasks, as plain integers; families are made only when somebody scrapes.

What waits and runs is the store's to know, and is asked of it at each scrape (`Census`). Ends are counted as they are
heard of: a host hears of those of all hosts on its store.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from dragoman.telemetry.histogram import BOUNDS_S, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

WAIT_BOUNDS_S = (*BOUNDS_S, 300.0, 1800.0, 7200.0)
"""Tasks may wait for longer than calls run."""
WAITING = ("SCHEDULED", "PENDING", "RETRYING")
RUNNING = "RUNNING"
OUTCOMES = ("delivered", "failed", "dead")


class Standing(NamedTuple):
    """How many tasks of a function there are in each state, and for how many seconds the oldest has been due."""

    function: str
    counts: Mapping[str, int]
    oldest_s: float | None = None


class Census(NamedTuple):
    """What a store says of its tasks; not `up`, and it said nothing."""

    up: bool
    standings: Sequence[Standing] = ()


class TaskMeter:
    """The counts."""

    def __init__(self) -> None:
        self.submitted: Counter[str] = Counter()
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.callbacks: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.schedules: Counter[tuple[str, str]] = Counter()
        self._operations: dict[str, Histogram] = {}
        self._waits: dict[str, Histogram] = {}

    def operation(self, name: str, seconds: float) -> None:
        """Count an operation of the store that took so long."""
        found = self._operations.get(name)
        if found is None:
            found = self._operations[name] = Histogram()
        found.add(seconds)

    def waited(self, function: str, seconds: float) -> None:
        """Count a task that was begun so long after it was due."""
        found = self._waits.get(function)
        if found is None:
            found = self._waits[function] = Histogram(WAIT_BOUNDS_S)
        found.add(max(seconds, 0.0))

    def families(self, census: Census | None) -> Iterator[Metric]:
        """The families of this moment; without a census the store was not asked."""
        if census is not None:
            yield from _standing_families(census)
        yield from self._counted()
        yield from self._timed()

    def _counted(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - see telemetry/metrics.py

        submitted = CounterMetricFamily("dragoman_tasks_submitted", "Tasks stored by this host.", labels=["function"])
        for function, count in self.submitted.copy().items():
            submitted.add_metric([function], count)
        yield submitted
        by = ["function", "state"]
        attempts = CounterMetricFamily("dragoman_task_attempts", "Attempts here, by what came of them.", labels=by)
        for labels, count in self.attempts.copy().items():
            attempts.add_metric(labels, count)
        yield attempts
        ended = CounterMetricFamily("dragoman_tasks_ended", "Tasks of the store that ended, by how.", labels=by)
        for labels, count in self.ended.copy().items():
            ended.add_metric(labels, count)
        yield ended
        callbacks = CounterMetricFamily(
            "dragoman_task_callbacks", "Attempts to tell of an end, by what came of them.", labels=["outcome"]
        )
        for outcome in OUTCOMES if self._operations else ():
            callbacks.add_metric([outcome], self.callbacks[outcome])
        yield callbacks
        moments = CounterMetricFamily(
            "dragoman_schedule_moments",
            "Moments of schedules that came here, by what became of them.",
            labels=["schedule", "outcome"],
        )
        for labels, count in self.schedules.copy().items():
            moments.add_metric(labels, count)
        yield moments
        failures = CounterMetricFamily(
            "dragoman_task_store_failures", "Operations that the store could not do.", labels=["operation"]
        )
        for name in tuple(self._operations):
            failures.add_metric([name], self.failures[name])
        yield failures

    def _timed(self) -> Iterator[Metric]:
        from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - see telemetry/metrics.py

        operations = HistogramMetricFamily(
            "dragoman_task_store_duration_seconds", "Time that the store took.", labels=["operation"]
        )
        waits = HistogramMetricFamily(
            "dragoman_task_wait_seconds", "Time from when a task was due until it was begun here.", labels=["function"]
        )
        for family, found in ((operations, self._operations), (waits, self._waits)):
            for label, histogram in tuple(found.items()):
                family.add_metric([label], histogram.cumulative(), histogram.seconds)
            yield family


def _standing_families(census: Census) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - see telemetry/metrics.py

    up = "Whether the store could say what is in it."
    yield GaugeMetricFamily("dragoman_task_store_up", up, value=census.up)
    by = ["function", "state"]
    queued = GaugeMetricFamily("dragoman_tasks_queued", "Tasks that wait, by what for.", labels=by)
    kept = GaugeMetricFamily("dragoman_tasks_kept", "Tasks that ended and are kept, by how.", labels=by)
    running = GaugeMetricFamily("dragoman_tasks_running", "Tasks that run, on whatever host.", labels=["function"])
    oldest = GaugeMetricFamily(
        "dragoman_tasks_oldest_age_seconds",
        "How long the oldest that waits has been due.",
        labels=["function"],
    )
    for function, counts, oldest_s in census.standings:
        running.add_metric([function], counts.get(RUNNING, 0))
        for state in WAITING:
            queued.add_metric([function, state], counts.get(state, 0))
        for state, count in counts.items():
            if state != RUNNING and state not in WAITING:
                kept.add_metric([function, state], count)
        oldest.add_metric([function], 0.0 if oldest_s is None else max(oldest_s, 0.0))
    yield queued
    yield running
    yield kept
    yield oldest
