"""What is counted is what a scrape shows, under the conventional names, and counting costs next to nothing."""

import threading
import timeit
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,  # pyright: ignore[reportUnknownVariableType] - untyped there
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dragoman.core.fault import Code
from dragoman.telemetry.metrics import BOUNDS_S, REASONS_MAX, Metrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class Pool:
    """A pool's statistics, standing still."""

    source: str
    queue_length: int = 0
    workers: dict[str, int] = field(default_factory=dict[str, int])
    starts: int = 0
    restarts: int = 0


def scrape(metrics: Metrics) -> Samples:
    body, _ = metrics.exposition()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(body.decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def count(metrics: Metrics, function: str, code: Code | None, seconds: float) -> None:
    meter = metrics.meter(function)
    meter.in_flight += 1
    meter.finished(code, seconds)


def test_calls_are_counted_by_function_and_code() -> None:
    metrics = Metrics("0.1.0")
    for code in (None, None, Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNKNOWN):
        count(metrics, "stats.mean", code, 0.01)
    samples = scrape(metrics)
    assert value(samples, "dragoman_calls_total", function="stats.mean", ingress="http", code="OK") == 2
    assert value(samples, "dragoman_calls_total", function="stats.mean", ingress="http", code="UNKNOWN") == 2
    assert value(samples, "dragoman_calls_total", function="stats.mean", ingress="http", code="DEADLINE_EXCEEDED") == 1
    assert value(samples, "dragoman_calls_in_flight", function="stats.mean", ingress="http") == 0


def test_a_running_call_is_in_flight() -> None:
    metrics = Metrics("0.1.0")
    metrics.meter("f").in_flight += 1
    assert value(scrape(metrics), "dragoman_calls_in_flight", function="f", ingress="http") == 1


@given(st.lists(st.floats(min_value=0, max_value=1000), min_size=1, max_size=50))
def test_the_histogram_counts_every_call_in_each_bucket_that_holds_it(durations: list[float]) -> None:
    metrics = Metrics("0.1.0")
    for seconds in durations:
        count(metrics, "f", None, seconds)
    samples = scrape(metrics)
    for bound in BOUNDS_S:
        bucket = value(samples, "dragoman_call_duration_seconds_bucket", function="f", ingress="http", le=str(bound))
        assert bucket == sum(seconds <= bound for seconds in durations)
    assert value(samples, "dragoman_call_duration_seconds_bucket", function="f", ingress="http", le="+Inf") == len(
        durations
    )
    assert value(samples, "dragoman_call_duration_seconds_count", function="f", ingress="http") == len(durations)
    assert (
        abs(value(samples, "dragoman_call_duration_seconds_sum", function="f", ingress="http") - sum(durations)) < 1e-6
    )


def test_a_meter_is_the_same_one_after_a_reload() -> None:
    metrics = Metrics("0.1.0")
    assert metrics.meter("f") is metrics.meter("f")


def test_pools_are_asked_when_somebody_scrapes() -> None:
    metrics = Metrics("0.1.0")
    pools: list[Pool] = []

    def ask() -> Iterable[Pool]:
        return pools

    metrics.pools = ask
    assert ("dragoman_queue_length", frozenset({("source", "stats")})) not in scrape(metrics)
    pools.append(Pool("stats", queue_length=7, workers={"idle": 1, "busy": 3}, starts=6, restarts=2))
    samples = scrape(metrics)
    assert value(samples, "dragoman_queue_length", source="stats") == 7
    assert value(samples, "dragoman_workers", source="stats", state="busy") == 3
    assert value(samples, "dragoman_worker_starts_total", source="stats") == 6
    assert value(samples, "dragoman_worker_restarts_total", source="stats") == 2


def test_two_pools_of_one_source_are_shown_as_one() -> None:
    metrics = Metrics("0.1.0")
    metrics.pools = lambda: [
        Pool("stats", 1, {"idle": 1, "busy": 0}, 3, 1),
        Pool("stats", 2, {"busy": 2, "draining": 1}, 2, 0),
    ]
    body, _ = metrics.exposition()
    assert body.count(b'dragoman_queue_length{source="stats"}') == 1
    samples = scrape(metrics)
    assert value(samples, "dragoman_queue_length", source="stats") == 3
    assert value(samples, "dragoman_workers", source="stats", state="busy") == 2
    assert value(samples, "dragoman_worker_starts_total", source="stats") == 5


def test_refusals_are_counted_by_reason_and_reasons_are_bounded() -> None:
    metrics = Metrics("0.1.0")
    for number in range(REASONS_MAX + 10):
        metrics.http.refused(f"reason_{number}")
    metrics.http.refused("reason_0")
    samples = scrape(metrics)
    assert value(samples, "dragoman_http_requests_refused_total", reason="reason_0") == 2
    assert value(samples, "dragoman_http_requests_refused_total", reason="other") == 10
    assert len(metrics.http.refusals) == REASONS_MAX + 1


def test_the_host_says_what_it_is_and_what_it_uses() -> None:
    metrics = Metrics("0.1.0")
    metrics.http.connections = 12
    samples = scrape(metrics)
    names = {name for name, _ in samples}
    assert value(samples, "dragoman_http_connections") == 12
    assert {"dragoman_build_info", "python_info", "process_resident_memory_bytes", "process_open_fds"} <= names
    build = next(dict(labels) for name, labels in samples if name == "dragoman_build_info")
    assert build["version"] == "0.1.0"


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    metrics = Metrics("0.1.0")
    count(metrics, 'odd"na\\me\n', Code.UNKNOWN, 0.5)
    metrics.pools = lambda: [Pool("s", workers={"idle": 1})]
    body, content_type = metrics.exposition(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert {"dragoman_calls", "dragoman_call_duration_seconds"} <= {f.name for f in parse_openmetrics(body.decode())}
    _, plain = metrics.exposition("*/*")
    assert plain.startswith("text/plain")


def test_a_thousand_functions_are_one_scrape_and_unused_ones_have_no_histogram() -> None:
    metrics = Metrics("0.1.0")
    for number in range(1000):
        metrics.meter(f"source.f{number}")
    count(metrics, "source.f7", None, 0.2)
    body, _ = metrics.exposition()
    assert body.count(b"dragoman_calls_total{") == 1000
    assert body.count(b"dragoman_call_duration_seconds_count{") == 1


def test_scrapes_from_other_threads_never_see_a_counter_fall() -> None:
    metrics = Metrics("0.1.0")
    meter = metrics.meter("f")
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            for code in (None, Code.UNKNOWN, Code.ABORTED):
                meter.in_flight += 1
                meter.finished(code, 0.001)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        seen: Samples = {}
        for _ in range(20):
            samples = scrape(metrics)
            for key, number in samples.items():
                if key[0].startswith("dragoman_call") and key[0] != "dragoman_calls_in_flight":
                    assert number >= seen.get(key, 0)
            seen = samples
    finally:
        stop.set()
        thread.join()


def test_counting_a_call_costs_little_more_than_finding_its_bucket() -> None:
    """Half a microsecond is nine times that, on the machine where it was first measured.

    Many short stretches in turns: some of each are undisturbed, whatever else runs.
    """
    meter = Metrics("0.1.0").meter("f")
    counting, finding = list[float](), list[float]()
    for _ in range(200):
        counting.append(timeit.timeit(lambda: meter.finished(None, 0.0004), number=1000))
        finding.append(timeit.timeit(lambda: bisect_left(BOUNDS_S, 0.0004), number=1000))
    assert min(counting) < 6 * min(finding)


class Guarding:
    """A layer that changes while it is looked at, for so many looks."""

    def __init__(self, changes: int = 0) -> None:
        self.counts = {"hit": 3, "miss": 1}
        self._changes = changes

    def state(self) -> dict[str, object]:
        if self._changes:
            self._changes -= 1
            raise RuntimeError("dictionary changed size during iteration")
        return {"entries": 2, "shared": {"up": True}, "state": "half_open", "why": "text", "delay_s": None}


def lines(metrics: Metrics) -> list[str]:
    text = metrics.exposition()[0].decode()
    return [line for line in text.splitlines() if line.startswith("dragoman_layer")]


def test_layers_tell_what_they_have_done_and_what_they_know() -> None:
    metrics = Metrics("1")
    metrics.layers = lambda: [("s.f", "cache", Guarding(2))]
    assert lines(metrics) == [
        'dragoman_layer_events_total{event="hit",function="s.f",layer="cache"} 3.0',
        'dragoman_layer_events_total{event="miss",function="s.f",layer="cache"} 1.0',
        'dragoman_layer{function="s.f",layer="cache",value="entries"} 2.0',
        'dragoman_layer{function="s.f",layer="cache",value="shared_up"} 1.0',
        'dragoman_layer_state{function="s.f",layer="cache",state="half_open"} 1.0',
    ]


def test_a_layer_that_never_stands_still_is_left_out() -> None:
    metrics = Metrics("1")
    metrics.layers = lambda: [("s.f", "cache", Guarding(1000))]
    assert all("events" in line for line in lines(metrics))
