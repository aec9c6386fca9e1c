from hypothesis import given
from hypothesis import strategies as st

from dragoman.policies.budget import REFILL_S, RESERVE, TOKENS_MAX, Budget
from dragoman.testing import ManualClock


def take_all(budget: Budget) -> int:
    taken = 0
    while budget.take():
        taken += 1
    return taken


def test_a_function_that_was_never_called_before_has_a_reserve_and_no_more() -> None:
    assert take_all(Budget(0.1, ManualClock())) == RESERVE


def test_the_reserve_is_an_advance_that_calls_pay_back_before_they_earn_more() -> None:
    budget = Budget(0.1, ManualClock())
    take_all(budget)
    budget.calls += 10 * round(RESERVE)
    assert take_all(budget) == 0
    budget.calls += 200
    assert take_all(budget) == 20
    budget.calls += 19
    assert take_all(budget) == 1


def test_good_times_save_up_only_so_much() -> None:
    budget = Budget(0.5, ManualClock())
    budget.calls += 1_000_000
    assert budget.tokens == TOKENS_MAX
    assert take_all(budget) == TOKENS_MAX


def test_the_reserve_comes_back_with_time_but_never_more_than_it() -> None:
    clock = ManualClock()
    budget = Budget(0.1, clock)
    take_all(budget)
    clock.advance(2 * REFILL_S)
    assert take_all(budget) == 2
    clock.advance(1000 * REFILL_S)
    assert take_all(budget) == RESERVE


def test_what_time_lends_is_paid_back_too_but_never_more_than_the_reserve() -> None:
    clock = ManualClock()
    budget = Budget(0.1, clock)
    for _ in range(100):
        clock.advance(RESERVE * REFILL_S)
        assert take_all(budget) == RESERVE
    budget.calls += 10 * round(RESERVE)
    assert take_all(budget) == 0
    budget.calls += 10
    assert take_all(budget) == 1


def test_no_share_means_no_further_attempts_at_all() -> None:
    clock = ManualClock()
    budget = Budget(0.0, clock)
    budget.calls += 1000
    clock.advance(1000)
    assert take_all(budget) == 0


@given(st.floats(0, 1), st.lists(st.integers(0, 50), max_size=50))
def test_attempts_never_pass_their_share_or_else_the_reserve(share: float, bursts: list[int]) -> None:
    budget, calls, taken = Budget(share, ManualClock()), 0, 0
    for burst in bursts:
        budget.calls += burst
        calls += burst
        taken += take_all(budget)
        assert taken <= max(RESERVE, share * calls) + 1e-6
