"""What a worker may be, and the only ways from one to the next."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """`STARTING` until READY, `READY` while it takes calls, `DRAINING` while it only finishes some, then `GONE`."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    GONE = "gone"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.STARTING: frozenset({State.READY, State.GONE}),
    State.READY: frozenset({State.DRAINING, State.GONE}),
    State.DRAINING: frozenset({State.GONE}),
    State.GONE: frozenset(),
}


class IllegalTransition(RuntimeError):  # noqa: N818 - names the condition, as every fault here does
    """A worker was told to become what it cannot; a defect of ours, never of the user's."""


def step(state: State, target: State) -> State:
    """The new state. Raises `IllegalTransition` unless the table allows it."""
    if target not in TRANSITIONS[state]:
        message = f"a worker cannot go from {state} to {target}"
        raise IllegalTransition(message)
    return target
