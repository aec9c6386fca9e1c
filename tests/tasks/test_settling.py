from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.tasks import settling
from dragoman.tasks.lasting import lasting
from dragoman.tasks.run import Run
from dragoman.tasks.settling import BATCH_MAX, Settling
from dragoman.tasks.state import State, Step
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.task import Claimed, Outcome, Submission, Task
from tests.tasks.workshop import AROUND

if TYPE_CHECKING:
    from dragoman.tasks.task import Told


class Sink:
    """The part of a store that outcomes go to. Fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.settled: list[list[str]] = []
        self.said: list[str] = []

    async def settle(self, outcomes: list[Outcome]) -> list[bool]:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise StoreFailed("the disk is full")
        self.settled.append([each.id for each in outcomes])
        return [not each.id.startswith("lost") for each in outcomes]

    async def tell(self, told: list[Told]) -> None:
        self.said += [each.id for each in told]


class Sent:
    """What was put into a settling, and what it said."""

    def __init__(self, sink: Any) -> None:
        self.told: list[tuple[str, bool]] = []
        self.troubles: list[str] = []
        self.settling = Settling(sink, AROUND, self._settled)
        self.work = asyncio.ensure_future(lasting(self.settling.work, 2.0, AROUND.random, self.troubles.append))

    def _settled(self, run: Run, held: bool) -> None:  # noqa: FBT001 - as it is called
        self.told.append((run.task.id, held))

    def run(self, id_: str) -> Run:
        from dragoman.tasks.runner import GONE  # noqa: PLC0415 - any job will do

        return Run(Claimed(Task(Submission(id_, "f", "", b""), State.RUNNING), 1), GONE, "r", self.settling.tell)

    def put(self, id_: str) -> Run:
        run = self.run(id_)
        self.settling.put(run, Outcome(id_, 1, Step.SUCCEED, 1))
        return run


async def test_what_ends_in_one_turn_goes_in_one_step_and_in_order() -> None:
    sink = Sink()
    sent = Sent(sink)
    for number in range(BATCH_MAX + 3):
        sent.put(str(number))
    assert await sent.settling.flush(5)
    assert [len(batch) for batch in sink.settled] == [BATCH_MAX, 3]
    assert [id_ for id_, _ in sent.told] == [str(number) for number in range(BATCH_MAX + 3)]
    sent.work.cancel()


async def test_what_cannot_be_recorded_is_kept_until_it_can_and_that_is_told_once() -> None:
    sent = Sent(Sink(failures=3))
    sent.put("a")
    sent.put("lost")
    assert await sent.settling.flush(10)
    assert sent.told == [("a", True), ("lost", False)]
    assert [text.partition(",")[0] for text in sent.troubles] == [
        "outcomes of tasks cannot be recorded now",
        "outcomes of tasks are recorded again",
    ]
    sent.work.cancel()


async def test_a_store_that_never_takes_it_keeps_nobody_for_ever() -> None:
    sent = Sent(Sink(failures=10**6))
    sent.put("a")
    assert not await sent.settling.flush(0.1)
    assert len(sent.settling) == 1
    sent.work.cancel()


async def test_what_a_task_said_is_kept_before_its_end() -> None:
    sink = Sink()
    sent = Sent(sink)
    from dragoman.core.event import Log  # noqa: PLC0415 - in this test alone

    run = sent.run("a")
    run.heard(Log("x"))
    await asyncio.sleep(0)
    run.heard(Log("y"))
    sent.settling.put(run, Outcome("a", 1, Step.SUCCEED, 1))
    assert await sent.settling.flush(5)
    assert sink.said[0] == "a"
    assert sink.settled == [["a"]]
    sent.work.cancel()


async def test_large_results_go_in_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "BATCH_BYTES_MAX", 10)
    sink = Sink()
    sent = Sent(sink)
    for id_, size in (("a", 4), ("b", 6), ("c", 1), ("huge", 500), ("d", 10), ("e", 0), ("f", 1)):
        sent.settling.put(sent.run(id_), Outcome(id_, 1, Step.SUCCEED, 1, bytes(size)))
    assert await sent.settling.flush(5)
    assert sink.settled == [["a", "b"], ["c"], ["huge"], ["d", "e"], ["f"]]
    sent.work.cancel()
