"""The tables, and what they promise each other."""

from __future__ import annotations

import pytest

from dragoman.wire.frame import Flag, Frame, Kind
from dragoman.wire.state import (
    CALLEE,
    CALLER,
    CLIENT,
    CONNECTION,
    GUEST,
    HOST,
    INPUT_CALLEE,
    INPUT_CALLER,
    SERVER,
    CallState,
    IllegalTransition,
    InputState,
    Phase,
    Role,
    Step,
    Way,
    move,
    move_call,
    move_input,
    step_of,
)


def test_a_table_raises_on_a_step_that_it_does_not_have() -> None:
    assert move(HOST, Phase.START, Way.SEND, Step.HELLO) is Phase.GREETING
    with pytest.raises(IllegalTransition, match="send CALL is not possible while the connection is start"):
        move(HOST, Phase.START, Way.SEND, Step.CALL)
    with pytest.raises(IllegalTransition, match="receive ITEM is not possible while the call is idle"):
        move_call(CALLER, CallState.IDLE, Way.RECEIVE, Step.ITEM)


def test_every_phase_and_every_state_has_both_ways() -> None:
    for role, table in CONNECTION.items():
        assert set(table) == set(Phase) - ({Phase.REFUSING} if role in {Role.SERVER, Role.CLIENT} else set())
        assert all(set(ways) == set(Way) for ways in table.values())
    for table in (CALLER, CALLEE):
        assert set(table) == set(CallState)
        assert all(set(ways) == set(Way) for ways in table.values())
    assert set(INPUT_CALLER) == set(InputState) - {InputState.SPOILED}
    assert set(INPUT_CALLEE) == set(InputState)
    for table in (INPUT_CALLER, INPUT_CALLEE):
        assert all(set(ways) == set(Way) for ways in table.values())


def test_an_input_may_go_on_or_end_only_while_it_flows() -> None:
    for state in set(INPUT_CALLER) - {InputState.FLOWING}:
        with pytest.raises(IllegalTransition, match=f"send ITEM .* the input of the call is {state.value}"):
            move_input(INPUT_CALLER, state, Way.SEND, Step.ITEM)
    for step in (Step.ITEM, Step.END):
        assert move_input(INPUT_CALLEE, InputState.SPOILED, Way.RECEIVE, step) is InputState.SPOILED


def test_what_one_role_may_send_the_other_knows() -> None:
    for sender, receiver in ((HOST, GUEST), (GUEST, HOST), (SERVER, CLIENT), (CLIENT, SERVER)):
        sent = {step for ways in sender.values() for step in ways[Way.SEND]}
        known = {step for ways in receiver.values() for step in ways[Way.RECEIVE]}
        assert sent == known


def test_every_live_call_can_be_answered() -> None:
    for state in set(CallState) - {CallState.IDLE, CallState.DONE}:
        for step in (Step.END, Step.FAULT):
            assert CALLER[state][Way.RECEIVE][step] is CallState.DONE
            assert CALLEE[state][Way.SEND][step] is CallState.DONE


@pytest.mark.parametrize(
    ("frame", "step"),
    [
        (Frame(Kind.CANCEL, call=1), Step.CANCEL),
        (Frame(Kind.CANCEL, Flag.UNSTARTED, call=1), Step.REVOKE),
        (Frame(Kind.FAULT, call=1), Step.FAULT),
        (Frame(Kind.FAULT, Flag.UNSTARTED, call=1), Step.RETURN),
        (Frame(Kind.FAULT), Step.FAILURE),
        (Frame(Kind.END, call=1), Step.END),
    ],
)
def test_a_frame_is_a_step_by_what_it_means(frame: Frame, step: Step) -> None:
    assert step_of(frame) is step
