"""Schedules over a ledger that holds to the port's rule: a moment is fired once, and none before the last one."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from dragoman.core.fault import Fault, InvalidArgument, NotFound, Overloaded
from dragoman.tasks.schedule import CatchUp, Schedule
from dragoman.tasks.scheduler import LOOK_S, Scheduler
from dragoman.tasks.state import State
from dragoman.tasks.store import Store, StoreFailed
from dragoman.tasks.task import US, Query, Submission, Submitted, Task
from dragoman.tasks.timetable import Every
from dragoman.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR = 3600.0


class Ledger:
    """What a store promises of schedules. It refuses to work while `broken`."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.fired: list[tuple[str, int]] = []
        self.submitted: list[Submission] = []
        self.over: set[str] = set()
        self.broken = False

    async def last_slot(self, schedule: str) -> int:
        await self._work()
        return self.last.get(schedule, 0)

    async def fire(self, schedule: str, slot: int, submission: Submission | None) -> bool:
        await self._work()
        if slot <= self.last.get(schedule, 0):
            return False
        self.last[schedule] = slot
        if submission is not None:
            self.fired.append((schedule, slot))
            self.submitted.append(submission)
        return True

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        await self._work()
        self.submitted += submissions
        return [Submitted(each.id, created=True, state=State.PENDING) for each in submissions]

    async def find(self, query: Query) -> list[Task]:
        await self._work()
        assert query.states == {state for state in State if not state.over}
        found = [each for each in self.submitted if each.schedule == query.schedule and each.id not in self.over]
        return [Task(each, State.RUNNING) for each in found[: query.limit]]

    async def _work(self) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise StoreFailed("the disk is full")


class Clock(ManualClock):
    """One whose time of day can be set, as people and NTP do."""

    def set(self, by_s: float) -> None:
        self._now_s += by_s


class World:
    """One ledger, and hosts with the same schedules."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = Ledger()
        self.notes: list[str] = []
        self.counted: Counter[tuple[str, str]] = Counter()
        self.fault: Fault | None = None
        self.ids = itertools.count()
        self.hosts: list[Scheduler] = []

    def host(self, *schedules: Schedule) -> Scheduler:
        store, call_later = cast("Store", self.ledger), self.clock.call_later
        made = Scheduler(store, self._draw, self.clock, call_later, self.notes.append, self.counted)
        made.start(schedules)
        self.hosts.append(made)
        return made

    async def pass_(self, seconds: float, step_s: float = LOOK_S) -> None:
        """Let time pass, and everything that it brings happen."""
        await settled()
        while seconds > 0:
            self.clock.advance(min(step_s, seconds))
            seconds -= step_s
            await settled()

    def slots(self, name: str = "report") -> list[float]:
        """The moments that were fired, in hours since the beginning of the test's day."""
        return [(slot / US - 1_767_225_600) / HOUR for fired, slot in self.ledger.fired if fired == name]

    async def _draw(self, schedule: Schedule, body: bytes, delay_s: float) -> Submission:
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        now = int(self.clock.now() * US)
        return Submission(
            f"{next(self.ids)}",
            schedule.function,
            "1",
            body,
            submitted_at=now,
            not_before=now + int(delay_s * US),
            schedule=schedule.name,
        )


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)
    while asyncio.all_tasks() - {asyncio.current_task()}:  # noqa: ASYNC110 - what a thread works out may take longer
        await asyncio.sleep(0.001)


def hourly(catch_up: CatchUp = "last", name: str = "report", **fields: Any) -> Schedule:
    return Schedule(name, "shop.report", Every(int(HOUR) * US), "every 1h", catch_up=catch_up, **fields)


def run(test: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World()
        try:
            await test(world)
        finally:
            for host in world.hosts:
                await host.stop()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(main())


def test_each_moment_is_fired_when_it_comes() -> None:
    async def body(world: World) -> None:
        world.host(hourly())
        await world.pass_(HOUR - 1)
        assert world.slots() == []
        await world.pass_(1)
        assert world.slots() == [1]
        await world.pass_(2 * HOUR, step_s=60)
        assert world.slots() == [1, 2, 3]

    run(body)


def test_many_hosts_fire_a_moment_once() -> None:
    async def body(world: World) -> None:
        for _ in range(5):
            world.host(hourly(), hourly(name="other"))
        await world.pass_(3 * HOUR, step_s=60)
        assert world.slots() == [1, 2, 3]
        assert world.slots("other") == [1, 2, 3]

    run(body)


@pytest.mark.parametrize(("rule", "expected"), [("none", [1.0]), ("last", [1, 5]), ("all", [1, 2, 3, 4, 5])])
def test_a_host_that_comes_back_catches_up_by_the_rule(rule: CatchUp, expected: list[float]) -> None:
    async def body(world: World) -> None:
        host = world.host(hourly(rule))
        await world.pass_(1.5 * HOUR, step_s=60)
        await host.stop()
        await world.pass_(4 * HOUR, step_s=HOUR)
        assert world.slots() == [1]
        world.host(hourly(rule))
        await world.pass_(1)
        assert world.slots() == expected
        await world.pass_(HOUR, step_s=60)
        assert world.slots() == [*expected, 6]

    run(body)


def test_a_schedule_that_never_fired_has_missed_what_came_while_its_host_was_away() -> None:
    async def body(world: World) -> None:
        host = world.host(hourly())
        await world.pass_(1)
        await host.stop()
        await world.pass_(HOUR, step_s=HOUR)
        world.host(hourly())
        await world.pass_(1)
        assert world.slots() == [1]

    run(body)


@pytest.mark.parametrize(("rule", "expected"), [("none", [1.0]), ("last", [1, 3]), ("all", [1, 2, 3])])
def test_a_clock_that_jumps_ahead_brings_what_the_rule_says_within_seconds(
    rule: CatchUp, expected: list[float]
) -> None:
    async def body(world: World) -> None:
        world.host(hourly(rule))
        await world.pass_(1.75 * HOUR, step_s=60)
        world.clock.set(1.5 * HOUR)
        await world.pass_(LOOK_S)
        assert world.slots() == expected

    run(body)


def test_a_clock_that_jumps_back_fires_nothing_twice() -> None:
    async def body(world: World) -> None:
        world.host(hourly("all"))
        world.host(hourly("all"))
        await world.pass_(2.5 * HOUR, step_s=60)
        world.clock.set(-HOUR)
        await world.pass_(1.25 * HOUR, step_s=60)
        assert world.slots() == [1, 2]
        world.host(hourly("all"))
        await world.pass_(HOUR, step_s=60)
        assert world.slots() == [1, 2, 3]

    run(body)


def test_a_store_that_is_away_is_asked_again_and_nothing_is_lost_or_doubled() -> None:
    async def body(world: World) -> None:
        host = world.host(hourly("all"))
        await world.pass_(0.5 * HOUR, step_s=60)
        world.ledger.broken = True
        await world.pass_(2 * HOUR, step_s=60)
        assert world.slots() == []
        assert world.notes == ["schedule report cannot be fired now, and is tried again: the disk is full"]
        world.ledger.broken = False
        assert (await host.look())[0]["trouble"] == "the disk is full"
        await world.pass_(60)
        assert world.slots() == [1, 2]
        assert (await host.look())[0]["trouble"] is None

    run(body)


def test_a_store_that_is_away_at_the_start_is_waited_for() -> None:
    async def body(world: World) -> None:
        world.ledger.broken = True
        world.host(hourly())
        await world.pass_(60)
        world.ledger.broken = False
        await world.pass_(HOUR, step_s=60)
        assert world.slots() == [1]

    run(body)


def test_a_call_that_is_refused_is_tried_again_and_said_once() -> None:
    async def body(world: World) -> None:
        world.fault = InvalidArgument("year is missing")
        world.host(hourly(), hourly(name="other"))
        await world.pass_(HOUR + 300, step_s=1)
        assert world.slots() == []
        assert len(world.notes) == 2
        world.fault = None
        await world.pass_(60)
        assert world.slots() == [1]
        assert world.slots("other") == [1]

    run(body)


def test_a_host_that_cannot_run_it_leaves_the_moment_to_one_that_can() -> None:
    async def body(world: World) -> None:
        world.host(hourly())
        await world.pass_(60)
        world.fault = NotFound("no such function")
        await world.pass_(HOUR, step_s=60)
        world.fault = None
        world.host(hourly())
        await world.pass_(1)
        assert world.slots() == [1]

    run(body)


def test_a_changed_schedule_begins_when_it_is_changed() -> None:
    async def body(world: World) -> None:
        host = world.host(hourly("all"), hourly("all", name="same"), hourly("all", name="gone"))
        await world.pass_(0.5 * HOUR, step_s=60)
        minutely = Schedule("report", "shop.report", Every(60 * US), "every 1m", catch_up="all")
        host.renew([minutely, hourly("all", name="same"), hourly("all", name="new")])
        await world.pass_(120, step_s=1)
        assert len(world.slots()) == 2
        await world.pass_(0.5 * HOUR, step_s=60)
        assert world.slots("same") == world.slots("new") == [1]
        assert world.slots("gone") == []

    run(body)


def test_one_that_rests_is_not_fired_and_catches_up_with_nothing_when_it_is_woken() -> None:
    async def body(world: World) -> None:
        host = world.host(hourly("all", enabled=False))
        await world.pass_(2.5 * HOUR, step_s=60)
        assert (await host.look())[0]["next"] == []
        host.renew([hourly("all")])
        await world.pass_(HOUR, step_s=60)
        assert world.slots() == [3]

    run(body)


def test_it_can_be_run_by_hand_and_keeps_its_moments() -> None:
    async def body(world: World) -> None:
        host = world.host(hourly(moment="at"))
        await world.pass_(60)
        assert await host.trigger("report") == world.ledger.submitted[0].id
        assert world.ledger.submitted[0].body == b'{"at":"2026-01-01T00:01:00.000Z"}'
        await world.pass_(HOUR, step_s=60)
        assert world.slots() == [1]
        with pytest.raises(NotFound, match="no schedule 'nothing'"):
            await host.trigger("nothing")

    run(body)


def test_it_tells_when_it_ran_and_when_it_will() -> None:
    async def body(world: World) -> None:
        host = world.host(hourly())
        await world.pass_(HOUR, step_s=60)
        assert await host.look() == [
            {
                "name": "report",
                "function": "shop.report",
                "when": "every 1h",
                "zone": "UTC",
                "catch_up": "last",
                "enabled": True,
                "last": "2026-01-01T01:00:00.000Z",
                "next": ["2026-01-01T02:00:00.000Z", "2026-01-01T03:00:00.000Z", "2026-01-01T04:00:00.000Z"],
                "overlap": "allow",
                "skipping": None,
                "trouble": None,
            }
        ]

    run(body)


def test_moments_are_passed_over_while_a_task_is_not_over() -> None:
    async def body(world: World) -> None:
        one, _ = world.host(hourly(overlap="skip")), world.host(hourly(overlap="skip"))
        await world.pass_(3 * HOUR, step_s=60)
        assert world.slots() == [1]
        (running,) = world.ledger.submitted
        assert world.counted == {("report", "fired"): 1, ("report", "skipped"): 2}
        assert {line for line in world.notes if running.id in line} == set(world.notes)
        assert 1 <= len(world.notes) <= len(world.hosts)
        world.ledger.over.add(running.id)
        await world.pass_(HOUR, step_s=60)
        assert world.slots() == [1, 4]
        assert (await one.look())[0]["skipping"] in {None, running.id}

    run(body)


def test_a_schedule_that_always_overlaps_says_so_once_an_hour() -> None:
    async def body(world: World) -> None:
        host = world.host(Schedule("report", "shop.report", Every(60 * US), "every 1m", overlap="skip"))
        for _ in range(40):
            await world.pass_(120, step_s=20)
            world.ledger.over.update(each.id for each in world.ledger.submitted[:-1])
            await world.pass_(60, step_s=20)
            world.ledger.over.update(each.id for each in world.ledger.submitted)
        skipped = world.counted["report", "skipped"]
        assert skipped > 30
        assert len(world.notes) == 2
        assert "since this was last said" in world.notes[1]
        assert (await host.look())[0]["overlap"] == "skip"

    run(body)


def test_a_task_that_was_run_by_hand_is_not_overlapped_either() -> None:
    async def body(world: World) -> None:
        host = world.host(hourly(overlap="skip"))
        await world.pass_(60)
        by_hand = await host.trigger("report")
        await world.pass_(HOUR, step_s=60)
        assert world.slots() == []
        assert (await host.look())[0]["skipping"] == by_hand
        world.ledger.over.add(by_hand)
        await world.pass_(HOUR, step_s=60)
        assert world.slots() == [2]
        assert (await host.look())[0]["skipping"] is None

    run(body)


def test_tasks_overlap_where_nothing_is_said() -> None:
    async def body(world: World) -> None:
        world.host(hourly())
        await world.pass_(3 * HOUR, step_s=60)
        assert world.slots() == [1, 2, 3]

    run(body)


def test_what_there_is_no_room_for_is_tried_again_and_counted() -> None:
    async def body(world: World) -> None:
        world.host(hourly())
        world.fault = Overloaded("7 tasks wait already")
        await world.pass_(HOUR + 60)
        assert (world.slots(), len(world.notes)) == ([], 1)
        assert world.counted["report", "failed"] > 1
        world.fault = None
        await world.pass_(60)
        assert (world.slots(), world.counted["report", "fired"]) == ([1], 1)

    run(body)


def test_jitter_puts_the_task_off_and_not_the_moment() -> None:
    async def body(world: World) -> None:
        world.host(hourly(jitter_s=600))
        await world.pass_(3 * HOUR, step_s=60)
        assert world.slots() == [1, 2, 3]
        offs = [(each.not_before - each.submitted_at) / US for each in world.ledger.submitted]
        assert len(set(offs)) == 3
        assert all(0 <= off < 600 for off in offs)

    run(body)


def test_between_moments_the_store_is_left_alone() -> None:
    async def body(world: World) -> None:
        world.host(hourly())
        await world.pass_(60)
        world.ledger.broken = True
        await world.pass_(0.9 * HOUR)
        assert world.notes == []

    run(body)
