from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dragoman.core.call import Priority
from dragoman.policies.turns import Turns, Waiter
from tests.policies.crowd import call_of

NOBODY: Any = None


def waiter(caller: str = "", priority: int = Priority.NORMAL) -> Waiter:
    return Waiter(call_of(caller, priority), NOBODY, caller)


def order(turns: Turns, running: Mapping[str, int] | None = None) -> str:
    return "".join(turns.next(running or {}).caller for _ in range(turns.count))


def line(turns: Turns, callers: Iterable[str], priority: int = Priority.NORMAL) -> list[Waiter]:
    waiters = [waiter(caller, priority) for caller in callers]
    for each in waiters:
        turns.join(each)
    return waiters


def test_callers_are_served_in_turns_whoever_came_first() -> None:
    turns = Turns(100, 2)
    line(turns, "aaaaabbc")
    assert order(turns) == "abcabaaa"
    assert (turns.count, dict(turns.callers)) == (0, {})


def test_what_matters_more_goes_first_within_a_caller_and_among_callers() -> None:
    turns = Turns(100, 3)
    line(turns, "aab", Priority.BATCH)
    line(turns, "ab", Priority.NORMAL)
    line(turns, "b", Priority.CRITICAL)
    served = [turns.next({}).call.priority for _ in range(6)]
    assert served == sorted(served)


def test_a_caller_whose_calls_are_all_critical_does_not_starve_another() -> None:
    turns = Turns(100, 3)
    line(turns, "aaaaaa", Priority.CRITICAL)
    line(turns, "bb", Priority.BATCH)
    assert order(turns) == "abab" + "aaaa"


def test_a_caller_that_has_its_share_is_passed_over_while_another_waits() -> None:
    turns = Turns(100, 2)
    line(turns, "aabb")
    assert turns.next({"a": 2}).caller == "b"
    assert turns.next({"a": 2, "b": 1}).caller == "b", "twice in a row rather than past the share of another"
    assert turns.next({"a": 2, "b": 2}).caller == "a", "nobody else waits"


def test_where_nobody_is_told_apart_it_is_priority_and_then_first_come() -> None:
    turns = Turns(100, 0)
    batch = line(turns, [""] * 2, Priority.BATCH)
    normal = line(turns, [""] * 2)
    assert [turns.next({}) for _ in range(4)] == [*normal, *batch]


def test_leaving_is_counted_once() -> None:
    turns = Turns(100, 1)
    first, second = line(turns, "ab")
    assert turns.leave(first)
    assert not turns.leave(first)
    assert not turns.leave(waiter("a"))
    assert turns.next({}) is second
    assert not turns.leave(second)
    assert turns.count == 0


def test_a_caller_with_less_than_its_share_takes_the_newest_place_of_the_one_with_most() -> None:
    turns = Turns(2, 1)
    line(turns, "aaa")
    greedy = line(turns, "bbbb")
    assert turns.displaced(call_of("c", Priority.BATCH), "c") is greedy[-1]
    assert turns.displaced(call_of("a"), "a") is None, "it has more than its share itself"
    assert Counter(order(turns)) == {"a": 3, "b": 3}


def test_a_call_takes_the_place_of_one_that_matters_less_but_of_others_only_within_its_share() -> None:
    turns = Turns(2, 1)
    line(turns, "a", Priority.NORMAL)
    (other,) = line(turns, "b", Priority.BATCH)
    (own,) = line(turns, "a", Priority.BATCH)
    assert turns.displaced(call_of("b", Priority.BATCH), "b") is None
    assert turns.displaced(call_of("a", Priority.CRITICAL), "a") is own
    line(turns, "a", Priority.NORMAL)
    assert turns.displaced(call_of("c", Priority.NORMAL), "c") is other
