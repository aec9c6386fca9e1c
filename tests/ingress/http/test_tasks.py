"""The words for states are those that tasks have."""

from __future__ import annotations

from dragoman.ingress.http.tasks import LIVE, OVER, STATES, is_over
from dragoman.tasks.state import ENDS, State


def test_the_states_are_those_of_tasks() -> None:
    assert set(STATES) == {state.value for state in State}
    assert set(OVER) == {state.value for state in ENDS}
    assert len(STATES) == len(set(STATES))


def test_a_task_is_over_in_those_in_which_it_stays() -> None:
    assert all(is_over({"state": state}) for state in OVER)
    assert not any(is_over({"state": state}) for state in LIVE)
