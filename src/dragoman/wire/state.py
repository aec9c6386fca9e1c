"""The protocol's states as tables: what a side may send and receive in each, and where that leads.

Three machines: one for the connection, per role, one for each call, as its caller sees it (its callee sees the mirror
image), and one for the input stream that a call may have beside its reply. `Connection` takes its every step from here,
save the few hot ones that it short-cuts and that a test holds against the tables.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TypeAlias

from dragoman.wire.frame import Flag, Frame, Kind


class Role(StrEnum):
    """Which end of the wire this is."""

    HOST = "host"
    GUEST = "guest"
    SERVER = "server"
    """A host, towards a client."""
    CLIENT = "client"
    """Who only calls: a guest without functions."""


class Way(StrEnum):
    """Whether a step is a frame sent or a frame received."""

    SEND = "send"
    RECEIVE = "receive"


class Step(StrEnum):
    """A frame as the tables see it: its kind, with CANCEL and FAULT told apart by what they mean."""

    HELLO = "HELLO"
    READY = "READY"
    CALL = "CALL"
    ITEM = "ITEM"
    END = "END"
    FAULT = "FAULT"
    CANCEL = "CANCEL"
    CREDIT = "CREDIT"
    EVENT = "EVENT"
    PING = "PING"
    PONG = "PONG"
    DRAIN = "DRAIN"
    BYE = "BYE"
    RELEASE = "RELEASE"
    REVOKE = "REVOKE"
    """CANCEL with `UNSTARTED`: give the call back if its function has not begun."""
    RETURN = "RETURN"
    """FAULT with `UNSTARTED`: the answer to REVOKE; the function has not begun and will not."""
    FAILURE = "FAILURE"
    """FAULT on call 0: the sender cannot go on; its last frame."""


class Phase(Enum):
    """Where a connection is."""

    START = "start"
    GREETING = "greeting"
    OPEN = "open"
    REFUSING = "refusing"
    DRAINING = "draining"
    LEFT = "left"
    CLOSED = "closed"


class CallState(Enum):
    """Where a call is."""

    IDLE = "idle"
    WAITING = "waiting"
    STREAMING = "streaming"
    REVOKING = "revoking"
    CANCELLING = "cancelling"
    DONE = "done"


class InputState(Enum):
    """Where the input stream of a call is."""

    FLOWING = "flowing"
    ENDED = "ended"
    SPOILED = "spoiled"
    CLOSED = "closed"


Moves: TypeAlias = dict[Step, Phase]
CallMoves: TypeAlias = dict[Step, CallState]
InputMoves: TypeAlias = dict[Step, InputState]


class IllegalTransition(Exception):  # noqa: N818 - names the condition, as every fault here does
    """A step that its table does not have: a mistake of the side that would take it."""


def step_of(frame: Frame) -> Step:
    """The step that a frame is."""
    if frame.kind == Kind.CANCEL and frame.flags & Flag.UNSTARTED:
        return Step.REVOKE
    if frame.kind == Kind.FAULT:
        if not frame.call:
            return Step.FAILURE
        return Step.RETURN if frame.flags & Flag.UNSTARTED else Step.FAULT
    return _STEPS[frame.kind]


_STEPS = {int(kind): Step[kind.name] for kind in Kind}


def _stay(phase: Phase, *steps: Step) -> Moves:
    return dict.fromkeys(steps, phase)


_REPLIES = (Step.ITEM, Step.END, Step.FAULT, Step.RETURN)
_FROM_CALLER = (Step.CANCEL, Step.CREDIT)
_BOTH_SAY = (Step.PING, Step.PONG, Step.RELEASE)
_HOST_SAYS = (*_REPLIES, *_FROM_CALLER, Step.REVOKE, *_BOTH_SAY)
_GUEST_SAYS = (*_REPLIES, *_FROM_CALLER, Step.EVENT, *_BOTH_SAY)
_ALL_FROM_GUEST = (Step.CALL, *_GUEST_SAYS, Step.DRAIN)
_ALL_FROM_HOST = (Step.CALL, *_HOST_SAYS, Step.DRAIN)
_FAILS_RECEIVED: Moves = {Step.FAILURE: Phase.CLOSED}
_FAILS_SENT: Moves = {Step.FAILURE: Phase.LEFT}
_ENDS_RECEIVED: Moves = {Step.BYE: Phase.CLOSED, **_FAILS_RECEIVED}
_ENDS_SENT: Moves = {Step.BYE: Phase.LEFT, **_FAILS_SENT}

HOST: dict[Phase, dict[Way, Moves]] = {
    Phase.START: {
        Way.SEND: {Step.HELLO: Phase.GREETING},
        Way.RECEIVE: {},
    },
    Phase.GREETING: {
        Way.SEND: {Step.FAILURE: Phase.LEFT},
        # What a source prints while it is imported is an event before READY.
        Way.RECEIVE: {Step.EVENT: Phase.GREETING, Step.READY: Phase.OPEN, Step.FAILURE: Phase.CLOSED},
    },
    Phase.OPEN: {
        Way.SEND: {**_stay(Phase.OPEN, Step.CALL, *_HOST_SAYS), Step.DRAIN: Phase.DRAINING, **_ENDS_SENT},
        # A guest says BYE only once it has the host's DRAIN: until then a CALL may be on its way to it.
        Way.RECEIVE: {**_stay(Phase.OPEN, Step.CALL, *_GUEST_SAYS), Step.DRAIN: Phase.REFUSING, **_FAILS_RECEIVED},
    },
    Phase.REFUSING: {
        Way.SEND: {**_stay(Phase.REFUSING, *_HOST_SAYS), Step.DRAIN: Phase.DRAINING, **_ENDS_SENT},
        Way.RECEIVE: {**_stay(Phase.REFUSING, *_ALL_FROM_GUEST), **_FAILS_RECEIVED},
    },
    Phase.DRAINING: {
        Way.SEND: {**_stay(Phase.DRAINING, *_HOST_SAYS, Step.DRAIN), **_ENDS_SENT},
        # Functions still at work may call their host until they end.
        Way.RECEIVE: {**_stay(Phase.DRAINING, *_ALL_FROM_GUEST), **_ENDS_RECEIVED},
    },
    Phase.LEFT: {
        Way.SEND: {},
        # Frames that were on their way when this side left are read and dropped.
        Way.RECEIVE: _stay(Phase.LEFT, Step.READY, *_ALL_FROM_GUEST, Step.BYE, Step.FAILURE),
    },
    Phase.CLOSED: {
        Way.SEND: {Step.BYE: Phase.LEFT},
        Way.RECEIVE: {},
    },
}

GUEST: dict[Phase, dict[Way, Moves]] = {
    Phase.START: {
        Way.SEND: {},
        Way.RECEIVE: {Step.HELLO: Phase.GREETING},
    },
    Phase.GREETING: {
        Way.SEND: {Step.EVENT: Phase.GREETING, Step.READY: Phase.OPEN, Step.FAILURE: Phase.LEFT},
        Way.RECEIVE: {Step.FAILURE: Phase.CLOSED},
    },
    Phase.OPEN: {
        Way.SEND: {**_stay(Phase.OPEN, Step.CALL, *_GUEST_SAYS), Step.DRAIN: Phase.REFUSING, **_FAILS_SENT},
        Way.RECEIVE: {**_stay(Phase.OPEN, Step.CALL, *_HOST_SAYS), Step.DRAIN: Phase.DRAINING, **_ENDS_RECEIVED},
    },
    Phase.REFUSING: {
        Way.SEND: {**_stay(Phase.REFUSING, Step.CALL, *_GUEST_SAYS), **_FAILS_SENT},
        # A CALL may have crossed this side's DRAIN: it is answered UNAVAILABLE, started "no".
        Way.RECEIVE: {
            **_stay(Phase.REFUSING, Step.CALL, *_HOST_SAYS),
            Step.DRAIN: Phase.DRAINING,
            **_ENDS_RECEIVED,
        },
    },
    Phase.DRAINING: {
        Way.SEND: {**_stay(Phase.DRAINING, *_ALL_FROM_GUEST), **_ENDS_SENT},
        Way.RECEIVE: {**_stay(Phase.DRAINING, *_HOST_SAYS, Step.DRAIN), **_ENDS_RECEIVED},
    },
    Phase.LEFT: {
        Way.SEND: {},
        Way.RECEIVE: _stay(Phase.LEFT, *_ALL_FROM_HOST, Step.BYE, Step.FAILURE),
    },
    Phase.CLOSED: {
        Way.SEND: {Step.BYE: Phase.LEFT},
        Way.RECEIVE: {},
    },
}

_SERVER_SAYS = (*_REPLIES, Step.CREDIT, *_BOTH_SAY)
_CLIENT_SAYS = (*_REPLIES, *_FROM_CALLER, *_BOTH_SAY)  # ITEM and END of its inputs; the other replies answer nothing
_SERVER_OPEN = (Step.CALL, *_CLIENT_SAYS)

SERVER: dict[Phase, dict[Way, Moves]] = {
    Phase.START: HOST[Phase.START],
    Phase.GREETING: {
        Way.SEND: {Step.FAILURE: Phase.LEFT},
        Way.RECEIVE: {Step.READY: Phase.OPEN, Step.FAILURE: Phase.CLOSED},
    },
    Phase.OPEN: {
        Way.SEND: {**_stay(Phase.OPEN, *_SERVER_SAYS), Step.DRAIN: Phase.DRAINING, **_ENDS_SENT},
        Way.RECEIVE: {**_stay(Phase.OPEN, *_SERVER_OPEN), **_ENDS_RECEIVED},
    },
    Phase.DRAINING: {
        Way.SEND: {**_stay(Phase.DRAINING, *_SERVER_SAYS, Step.DRAIN), **_ENDS_SENT},
        # A CALL that crossed the DRAIN is answered UNAVAILABLE, started "no".
        Way.RECEIVE: {**_stay(Phase.DRAINING, *_SERVER_OPEN), **_ENDS_RECEIVED},
    },
    Phase.LEFT: {
        Way.SEND: {},
        Way.RECEIVE: _stay(Phase.LEFT, Step.READY, *_SERVER_OPEN, Step.BYE, Step.FAILURE),
    },
    Phase.CLOSED: HOST[Phase.CLOSED],
}

CLIENT: dict[Phase, dict[Way, Moves]] = {
    Phase.START: GUEST[Phase.START],
    Phase.GREETING: {
        Way.SEND: {Step.READY: Phase.OPEN, Step.FAILURE: Phase.LEFT},
        Way.RECEIVE: {Step.FAILURE: Phase.CLOSED},
    },
    Phase.OPEN: {
        Way.SEND: {**_stay(Phase.OPEN, *_SERVER_OPEN), **_ENDS_SENT},
        Way.RECEIVE: {**_stay(Phase.OPEN, *_SERVER_SAYS), Step.DRAIN: Phase.DRAINING, **_ENDS_RECEIVED},
    },
    Phase.DRAINING: {
        Way.SEND: {**_stay(Phase.DRAINING, *_CLIENT_SAYS), **_ENDS_SENT},
        Way.RECEIVE: {**_stay(Phase.DRAINING, *_SERVER_SAYS, Step.DRAIN), **_ENDS_RECEIVED},
    },
    Phase.LEFT: {
        Way.SEND: {},
        Way.RECEIVE: _stay(Phase.LEFT, *_SERVER_SAYS, Step.DRAIN, Step.BYE, Step.FAILURE),
    },
    Phase.CLOSED: GUEST[Phase.CLOSED],
}
"""Neither has *refusing*: a client sends no DRAIN."""

CONNECTION: dict[Role, dict[Phase, dict[Way, Moves]]] = {
    Role.HOST: HOST,
    Role.GUEST: GUEST,
    Role.SERVER: SERVER,
    Role.CLIENT: CLIENT,
}

_ENDS: CallMoves = {Step.END: CallState.DONE, Step.FAULT: CallState.DONE}

CALLER: dict[CallState, dict[Way, CallMoves]] = {
    CallState.IDLE: {
        Way.SEND: {Step.CALL: CallState.WAITING},
        Way.RECEIVE: {},
    },
    CallState.WAITING: {
        Way.SEND: {
            Step.CREDIT: CallState.WAITING,
            Step.REVOKE: CallState.REVOKING,
            Step.CANCEL: CallState.CANCELLING,
        },
        Way.RECEIVE: {Step.ITEM: CallState.STREAMING, **_ENDS},
    },
    CallState.STREAMING: {
        Way.SEND: {Step.CREDIT: CallState.STREAMING, Step.CANCEL: CallState.CANCELLING},
        Way.RECEIVE: {Step.ITEM: CallState.STREAMING, **_ENDS},
    },
    CallState.REVOKING: {
        Way.SEND: {Step.CREDIT: CallState.REVOKING, Step.CANCEL: CallState.CANCELLING},
        # The function may have begun before REVOKE came: then everything goes on as if it had not been sent.
        Way.RECEIVE: {Step.ITEM: CallState.REVOKING, Step.RETURN: CallState.DONE, **_ENDS},
    },
    CallState.CANCELLING: {
        Way.SEND: {Step.CREDIT: CallState.CANCELLING, Step.CANCEL: CallState.CANCELLING},
        # What was on its way when the caller gave up still comes; the id lives until END or FAULT.
        Way.RECEIVE: {Step.ITEM: CallState.CANCELLING, Step.RETURN: CallState.DONE, **_ENDS},
    },
    CallState.DONE: {
        Way.SEND: {},
        Way.RECEIVE: {},
    },
}
"""ITEM and CREDIT need a CALL that carried STREAM; END has an empty body once an ITEM has gone."""

CALLEE: dict[CallState, dict[Way, CallMoves]] = {
    state: {Way.SEND: ways[Way.RECEIVE], Way.RECEIVE: ways[Way.SEND]} for state, ways in CALLER.items()
}
# A REVOKE may cross the first ITEM: the function has begun, so it changes nothing.
CALLEE[CallState.STREAMING][Way.RECEIVE] = {
    **CALLEE[CallState.STREAMING][Way.RECEIVE],
    Step.REVOKE: CallState.STREAMING,
}

_ANSWERS: InputMoves = dict.fromkeys((Step.END, Step.FAULT, Step.RETURN), InputState.CLOSED)

INPUT_CALLER: dict[InputState, dict[Way, InputMoves]] = {
    InputState.FLOWING: {
        Way.SEND: {Step.ITEM: InputState.FLOWING, Step.END: InputState.ENDED, Step.CANCEL: InputState.CLOSED},
        Way.RECEIVE: {Step.CREDIT: InputState.FLOWING, **_ANSWERS},
    },
    InputState.ENDED: {
        Way.SEND: {Step.CANCEL: InputState.CLOSED},
        # What the callee granted before it saw the end.
        Way.RECEIVE: {Step.CREDIT: InputState.ENDED, **_ANSWERS},
    },
    InputState.CLOSED: {
        Way.SEND: {Step.CANCEL: InputState.CLOSED},
        Way.RECEIVE: {Step.CREDIT: InputState.CLOSED, **_ANSWERS},
    },
}
"""The input stream of a call with INPUT. END is the input's where the caller sends it, the call's where it comes."""

INPUT_CALLEE: dict[InputState, dict[Way, InputMoves]] = {
    **{state: {Way.SEND: ways[Way.RECEIVE], Way.RECEIVE: ways[Way.SEND]} for state, ways in INPUT_CALLER.items()},
    # After a corrupt item the caller goes on until it has the answer.
    InputState.SPOILED: {
        Way.SEND: _ANSWERS,
        Way.RECEIVE: {
            Step.ITEM: InputState.SPOILED,
            Step.END: InputState.SPOILED,
            Step.CANCEL: InputState.CLOSED,
        },
    },
}


def move(table: dict[Phase, dict[Way, Moves]], phase: Phase, way: Way, step: Step) -> Phase:
    """The connection's next phase. Raises `IllegalTransition`."""
    try:
        return table[phase][way][step]
    except KeyError:
        message = f"{way} {step} is not possible while the connection is {phase.value}"
        raise IllegalTransition(message) from None


def move_call(table: dict[CallState, dict[Way, CallMoves]], state: CallState, way: Way, step: Step) -> CallState:
    """The call's next state. Raises `IllegalTransition`."""
    try:
        return table[state][way][step]
    except KeyError:
        message = f"{way} {step} is not possible while the call is {state.value}"
        raise IllegalTransition(message) from None


def move_input(table: dict[InputState, dict[Way, InputMoves]], state: InputState, way: Way, step: Step) -> InputState:
    """The input stream's next state. Raises `IllegalTransition`."""
    try:
        return table[state][way][step]
    except KeyError:
        message = f"{way} {step} is not possible while the input of the call is {state.value}"
        raise IllegalTransition(message) from None
