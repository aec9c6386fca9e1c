import os
from uuid import UUID

from dragoman.tasks.identity import COUNTER_MAX, Identities, is_id
from dragoman.testing import ManualClock


def test_ids_are_uuids_of_version_7_that_say_when_they_were_made() -> None:
    clock = ManualClock()
    made = UUID(Identities(clock, os.urandom)())
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(clock.now() * 1000)


def test_ids_of_one_moment_sort_as_they_were_made_and_none_is_twice() -> None:
    identities = Identities(ManualClock(), os.urandom)
    made = [identities() for _ in range(2 * COUNTER_MAX)]
    assert made == sorted(set(made))


def test_a_clock_that_jumps_back_does_not_turn_the_order_round() -> None:
    clock = ManualClock()
    identities = Identities(clock, os.urandom)
    first = identities()
    earlier = ManualClock(now_s=clock.now() - 3600)
    identities._clock = earlier  # pyright: ignore[reportPrivateUsage] - ManualClock does not go back itself
    assert identities() > first


def test_an_id_is_known_in_one_way_of_writing_alone() -> None:
    made = Identities(ManualClock(), os.urandom)()
    assert is_id(made)
    assert not any(map(is_id, (made.upper(), made.replace("-", ""), f"{{{made}}}", "", "x", made + "0")))
