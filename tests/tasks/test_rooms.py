from collections import Counter

import pytest

from dragoman.tasks.options import TaskOptions
from dragoman.tasks.pace import TASKS_MIN, TURN_S, Pace
from dragoman.tasks.rooms import (
    AHEAD_BYTES_MAX,
    AHEAD_MAX,
    CLAIMS_AHEAD,
    GENTLE_S,
    HELD_S_MIN,
    LOOK_S,
    PAUSE_S_MAX,
    REST,
    Rooms,
)
from dragoman.tasks.task import Want
from dragoman.tasks.works import Job, Room
from dragoman.testing import ManualClock

PLAIN = TaskOptions()


class Host:
    """Functions of some sources, and how busy these are."""

    def __init__(self, *functions: str, places: int = 4, limit: int = 0) -> None:
        self.clock = ManualClock()
        self.jobs = {name: Job(name.partition(".")[0], TaskOptions(concurrency=limit)) for name in functions}
        self.now: dict[str, Room] = {}
        self.places = places
        self.offered = 0
        pace = Pace(lambda: self.offered, self.clock.monotonic)
        self.rooms = Rooms(lambda: self.jobs, self.room, self.clock.monotonic, pace)
        self.rooms.renew()

    def room(self, group: str) -> Room:
        known = self.rooms._groups.get(group)  # pyright: ignore[reportPrivateUsage] - it is being made just now
        return self.now.get(group, Room(self.places, known.running if known else 0))

    def counts(self) -> dict[str, int]:
        return {want.function: want.count for want in self.rooms.wants()}


def test_as_much_is_wanted_as_there_are_places() -> None:
    host = Host("a.f", "b.g")
    assert host.counts() == {"a.f": 4, "b.g": 4}
    host.rooms.begun("a")
    assert host.counts() == {"a.f": 3, "b.g": 4}


def test_functions_of_one_source_share_its_places_turn_about() -> None:
    host = Host("a.f", "a.g", "a.h", places=4)
    seen = Counter[str]()
    for _ in range(3):
        counts = host.counts()
        assert sum(counts.values()) == 4
        seen.update(counts)
    assert set(seen.values()) == {4}
    host.places = 1
    assert {next(iter(host.counts())) for _ in range(3)} == {"a.f", "a.g", "a.h"}


def test_a_function_that_has_nothing_is_not_asked_for_again_until_something_is_heard() -> None:
    host = Host("a.f", "a.g")
    wants = host.rooms.wants()
    host.rooms.found(wants, {"a.g": 2})
    assert host.counts() == {"a.g": 4}
    host.rooms.stir("a.f")
    assert host.counts() == {"a.f": 2, "a.g": 2}


def test_what_is_heard_while_a_claim_is_on_its_way_is_not_forgotten() -> None:
    host = Host("a.f")
    wants = host.rooms.wants()
    host.rooms.stir("a.f")
    host.rooms.found(wants, {})
    assert host.counts() == {"a.f": 4}


def test_the_bound_over_all_hosts_is_asked_for() -> None:
    assert Host("a.f", limit=2).rooms.wants() == [Want("a.f", 2, 2)]


def test_a_function_that_refuses_is_left_alone_longer_and_longer_until_it_takes_one() -> None:
    host = Host("a.f", "b.g")
    pauses: list[float] = []
    for _ in range(12):
        pauses.append(host.rooms.refused("a.f"))
        assert host.counts() == {"b.g": 4}
        host.clock.advance(pauses[-1] + 1e-6)
        assert host.counts() == {"a.f": 4, "b.g": 4}
    assert pauses[1] == 2 * pauses[0]
    assert pauses[-1] == PAUSE_S_MAX
    host.rooms.taken("a.f")
    assert host.rooms.refused("a.f") == pauses[0]


def test_short_tasks_are_claimed_ahead_and_long_ones_are_not() -> None:
    host = Host("a.f", places=2)
    for _ in range(50):
        host.rooms.claimed(0.01)
        host.rooms.begun("a")
        host.rooms.ended("a", 0.001)
    assert host.counts()["a.f"] == pytest.approx(2 + 2 * 2 * 10, abs=2)
    host.rooms.group("a").held = 30
    assert host.counts() == {}  # those that wait last until the next claim
    host.rooms.group("a").held = 0
    for _ in range(50):
        host.rooms.begun("a")
        host.rooms.ended("a", 5.0)
    assert host.counts() == {"a.f": 2}
    for _ in range(200):
        host.rooms.begun("a")
        host.rooms.ended("a", 1e-9)
    assert host.counts()["a.f"] <= 2 + AHEAD_MAX


def test_other_calls_are_left_a_part_of_the_places_for_a_while() -> None:
    host = Host("a.f", places=4)
    assert host.rooms.free("a") == 4
    host.now["a"] = Room(4, busy=1, offered=1)
    assert host.rooms.free("a") == 2
    host.now["a"] = Room(4, busy=0, offered=1)
    assert host.rooms.free("a") == 2
    host.clock.advance(GENTLE_S)
    assert host.rooms.free("a") == 4


def test_tasks_are_no_other_calls_however_late_they_are_called() -> None:
    host = Host("a.f", places=4)
    host.rooms.begun("a")
    host.rooms.begun("a")
    for offered in (0, 1, 2):
        host.now["a"] = Room(4, busy=2, offered=offered)
        assert host.rooms.free("a") == 2
        host.rooms.group("a").running = 0
        host.now["a"] = Room(4, offered=offered)
        assert host.rooms.free("a") == 4
        host.rooms.group("a").running = 2


def test_while_calls_come_to_any_source_little_is_claimed_and_in_turns() -> None:
    host = Host("a.f", "b.g", places=8)
    assert host.counts() == {"a.f": 8, "b.g": 8}
    host.clock.advance(TURN_S)
    host.offered = 100
    wants = host.rooms.wants()
    assert sum(want.count for want in wants) == int(TASKS_MIN * TURN_S)
    host.rooms.found(wants, {want.function: want.count for want in wants})
    assert host.rooms.wants() == []
    assert host.rooms.look_s() == pytest.approx(TURN_S)
    host.clock.advance(TURN_S)
    assert sum(want.count for want in host.rooms.wants()) == int(TASKS_MIN * TURN_S)


def test_where_others_take_all_places_one_task_goes_at_a_time_and_rests_in_proportion() -> None:
    host = Host("a.f", places=2)
    host.now["a"] = Room(2, busy=2, waiting=100)
    assert host.rooms.free("a") == 1
    host.rooms.begun("a")
    host.now["a"] = Room(2, busy=3, waiting=100)
    assert host.rooms.free("a") == 0
    host.rooms.ended("a", 2.0)
    host.now["a"] = Room(2, busy=2, waiting=100)
    host.clock.advance(2.0 * REST - 0.1)
    assert host.rooms.free("a") == 0
    host.clock.advance(0.2)
    assert host.rooms.free("a") == 1


def test_whoever_waits_for_room_that_nobody_tells_of_knows_when_to_look() -> None:
    host = Host("a.f")
    host.now["a"] = Room(0)
    assert host.counts() == {}
    assert host.rooms.look_s() == LOOK_S
    pause_s = host.rooms.refused("a.f")
    assert host.rooms.look_s() == pytest.approx(pause_s)
    host.clock.advance(pause_s + 1e-6)
    host.rooms.found([Want("a.f", 1)], {})
    assert host.rooms.look_s() == LOOK_S
    host.rooms.wants()
    host.rooms.found([Want("a.f", 1)], {})
    assert host.rooms.look_s() is None


def test_for_what_is_claimed_and_has_no_place_yet_one_looks_again_though_nothing_more_is_there() -> None:
    host = Host("a.f", places=2)
    host.rooms.wants()
    host.rooms.taken_in("a", 10)
    host.now["a"] = Room(2, busy=2, waiting=100)
    host.rooms.begun("a")
    host.rooms.found([Want("a.f", 2)], {"a.f": 1})
    assert host.rooms.free("a") == 0
    assert host.rooms.look_s() == LOOK_S


def test_what_waits_in_a_source_that_is_gone_waits_no_longer() -> None:
    host = Host("a.f", places=2)
    host.rooms.taken_in("a", 10)
    host.rooms.taken_in("a", 10)
    host.rooms.begun("a")
    host.rooms.begun("a")
    assert host.rooms.free("a") == 0
    host.now["a"] = Room(0)
    assert host.rooms.free("a") == 2
    assert host.counts() == {}


def test_functions_that_are_not_there_any_more_are_not_claimed() -> None:
    host = Host("a.f", "b.g")
    del host.jobs["a.f"]
    assert host.counts() == {"b.g": 4}


def test_nothing_is_claimed_ahead_of_tasks_that_go_on_for_longer_than_those_before() -> None:
    host = Host("a.f", places=2)
    for _ in range(50):
        host.rooms.begun("a")
        host.rooms.ended("a", 0.001)
    assert host.counts()["a.f"] > 2
    host.rooms.begun("a")
    host.rooms.begun("a")
    host.clock.advance(1)
    assert host.counts() == {}


def test_of_large_inputs_few_are_held() -> None:
    host = Host("a.f", places=2)
    for _ in range(50):
        host.rooms.claimed(0.5)
        host.rooms.begun("a")
        host.rooms.ended("a", 0.001)
        host.rooms.taken_in("a", AHEAD_BYTES_MAX // 4)
        host.rooms.group("a").held = 0
    assert host.counts() == {"a.f": 2 + 4}


def test_nothing_more_is_wanted_ahead_once_what_was_has_found_no_place_until_a_task_has_ended() -> None:
    host = Host("a.f", places=4)
    host.rooms.begun("a")
    host.rooms.ended("a", 0.001)
    assert host.counts()["a.f"] > 4
    host.rooms.misjudged("a")
    assert host.counts() == {"a.f": 4}
    host.rooms.begun("a")
    host.rooms.ended("a", 0.001)
    assert host.counts()["a.f"] > 4


def test_what_waits_for_its_place_is_given_more_time_where_claims_take_long() -> None:
    rooms = Host("a.f").rooms
    assert rooms.patience_s() == HELD_S_MIN
    rooms.claim_s = 1.0
    assert rooms.patience_s() > CLAIMS_AHEAD
