"""The states of a task, and the steps between them, as a table: what is not in it cannot happen.

    state      due      claim    succeed    fail    time_out   cancel     exhaust  retry     suspend    release  replay
    SCHEDULED  PENDING  -        -          -       TIMED_OUT  CANCELLED  -        -         -          -        -
    PENDING    -        RUNNING  -          -       TIMED_OUT  CANCELLED  -        -         -          -        -
    RUNNING    -        -        SUCCEEDED  FAILED  TIMED_OUT  CANCELLED  DEAD     RETRYING  SCHEDULED  PENDING  -
    RETRYING   PENDING  -        -          -       TIMED_OUT  CANCELLED  -        -         -          -        -
    SUCCEEDED  -        -        -          -       -          -          -        -         -          -        -
    FAILED     -        -        -          -       -          -          -        -         -          -        PENDING
    TIMED_OUT  -        -        -          -       -          -          -        -         -          -        PENDING
    CANCELLED  -        -        -          -       -          -          -        -         -          -        PENDING
    DEAD       -        -        -          -       -          -          -        -         -          -        PENDING

A task that asks to be run later, or that waits for other tasks, is SCHEDULED. One whose attempt failed in a way that
may pass is RETRYING until its next attempt is due; DEAD once there is none left. FAILED is one whose fault says that
another attempt would fail alike. RELEASE gives back a task that was claimed and never begun, or whose host is draining.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What a task may be."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"
    DEAD = "DEAD"

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self in ENDS


class Step(StrEnum):
    """What may happen to a task."""

    DUE = "due"
    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    TIME_OUT = "time_out"
    CANCEL = "cancel"
    EXHAUST = "exhaust"
    RETRY = "retry"
    SUSPEND = "suspend"
    RELEASE = "release"
    REPLAY = "replay"


ENDS = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.CANCELLED, State.DEAD})
"""States in which a task stays, unless somebody has it run again."""

_WAITS = {Step.TIME_OUT: State.TIMED_OUT, Step.CANCEL: State.CANCELLED}
_LOST = {Step.REPLAY: State.PENDING}
TRANSITIONS: Mapping[State, Mapping[Step, State]] = MappingProxyType(
    {
        State.SCHEDULED: {Step.DUE: State.PENDING, **_WAITS},
        State.PENDING: {Step.CLAIM: State.RUNNING, **_WAITS},
        State.RUNNING: {
            Step.SUCCEED: State.SUCCEEDED,
            Step.FAIL: State.FAILED,
            Step.EXHAUST: State.DEAD,
            Step.RETRY: State.RETRYING,
            Step.SUSPEND: State.SCHEDULED,
            Step.RELEASE: State.PENDING,
            **_WAITS,
        },
        State.RETRYING: {Step.DUE: State.PENDING, **_WAITS},
        State.SUCCEEDED: {},
        State.FAILED: _LOST,
        State.TIMED_OUT: _LOST,
        State.CANCELLED: _LOST,
        State.DEAD: _LOST,
    }
)


class IllegalTransition(RuntimeError):  # noqa: N818 - names the condition, as every fault here does
    """A task was to become what it cannot; a defect of ours, never of the user's."""


def move(state: State, step: Step) -> State:
    """The new state. Raises `IllegalTransition` unless the table has the step."""
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        message = f"a task that is {state} cannot {step}"
        raise IllegalTransition(message) from None
