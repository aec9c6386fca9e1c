"""Metrics: plain integers on the hot path, Prometheus families only when somebody scrapes.

A finished call costs one bisect and four additions on a `Meter` bound to its function beforehand: no label lookup,
no lock (a scrape from another thread reads whole integers and copies the buckets in one step). Pools are not known
here: a callable supplies their statistics at scrape time. The Prometheus client takes 55 ms to import, so it is
imported by the first scrape.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Protocol, cast

from dragoman.telemetry.histogram import BOUNDS_S, cumulative

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from dragoman.core.fault import Code
    from dragoman.telemetry.task_meter import Census, TaskMeter

REASONS_MAX = 64
"""Distinct reasons for a refusal; the next ones are counted as `other`, so that no label can grow with its input."""

LOOKS_MAX = 5
"""How often the state of a layer is read that changes under the reader's eyes."""


class Meter:
    """The counts of one function.

    Whoever runs a call adds one to `in_flight` when it begins and calls `finished` once when it ends.
    """

    __slots__ = ("buckets", "faults", "in_flight", "ok", "seconds")

    def __init__(self) -> None:
        self.in_flight = 0
        self.ok = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.faults: dict[Code, int] = {}

    def finished(self, code: Code | None, seconds: float) -> None:
        """Count a call that ended: its fault's code, or None where it went well, and the seconds it took."""
        self.in_flight -= 1
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        if code is None:
            self.ok += 1
        else:
            self.faults[code] = self.faults.get(code, 0) + 1


class IngressMeter:
    """The counts of one ingress besides its calls; it changes `connections` itself."""

    __slots__ = ("connections", "refusals")

    def __init__(self) -> None:
        self.connections = 0
        self.refusals: dict[str, int] = {}

    def refused(self, reason: str) -> None:
        """Count a request that was turned away before it became a call; `reason` is a fixed snake_case word."""
        if reason not in self.refusals and len(self.refusals) >= REASONS_MAX:
            reason = "other"
        self.refusals[reason] = self.refusals.get(reason, 0) + 1


class PoolStatistics(Protocol):
    """What a pool tells about itself when asked. `starts` and `restarts` only ever grow."""

    @property
    def source(self) -> str:
        """The name of the source."""
        ...

    @property
    def queue_length(self) -> int:
        """Calls that wait for a worker."""
        ...

    @property
    def workers(self) -> Mapping[str, int]:
        """Workers by state, as in `{"idle": 1, "busy": 3}`; states without a worker may be given as 0."""
        ...

    @property
    def starts(self) -> int:
        """Workers started so far."""
        ...

    @property
    def restarts(self) -> int:
        """Workers started in place of one that died."""
        ...


class LayerStatistics(Protocol):
    """What one layer of one function tells about itself when asked."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How often what has happened; only ever grows."""
        ...

    def state(self) -> Mapping[str, object]:
        """What it knows now: numbers, words, and tables of them."""
        ...


class QueueStatistics(Protocol):
    """What one queue tells about itself when asked."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages what has happened to; only ever grows."""
        ...

    @property
    def state(self) -> Mapping[str, object]:
        """What there is now: numbers, and words that are left out."""
        ...


Layers = Iterable[tuple[str, str, LayerStatistics]]
"""Functions, the names of layers of theirs, and the layers."""


def _none() -> tuple[()]:
    return ()


async def _uncounted() -> None:
    return None


class Metrics:
    """All that is counted in one host, and its exposition."""

    def __init__(self, version: str) -> None:
        """`version` is what `dragoman_build_info` says."""
        self.http = IngressMeter()
        self.native = IngressMeter()
        self.pools: Callable[[], Iterable[PoolStatistics]] = _none
        self.layers: Callable[[], Layers] = _none
        self.tasks: TaskMeter | None = None
        self.census: Callable[[], Awaitable[Census | None]] = _uncounted
        self.queues: Callable[[], Iterable[QueueStatistics]] = _none
        self.version = version
        self._meters: dict[tuple[str, str], Meter] = {}
        self._registry: CollectorRegistry | None = None
        self._first_scrape = Lock()
        self._census: Census | None = None

    def meter(self, function: str, ingress: str = "http") -> Meter:
        """The meter of a function's calls by one ingress; the same one every time, so that a reload goes on counting.

        Ask once per function and keep it. Only for functions that exist: a name that a caller made up must not
        become a label.
        """
        meter = self._meters.get((function, ingress))
        if meter is None:
            meter = self._meters[function, ingress] = Meter()
        return meter

    async def gather(self) -> None:
        """Ask for what only others know; in their loop, before `exposition`."""
        self._census = await self.census()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Write everything in the format that an `Accept` header asks for: `(body, content type)`.

        Text unless OpenMetrics is asked for. May be called in any thread, and should not be in the event loop's: a
        thousand busy functions are 25,000 samples.
        """
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - see the module's docstring

        encode, content_type = choose_encoder(accept)
        return encode(self._registered()), content_type

    def collect(self) -> Iterator[Metric]:
        """Build the families of this moment; the Prometheus registry calls it."""
        yield from self._call_families()
        yield from self._pool_families()
        yield from self._layer_families()
        if self.tasks is not None:
            yield from self.tasks.families(self._census)
        yield from self._queue_families()
        yield from self._host_families()

    def describe(self) -> list[Metric]:
        """Say nothing beforehand: the families need no check against others, and asking must not read pools."""
        return []

    def _registered(self) -> CollectorRegistry:
        with self._first_scrape:
            if self._registry is None:
                from prometheus_client import (  # noqa: PLC0415 - see the module's docstring
                    CollectorRegistry,
                    GCCollector,
                    PlatformCollector,
                    ProcessCollector,
                )

                registry = CollectorRegistry()
                registry.register(self)
                ProcessCollector(registry=registry)
                PlatformCollector(registry=registry)
                GCCollector(registry=registry)
                self._registry = registry
            return self._registry

    def _call_families(self) -> Iterator[Metric]:
        from prometheus_client.core import (  # noqa: PLC0415 - see the module's docstring
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        labels = ["function", "ingress"]
        calls = CounterMetricFamily("dragoman_calls", "Calls that ended, by gRPC code.", labels=[*labels, "code"])
        durations = HistogramMetricFamily(
            "dragoman_call_duration_seconds", "Time from arrival to the end of the reply.", labels=labels
        )
        in_flight = GaugeMetricFamily("dragoman_calls_in_flight", "Calls running or waiting.", labels=labels)
        for names, meter in tuple(self._meters.items()):
            # Each counter is read once and never derived from another: a scrape between two additions then shows
            # one call less somewhere, but no counter that falls, which Prometheus would take for a restart.
            calls.add_metric([*names, "OK"], meter.ok)
            for code, count in meter.faults.copy().items():
                calls.add_metric([*names, code.value], count)
            in_flight.add_metric(names, meter.in_flight)
            buckets = meter.buckets.copy()
            if any(buckets):
                durations.add_metric(names, cumulative(buckets), meter.seconds)
        yield calls
        yield durations
        yield in_flight

    def _pool_families(self) -> Iterator[Metric]:
        from prometheus_client.core import (  # noqa: PLC0415 - see the module's docstring
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        queue = GaugeMetricFamily("dragoman_queue_length", "Calls that wait for a worker.", labels=["source"])
        workers = GaugeMetricFamily("dragoman_workers", "Workers, by state.", labels=["source", "state"])
        starts = CounterMetricFamily("dragoman_worker_starts", "Workers started.", labels=["source"])
        restarts = CounterMetricFamily(
            "dragoman_worker_restarts", "Workers started in place of one that died.", labels=["source"]
        )
        for source, total in self._totals().items():
            queue.add_metric([source], total.queue_length)
            for state, count in total.workers.items():
                workers.add_metric([source, state], count)
            starts.add_metric([source], total.starts)
            restarts.add_metric([source], total.restarts)
        yield queue
        yield workers
        yield starts
        yield restarts

    def _layer_families(self) -> Iterator[Metric]:
        from prometheus_client.core import (  # noqa: PLC0415 - see the module's docstring
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        labels = ["function", "layer"]
        events = CounterMetricFamily("dragoman_layer_events", "What layers have done.", labels=[*labels, "event"])
        gauges = GaugeMetricFamily("dragoman_layer", "What layers know now.", labels=[*labels, "value"])
        words = GaugeMetricFamily(
            "dragoman_layer_state", "The state that a layer is in, always 1.", labels=[*labels, "state"]
        )
        for function, layer, each in tuple(self.layers()):
            for event, count in dict(each.counts).items():
                events.add_metric([function, layer, event], count)
            for value, found in flat(looked_at(each)):
                if isinstance(found, str):
                    words.add_metric([function, layer, found], 1)
                else:
                    gauges.add_metric([function, layer, value], found)
        yield events
        yield gauges
        yield words

    def _queue_families(self) -> Iterator[Metric]:
        from prometheus_client.core import (  # noqa: PLC0415 - see the module's docstring
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        events = CounterMetricFamily(
            "dragoman_queue_events", "What has happened to queues and their messages.", labels=["queue", "event"]
        )
        gauges = GaugeMetricFamily(
            "dragoman_queue", "What consumers of queues have in hand.", labels=["queue", "value"]
        )
        for each in tuple(self.queues()):
            for event, count in dict(each.counts).items():
                events.add_metric([each.name, event], count)
            for value, found in flat(each.state):
                if not isinstance(found, str):
                    gauges.add_metric([each.name, value], found)
        yield events
        yield gauges

    def _totals(self) -> dict[str, _Total]:
        totals: dict[str, _Total] = {}
        for pool in tuple(self.pools()):
            totals.setdefault(pool.source, _Total()).add(pool)
        return totals

    def _host_families(self) -> Iterator[Metric]:
        from prometheus_client.core import (  # noqa: PLC0415 - see the module's docstring
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        refused = CounterMetricFamily(
            "dragoman_http_requests_refused", "Requests turned away before they became a call.", labels=["reason"]
        )
        for reason, count in tuple(self.http.refusals.items()):
            refused.add_metric([reason], count)
        yield refused
        yield GaugeMetricFamily("dragoman_http_connections", "Open HTTP connections.", value=self.http.connections)
        refused = CounterMetricFamily(
            "dragoman_native_refused", "Clients and calls turned away before there was a call.", labels=["reason"]
        )
        for reason, count in tuple(self.native.refusals.items()):
            refused.add_metric([reason], count)
        yield refused
        native = self.native.connections
        yield GaugeMetricFamily("dragoman_native_connections", "Open connections of native clients.", value=native)
        build = GaugeMetricFamily("dragoman_build_info", "What is running, always 1.", labels=["version", "python"])
        build.add_metric([self.version, platform.python_version()], 1)
        yield build


def looked_at(layer: LayerStatistics) -> Mapping[str, object]:
    """The state of a layer, which the loop's thread may change while it is read; none where it changes all the time."""
    for _ in range(LOOKS_MAX):
        try:
            return layer.state()
        except RuntimeError:  # a dictionary that grows
            continue
    return {}


def flat(state: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, float | str]]:
    """The numbers of a state by name, those of inner tables with theirs before it; and the word that `state` may be."""
    for name, found in state.items():
        if isinstance(found, Mapping):
            yield from flat(cast("Mapping[str, object]", found), f"{prefix}{name}_")
        elif isinstance(found, (bool, int, float)) or (name == "state" and isinstance(found, str)):
            yield f"{prefix}{name}", found


class _Total:
    """The pools of one source together: while a reload swaps them there are two, and a label may appear once."""

    def __init__(self) -> None:
        self.queue_length = self.starts = self.restarts = 0
        self.workers: dict[str, int] = {}

    def add(self, pool: PoolStatistics) -> None:
        self.queue_length += pool.queue_length
        self.starts += pool.starts
        self.restarts += pool.restarts
        for state, count in tuple(pool.workers.items()):
            self.workers[state] = self.workers.get(state, 0) + count
