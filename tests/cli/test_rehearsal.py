import asyncio
from typing import Any

from dragoman.cli.rehearsal import Rehearsal
from dragoman.config.drill import Drill, Event, Expectation, Load, Step
from dragoman.core.fault import Unavailable


class Rehearsed:
    """A stage that answers every call, but each tenth."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.struck: list[str] = []
        self.calls = 0
        self.inside = self.most = 0

    def begin(self, step: Step) -> None:
        self.steps.append(step.name)

    async def call(self, load: Load) -> None:
        self.calls += 1
        number = self.calls
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.002)
        self.inside -= 1
        if number % 10 == 0:
            raise Unavailable(load.function)

    def strike(self, event: Event) -> str:
        self.struck.append(event.source)
        return f"struck {event.source}"

    def counts(self, function: str) -> dict[str, int]:
        return {"retries": self.calls, function: 1}

    async def leaks(self) -> dict[str, int]:
        return {}


def step(*loads: Load, name: str = "one", for_s: float = 0.1, events: tuple[Event, ...] = ()) -> Step:
    return Step(name, for_s, loads, {}, events)


async def carried_out(*steps: Step) -> tuple[Rehearsed, list[dict[str, Any]], list[str]]:
    stage = Rehearsed()
    rehearsal = Rehearsal(Drill("d", steps), stage, lambda _: None)
    return stage, await rehearsal.run(), rehearsal.failed


async def test_callers_call_again_and_again_and_no_more_at_a_time_than_there_are() -> None:
    stage, (report,), failed = await carried_out(step(Load("f", callers=3)))
    (figures,) = report["functions"]
    assert stage.most == 3
    assert figures["calls"] == stage.calls > 10
    assert figures["codes"] == {"UNAVAILABLE": stage.calls // 10}
    assert figures["counts"] == {"retries": stage.calls}
    assert failed == []


async def test_calls_at_a_rate_do_not_wait_for_one_another() -> None:
    stage, (report,), _ = await carried_out(step(Load("f", rate=1000.0), for_s=0.2))
    assert 100 <= report["functions"][0]["calls"] <= 200
    assert stage.most > 1
    assert stage.inside == 0


async def test_steps_follow_one_another_with_their_events() -> None:
    event = Event(0.01, "work", stops=False)
    stage, reports, _ = await carried_out(step(Load("f"), events=(event,)), step(Load("f"), name="two"))
    assert stage.steps == ["one", "two"]
    assert stage.struck == ["work"]
    assert [report["events"] for report in reports] == [["struck work"], []]


async def test_what_was_not_as_expected_is_told_with_its_step() -> None:
    _, _, failed = await carried_out(step(Load("f", callers=4, expect=Expectation(success=1.0))))
    assert len(failed) == 1
    assert failed[0].startswith("one, f: ")
