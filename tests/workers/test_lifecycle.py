from itertools import product

import pytest

from dragoman.workers.lifecycle import TRANSITIONS, IllegalTransition, State, step

LEGAL = [(state, target) for state, targets in TRANSITIONS.items() for target in targets]


@pytest.mark.parametrize(("state", "target"), LEGAL)
def test_what_the_table_allows_happens(state: State, target: State) -> None:
    assert step(state, target) is target


@pytest.mark.parametrize(("state", "target"), [pair for pair in product(State, State) if pair not in LEGAL])
def test_whatever_else_raises(state: State, target: State) -> None:
    with pytest.raises(IllegalTransition, match=f"from {state} to {target}"):
        step(state, target)


def test_every_state_leads_to_the_end() -> None:
    assert all(State.GONE in targets for state, targets in TRANSITIONS.items() if state is not State.GONE)
