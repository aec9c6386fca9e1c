"""A host as consumers see it, made of what a test says: functions that answer at once, or when they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from dragoman.core.call import Call, Reply, Trace
from dragoman.core.fault import Code, Fault, NotFound
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.core.terms import Terms
from dragoman.queues.surroundings import Door, Surroundings, Tasks
from dragoman.testing.clock import ManualClock


class Meter:
    def __init__(self) -> None:
        self.in_flight = 0
        self.ended: list[Code | None] = []

    def finished(self, code: Code | None, seconds: float) -> None:
        self.in_flight -= 1
        self.ended.append(code)


class Tracer:
    sampling = False

    def enter(self, traceparent: str | None, tracestate: str = "") -> Trace | None:
        return Trace(bytes.fromhex(traceparent[3:35]), b"\xcc" * 8, 1, tracestate) if traceparent else None


@dataclass
class Function:
    """What calls of it come to: an outcome for each, or what a callable makes of the call; None: not yet."""

    outcome: Callable[[Call], Reply | Fault | None] = lambda call: Reply(b"1")
    calls: list[Call] = field(default_factory=list[Call])
    pending: list[Pending] = field(default_factory=list[Pending])
    cancelled: list[Call] = field(default_factory=list[Call])

    def __call__(self, call: Call) -> Pending:
        self.calls.append(call)
        pending = Pending()
        pending.on_cancel = lambda: self.cancelled.append(call)
        outcome = self.outcome(call)
        if isinstance(outcome, Fault):
            return Pending.failed(outcome)
        if outcome is None:
            self.pending.append(pending)
        else:
            pending.resolve(outcome)
        return pending


class Host:
    """What a consumer is given, with all that it does on record."""

    def __init__(self, functions: dict[str, Function] | None = None, **target: Any) -> None:
        self.clock = ManualClock()
        self.functions = {"shop.price": Function()} if functions is None else functions
        self.target: dict[str, Any] = {"timeout_s": 10.0, **target}
        self.meter = Meter()
        self.places = 4
        self.body_bytes_max = 1000
        self.faults: list[Fault] = []
        self.notes: list[tuple[str, str]] = []
        self._next_id = count(1).__next__

    def failed(self, call: Call, fault: Fault) -> None:
        self.faults.append(fault)

    def note(self, level: str, text: str) -> None:
        self.notes.append((level, text))

    def find(self, name: str) -> Door:
        if name not in self.functions:
            raise NotFound(f"there is no function {name!r}")
        source, _, function = name.partition(".")
        target = Target(name, source, function, 0, **self.target)
        return Door(target, self.functions[name], self.meter, lambda: self.places, self.body_bytes_max)

    def around(self, tasks: Tasks | None = None) -> Surroundings:
        return Surroundings(
            "shop",
            "aa",
            self._next_id,
            self.clock,
            self.clock.call_later,
            lambda: 0.5,
            Tracer(),
            self,
            self.find,
            tasks,
        )


class Odd(str):
    """A text whose bytes are no UTF-8."""

    __slots__ = ("_bytes",)

    def __new__(cls, value: bytes) -> Self:
        made = super().__new__(cls, value.hex())
        made._bytes = value
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self._bytes


class TaskList:
    """Tasks as they were submitted, or the fault that there is instead."""

    def __init__(self) -> None:
        self.submitted: list[tuple[Call, Terms]] = []
        self.fault: Fault | None = None

    async def submit(self, call: Call, terms: Terms) -> tuple[dict[str, Any], bool]:
        if self.fault is not None:
            raise self.fault
        self.submitted.append((call, terms))
        return {"id": "1"}, True
