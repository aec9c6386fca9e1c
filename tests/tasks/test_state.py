"""The table of a task's states says what it may become, and nothing else happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.tasks import state as states
from dragoman.tasks.state import ENDS, TRANSITIONS, IllegalTransition, State, Step, move


def drawn() -> dict[State, dict[Step, State]]:
    """The table as the module's opening note draws it."""
    lines = [line.split() for line in (states.__doc__ or "").splitlines() if line.startswith("    ")]
    head, *rows = [line for line in lines if line]
    steps = [Step(word) for word in head[1:]]
    return {
        State(row[0]): {step: State(word) for step, word in zip(steps, row[1:], strict=True) if word != "-"}
        for row in rows
    }


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert drawn() == {state: dict(steps) for state, steps in TRANSITIONS.items()}


@given(st.sampled_from(State), st.sampled_from(Step))
def test_a_step_that_is_not_in_the_table_is_refused(state: State, step: Step) -> None:
    if step in TRANSITIONS[state]:
        assert move(state, step) is TRANSITIONS[state][step]
    else:
        with pytest.raises(IllegalTransition, match=f"{state} cannot {step}"):
            move(state, step)


def test_what_is_over_moves_only_if_somebody_asks_for_it_anew() -> None:
    for state in ENDS:
        assert state.over
        assert set(TRANSITIONS[state]) <= {Step.REPLAY}


def test_every_state_that_is_not_over_comes_to_an_end() -> None:
    for state in set(State) - ENDS:
        seen, reach = set[State](), {state}
        while reach:
            seen |= reach
            reach = {after for each in reach for after in TRANSITIONS[each].values()} - seen
        assert seen >= {State.SUCCEEDED, State.DEAD, State.CANCELLED, State.TIMED_OUT, State.FAILED}
