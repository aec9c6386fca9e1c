"""The calls in flight on one connection: those this side made, and those it took.

Most calls want one reply and end by it, so a live call is a constant in a dictionary; only a call that may stream has
a record of its own, with its window. An input stream has its record beside that of its call.
"""

from __future__ import annotations

from typing import TypeAlias

from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.flow import Receiver, Sender
from dragoman.wire.state import (
    CALLEE,
    CALLER,
    INPUT_CALLEE,
    INPUT_CALLER,
    CallState,
    IllegalTransition,
    InputState,
    Step,
    Way,
    move_call,
    move_input,
)

WAITING = CallState.WAITING


class Reading(Receiver):
    """A call this side made and whose reply may stream."""

    __slots__ = ("state",)

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.state = WAITING


class Writing(Sender):
    """A call this side took and whose reply may stream."""

    __slots__ = ("state",)

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.state = WAITING


class Single:
    """A call that wants one reply and has an input stream: no constant, so that its end takes the long way."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = WAITING


class Feeding(Sender):
    """The input stream of a call that this side made."""

    __slots__ = ("state",)

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.state = InputState.FLOWING


class Drawing(Receiver):
    """The input stream of a call that this side took."""

    __slots__ = ("state",)

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.state = InputState.FLOWING


MadeRecord: TypeAlias = CallState | Reading | Single
TakenRecord: TypeAlias = CallState | Writing | Single


def _state(record: MadeRecord | TakenRecord) -> CallState:
    return record if isinstance(record, CallState) else record.state


class Made:
    """Calls that this side made. Invariant: an id lives until its END or FAULT has come, even if it was given up."""

    __slots__ = ("inputs", "live")

    def __init__(self) -> None:
        self.live: dict[int, MadeRecord] = {}
        self.inputs: dict[int, Feeding] = {}

    def open(self, call: int, window: int, *, stream: bool, feeds: bool) -> None:
        """Note a CALL that has just been checked."""
        self.live[call] = Reading(window) if stream else Single() if feeds else WAITING
        if feeds:
            self.inputs[call] = Feeding(window)

    def reply(self, call: int, step: Step, body_bytes: int) -> None:
        """Take ITEM, END, FAULT or RETURN. Raises `ProtocolFault`."""
        record = self.live.get(call)
        if record is None:
            raise ProtocolFault(Reason.UNKNOWN_CALL, f"{step} for call {call:#x}, which is not in flight")
        try:
            state = move_call(CALLER, _state(record), Way.RECEIVE, step)
        except IllegalTransition as illegal:
            reason = Reason.REVOKE if step is Step.RETURN else Reason.STATE
            raise ProtocolFault(reason, str(illegal)) from None
        if step is Step.ITEM:
            if not isinstance(record, Reading):
                raise ProtocolFault(Reason.STREAM, f"ITEM for call {call:#x}, which did not ask for a stream")
            record.take(body_bytes)
        elif step is Step.END and body_bytes and isinstance(record, Reading) and record.items:
            raise ProtocolFault(Reason.STREAM, f"END of the stream of call {call:#x} with a body")
        self._enter(call, record, state)

    def control(self, call: int, step: Step) -> None:
        """Give CANCEL or REVOKE. Raises `IllegalTransition`."""
        record = self.live.get(call)
        if record is None:
            raise _not_live(step, call)
        self._enter(call, record, move_call(CALLER, _state(record), Way.SEND, step))
        feeding = self.inputs.get(call)
        if feeding is not None and step is Step.CANCEL:
            feeding.state = move_input(INPUT_CALLER, feeding.state, Way.SEND, step)

    def granted(self, call: int, amount: int) -> bool:
        """Take CREDIT for an input; false where the input is at its end. Raises `ProtocolFault`."""
        if call not in self.live:
            raise ProtocolFault(Reason.UNKNOWN_CALL, f"CREDIT for the input of call {call:#x}, which is not in flight")
        feeding = self.inputs.get(call)
        if feeding is None:
            raise ProtocolFault(Reason.STREAM, f"CREDIT for the input of call {call:#x}, which has no INPUT")
        if feeding.state is not InputState.FLOWING:
            return False
        feeding.grant(amount)
        return True

    def feed(self, call: int, step: Step, cost: int) -> None:
        """Give ITEM or END of an input. Raises `IllegalTransition`."""
        feeding = self.feeding(call)
        state = move_input(INPUT_CALLER, feeding.state, Way.SEND, step)
        if step is Step.ITEM:
            if feeding.credit <= 0:
                message = f"ITEM for the input of call {call:#x} without credit"
                raise IllegalTransition(message)
            feeding.spend(cost)
        feeding.state = state

    def feeding(self, call: int) -> Feeding:
        """The window of the input of a live call. Raises `IllegalTransition` where there is none."""
        feeding = self.inputs.get(call)
        if feeding is None:
            raise _not_live(Step.ITEM, call)
        return feeding

    def reading(self, call: int) -> Reading:
        """The window of a live call that may stream. Raises `IllegalTransition` where there is none."""
        record = self.live.get(call)
        if not isinstance(record, Reading):
            raise _not_live(Step.CREDIT, call)
        return record

    def _enter(self, call: int, record: MadeRecord, state: CallState) -> None:
        if state is CallState.DONE:
            del self.live[call]
            self.inputs.pop(call, None)
        elif isinstance(record, CallState):
            self.live[call] = state
        else:
            record.state = state


class Taken:
    """Calls that this side took and owes an answer to.

    Invariant: a call enters `live` by CALL and leaves it by its answer, and nothing else writes there; what else was
    asked of a call that wants one reply is kept in `asked`. So a thread may answer while another receives.
    """

    __slots__ = ("asked", "inputs", "live")

    def __init__(self) -> None:
        self.live: dict[int, TakenRecord] = {}
        self.asked: dict[int, CallState] = {}
        self.inputs: dict[int, Drawing] = {}

    def open(self, call: int, window: int, *, stream: bool, draws: bool) -> None:
        """Note a CALL that has just been checked."""
        if draws:
            self.inputs[call] = Drawing(window)
        self.live[call] = Writing(window) if stream else Single() if draws else WAITING

    def draw(self, call: int, step: Step, body_bytes: int) -> bool:
        """Take ITEM or END of an input; false where it is to be dropped. Raises `ProtocolFault`."""
        drawing = self.inputs.get(call)
        if drawing is None:
            if call in self.live:
                raise ProtocolFault(Reason.STREAM, f"{step} of the caller for call {call:#x}, which has no INPUT")
            return False
        try:
            state = move_input(INPUT_CALLEE, drawing.state, Way.RECEIVE, step)
        except IllegalTransition as illegal:
            raise ProtocolFault(Reason.STREAM, f"call {call:#x}: {illegal}") from None
        drawing.state = state
        if state is InputState.SPOILED:
            return False
        if step is Step.ITEM:
            drawing.take(body_bytes)
        elif body_bytes:
            raise ProtocolFault(Reason.STREAM, f"the end of the input of call {call:#x} has a body")
        return True

    def spoil(self, call: int, step: Step) -> bool:
        """Take a corrupt ITEM or END of an input; false where it is dropped as any other. Raises `ProtocolFault`."""
        if not self.draw(call, step, 0):
            return False
        self.inputs[call].state = InputState.SPOILED
        return True

    def spoiled(self, call: int) -> bool:
        """Whether the input of a call was corrupt, so that its answer is DATA_LOSS."""
        drawing = self.inputs.get(call)
        return drawing is not None and drawing.state is InputState.SPOILED

    def drawing(self, call: int) -> Drawing | None:
        """The window of the input of a live call, while it flows."""
        drawing = self.inputs.get(call)
        return drawing if drawing is not None and drawing.state is InputState.FLOWING else None

    def control(self, call: int, step: Step, amount: int) -> bool:
        """Take CANCEL, REVOKE or CREDIT; false where the call has been answered already, which is no fault.

        Raises `ProtocolFault`.
        """
        record = self.live.get(call)
        if record is None:
            return False
        if step is Step.CREDIT:
            if not isinstance(record, Writing):
                raise ProtocolFault(Reason.STREAM, f"CREDIT for call {call:#x}, which did not ask for a stream")
            record.grant(amount)
        try:
            state = move_call(CALLEE, self.asked.get(call, _state(record)), Way.RECEIVE, step)
        except IllegalTransition as illegal:
            raise ProtocolFault(Reason.STATE, str(illegal)) from None
        drawing = self.inputs.get(call)
        if drawing is not None and step is Step.CANCEL:
            drawing.state = move_input(INPUT_CALLEE, drawing.state, Way.RECEIVE, step)
        if not isinstance(record, CallState):
            record.state = state
            return True
        self.asked[call] = state
        if call not in self.live:  # answered by another thread just now, which may have looked before this was asked
            self.asked.pop(call, None)
            return False
        return True

    def item(self, call: int, body_bytes: int) -> None:
        """Give ITEM. Raises `IllegalTransition` where the call may not stream, has ended or has no credit left."""
        record = self.writing(call)
        if record.credit <= 0:
            message = f"ITEM for call {call:#x} without credit"
            raise IllegalTransition(message)
        record.state = move_call(CALLEE, record.state, Way.SEND, Step.ITEM)
        record.spend(body_bytes)

    def end(self, call: int, record: TakenRecord | None, step: Step, body_bytes: int = 0) -> None:
        """Give END, FAULT or RETURN for a record that was just removed; it is put back where that is illegal.

        Raises `IllegalTransition`.
        """
        if record is None:
            raise _not_live(step, call)
        streamed = isinstance(record, Writing) and record.items
        state = self.asked.get(call, _state(record))
        possible = step in CALLEE[state][Way.SEND]
        if not possible or (step is Step.END and body_bytes and streamed):
            self.live[call] = record
            message = f"{step} with {body_bytes} bytes is not possible while call {call:#x} is {state.value}"
            raise IllegalTransition(message)
        self.asked.pop(call, None)
        self.inputs.pop(call, None)

    def writing(self, call: int) -> Writing:
        """The window of a live call that may stream. Raises `IllegalTransition` where there is none."""
        record = self.live.get(call)
        if not isinstance(record, Writing):
            raise _not_live(Step.ITEM, call)
        return record


def _not_live(step: Step, call: int) -> IllegalTransition:
    return IllegalTransition(f"{step} for call {call:#x}, which is not in flight or asked for no stream")
