"""A measured store does as the one inside it, and counts what becomes of its tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from dragoman.tasks.measured import KNOWN_MAX, MeasuredStore
from dragoman.tasks.state import State, Step
from dragoman.tasks.store import Store, StoreFailed
from dragoman.tasks.task import US, Census, Change, Delivered, Outcome, Runner, Submission, Want
from dragoman.telemetry.task_meter import TaskMeter
from dragoman.testing.clock import ManualClock
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_shelf import Memory
from dragoman.testing.task_store import TaskStoreSuite
from dragoman.testing.task_store.hosts import until

NOW = 1_800_000_000 * US
CALLBACK = b'{"url":"https://example.org/"}'


class Bench:
    """A measured store, and what it has counted."""

    def __init__(self) -> None:
        self.meter = TaskMeter()
        self.clock = ManualClock()
        self.inner = MemoryStore()
        self.store = MeasuredStore(self.inner, self.meter, self.clock.monotonic)
        self.heard: list[Change] = []
        self.store.listen(self.heard.extend)

    async def submit(self, id_: str, **fields: object) -> None:
        given = {"submitted_at": NOW, "not_before": NOW, "attempts_max": 2, **fields}
        await self.store.submit([Submission(id_, "f", "1", b"{}", **given)])  # pyright: ignore[reportArgumentType] - what the test says

    async def run(self, step: Step, now: int = NOW) -> bool:
        """Claim one task, and end its attempt."""
        (claimed,) = await self.store.claim("r", [Want("f", 1)], now)
        fault = b"{}" if step is not Step.SUCCEED else b""
        (held,) = await self.store.settle([Outcome(claimed.task.id, claimed.token, step, now, fault=fault)])
        return held


@pytest.fixture
async def bench() -> AsyncGenerator[Bench]:
    made = Bench()
    await made.store.open()
    await made.store.enlist(Runner("r"))
    yield made
    await made.store.close()


async def test_what_is_stored_is_counted_once(bench: Bench) -> None:
    for _ in range(2):
        await bench.submit("a", key="k")
    assert bench.meter.submitted == {"f": 1}
    assert await bench.store.fire("nightly", NOW, Submission("b", "g", "1", b"{}", submitted_at=NOW))
    assert not await bench.store.fire("nightly", NOW, Submission("c", "g", "1", b"{}", submitted_at=NOW))
    assert await bench.store.fire("nightly", NOW + 1, None)
    assert bench.meter.submitted == {"f": 1, "g": 1}


async def test_attempts_are_counted_by_what_came_of_them(bench: Bench) -> None:
    await bench.submit("a")
    for step, now in ((Step.RETRY, NOW), (Step.RELEASE, NOW + 1), (Step.SUCCEED, NOW + 2)):
        await bench.store.tick(now)
        assert await bench.run(step, now)
    assert bench.meter.attempts == {("f", "RETRYING"): 1, ("f", "SUCCEEDED"): 1}
    await until(lambda: bench.meter.ended == {("f", "SUCCEEDED"): 1})


async def test_an_outcome_that_comes_too_late_is_none(bench: Bench) -> None:
    await bench.submit("a")
    (claimed,) = await bench.store.claim("r", [Want("f", 1)], NOW)
    late = Outcome("a", claimed.token + 1, Step.SUCCEED, NOW)
    assert await bench.store.settle([late]) == [False]
    assert bench.meter.attempts == {}


async def test_ends_are_counted_whoever_brings_them_about(bench: Bench) -> None:
    for id_ in ("a", "b", "c"):
        await bench.submit(id_, deadline=NOW + US if id_ == "c" else 0)
    assert await bench.store.cancel("a", NOW) is State.CANCELLED
    await bench.store.tick(NOW + 2 * US)
    await until(lambda: bench.meter.ended == {("f", "CANCELLED"): 1, ("f", "TIMED_OUT"): 1})
    assert len(bench.heard) >= 5, "the listener hears all of it"


async def test_an_end_that_is_told_twice_is_one_and_a_replay_ends_anew(bench: Bench) -> None:
    told = [Change("a", "f", State.FAILED, 3), Change("a", "f", State.FAILED, 3)]
    inner: list[Change] = []
    bench.store.listen(inner.extend)
    listener = vars(bench.inner)["_heard"]
    listener(told)
    listener([Change("a", "f", State.PENDING, 4), Change("a", "f", State.FAILED, 6)])
    assert bench.meter.ended == {("f", "FAILED"): 2}
    listener([Change(str(number), "f", State.DEAD, 1) for number in range(KNOWN_MAX + 10)])
    assert len(vars(bench.store)["_ends"]) == KNOWN_MAX
    assert len(inner) == KNOWN_MAX + 14


async def test_waits_are_from_when_a_task_was_due(bench: Bench) -> None:
    await bench.submit("a")
    await bench.run(Step.SUCCEED, NOW + 3 * US)
    (wait,) = [each for each in bench.meter.families(None) if each.name == "dragoman_task_wait_seconds"]
    found = {sample.labels.get("le"): sample.value for sample in wait.samples if sample.name.endswith("_bucket")}
    assert (found["2.5"], found["5.0"]) == (0, 1)


async def test_deliveries_are_counted_by_what_came_of_them(bench: Bench) -> None:
    await bench.submit("a", callback=CALLBACK)
    await bench.run(Step.SUCCEED)
    for outcome in ("failed", "dead"):
        (delivery,) = await bench.store.deliveries("r", 1, NOW)
        await bench.store.delivered(
            [Delivered(delivery.id, delivery.token, dead=outcome == "dead", due_at=NOW, fault="500")]
        )
    assert [each.id for each in await bench.store.undelivered()] == [delivery.id]
    assert await bench.store.redeliver(delivery.id, NOW)
    (delivery,) = await bench.store.deliveries("r", 1, NOW)
    await bench.store.delivered([Delivered(delivery.id, delivery.token, done=True)])
    assert bench.meter.callbacks == {"failed": 1, "dead": 1, "delivered": 1}


async def test_operations_are_timed_and_those_that_fail_counted(bench: Bench) -> None:
    class Broken(MemoryStore):
        async def census(self) -> Census:
            bench.clock.advance(0.3)
            raise StoreFailed("the disk is full")

    store = MeasuredStore(Broken(), bench.meter, bench.clock.monotonic)
    with pytest.raises(StoreFailed, match="the disk is full"):
        await store.census()
    assert bench.meter.failures == {"census": 1}
    families = {each.name: each for each in bench.meter.families(None)}
    timed = {sample.labels["operation"] for sample in families["dragoman_task_store_duration_seconds"].samples}
    assert {"open", "enlist", "census"} <= timed
    (total,) = [
        sample.value
        for sample in families["dragoman_task_store_duration_seconds"].samples
        if sample.labels["operation"] == "census" and sample.name.endswith("_sum")
    ]
    assert total == pytest.approx(0.3)


class TestMeasuredStore(TaskStoreSuite):
    @pytest.fixture(autouse=True)
    def remember(self) -> None:
        self.memory = Memory()

    def make(self) -> Store:
        return MeasuredStore(MemoryStore(self.memory), TaskMeter(), ManualClock().monotonic)
