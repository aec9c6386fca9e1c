"""Callers of one layer who come and leave at every moment, and a service that answers when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from itertools import count
from random import Random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from dragoman.core.call import Call, Codec, Priority, Reply
from dragoman.core.deadline import NEVER
from dragoman.core.fault import Cancelled, DeadlineExceeded, Fault, Overloaded, Started, WorkerLost
from dragoman.core.service import Pending, Service, settle
from dragoman.core.target import Target
from dragoman.policies.surroundings import Policy, Surroundings
from dragoman.testing.clock import ManualClock

TARGET = Target("s.f", "s", "f", 0, 5.0)
IDS = count(1).__next__


def surroundings(clock: ManualClock) -> Surroundings:
    return Surroundings(clock, clock.call_later, Random(1).random, IDS)


def call_of(
    caller: str = "", priority: int = Priority.NORMAL, *, arrived_at: float = 0.0, timeout_s: float = NEVER
) -> Call:
    call = Call(TARGET, b"{}", Codec.JSON, id=IDS(), deadline=arrived_at + timeout_s, arrived_at=arrived_at)
    call.caller, call.priority = caller, priority
    return call


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


class Items:
    """A stream of so many items."""

    def __init__(self, left: int = 2, fault: Fault | None = None) -> None:
        self.left = left
        self.closed = False
        self._fault = fault

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self.left:
            raise self._fault or StopAsyncIteration
        self.left -= 1
        return b"i"

    async def aclose(self) -> None:
        self.closed = True


class Desk:
    """A service that keeps its calls until the test ends them; one that is cancelled ends so."""

    def __init__(self) -> None:
        self.open: dict[Call, Pending] = {}
        self.begun: list[Call] = []
        self.refusal: Fault | None = None

    def __call__(self, call: Call) -> Pending:
        self.begun.append(call)
        if self.refusal is not None:
            return Pending.failed(self.refusal)
        pending = self.open[call] = Pending()
        pending.on_cancel = lambda: self.fail(call, Cancelled("left"))
        return pending

    def reply(self, call: Call, items: Items | None = None) -> None:
        self.open.pop(call).resolve(Reply(b"1", items=items))

    def fail(self, call: Call, fault: Fault) -> None:
        self.open.pop(call).fail(fault)

    def answer_all(self) -> None:
        while self.open:
            self.reply(next(iter(self.open)))


class Crowd(RuleBasedStateMachine):
    """Whatever callers do, what a layer has counted in is counted out: a subclass says how to see that."""

    calls: Bundle[Call] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.desk = Desk()
        self.pendings: dict[Call, Pending] = {}
        self.streams: dict[Call, Any] = {}
        self.layer = self.make(surroundings(self.clock))
        self.service: Service = self.layer(self.desk)

    def make(self, world: Surroundings) -> Policy:
        """The layer."""
        raise NotImplementedError

    def held(self) -> int:
        """What the layer counts now."""
        raise NotImplementedError

    @rule(
        target=calls,
        caller=st.sampled_from(["", "a", "b", "c"]),
        priority=st.sampled_from(list(Priority)),
        timeout_s=st.sampled_from([NEVER, 0.0, 0.5, 2.0]),
    )
    def come(self, caller: str, priority: Priority, timeout_s: float) -> Call:
        call = call_of(caller, priority, arrived_at=self.clock.monotonic(), timeout_s=timeout_s)
        self.pendings[call] = settle(self.service(call))
        return call

    @rule(call=consumes(calls))
    def leave(self, call: Call) -> None:
        self.pendings[call].cancel()
        assert self.pendings[call].done
        if call in self.streams:
            at_once(self.streams.pop(call).aclose())

    @rule(call=calls, how=st.sampled_from(["reply", "stream", "fault", "late"]))
    def end(self, call: Call, how: str) -> None:
        if call not in self.desk.open:
            return
        if how == "stream":
            self.desk.reply(call, Items())
            reply = self.pendings[call].reply
            assert reply is not None
            self.streams[call] = reply.items
        elif how == "reply":
            self.desk.reply(call)
        else:
            self.desk.fail(call, WorkerLost("gone") if how == "fault" else DeadlineExceeded("late"))

    @rule(call=calls)
    def read(self, call: Call) -> None:
        if call in self.streams and not at_once(self.streams[call].batch()):
            del self.streams[call]

    @rule(how_many=st.integers(1, 3), code=st.sampled_from([Overloaded, WorkerLost]))
    def refuse_inside(self, how_many: int, code: type[Fault]) -> None:
        self.desk.refusal = code("no", started=Started.NO)
        for _ in range(how_many):
            self.come("a", Priority.NORMAL, NEVER)
        self.desk.refusal = None

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def what_has_ended_holds_nothing(self) -> None:
        assert self.held() == len(self.desk.open) + len(self.streams)

    def teardown(self) -> None:
        for call in list(self.pendings):
            self.pendings[call].cancel()
        for stream in self.streams.values():
            at_once(stream.aclose())
        self.streams.clear()
        self.desk.answer_all()
        assert all(pending.done for pending in self.pendings.values())
        assert self.held() == 0
        assert self.clock.timers == 0
