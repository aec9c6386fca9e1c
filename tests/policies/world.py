"""A world in which time, chance and ids are the test's, and services whose calls end when the test says so."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from dragoman.core.call import Call, Reply
from dragoman.core.deadline import NEVER
from dragoman.core.fault import Cancelled, Fault
from dragoman.core.service import Pending, Service
from dragoman.core.target import Target
from dragoman.policies.surroundings import Surroundings
from dragoman.testing import ManualClock


class World:
    def __init__(self, chance: Callable[[], float] = lambda: 1.0) -> None:
        self.clock = ManualClock()
        self.surroundings = Surroundings(
            clock=self.clock,
            call_later=self.clock.call_later,
            random=chance,
            next_id=itertools.count(1000).__next__,
        )

    def now(self) -> float:
        return self.clock.monotonic()


def aim(name: str = "s.f", *, idempotent: bool = False, streaming: bool = False) -> Target:
    source, _, function = name.partition(".")
    return Target(name, source, function, 0, 5.0, idempotent=idempotent, streaming=streaming)


def call_of(target: Target | None = None, *, deadline: float = NEVER) -> Call:
    return Call(target or aim(), b"{}", id=1, deadline=deadline)


class Pool:
    """A service whose calls wait until the test answers them; those that are cancelled say so at once."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.pendings: list[Pending] = []
        self.cancelled = 0

    def __call__(self, call: Call) -> Pending:
        pending = Pending()

        def stop() -> None:
            self.cancelled += 1
            pending.fail(Cancelled("its caller left"))

        pending.on_cancel = stop
        self.calls.append(call)
        self.pendings.append(pending)
        return pending

    @property
    def inside(self) -> int:
        return sum(not pending.done for pending in self.pendings)


class Script:
    """A service that answers at once: with each outcome in turn, and with the last for ever after."""

    def __init__(self, *outcomes: Reply | Callable[[], Fault]) -> None:
        self._outcomes: Sequence[Reply | Callable[[], Fault]] = outcomes
        self.calls: list[Call] = []

    def __call__(self, call: Call) -> Pending:
        outcome = self._outcomes[min(len(self.calls), len(self._outcomes) - 1)]
        self.calls.append(call)
        pending = Pending()
        if isinstance(outcome, Reply):
            pending.resolve(outcome)
        else:
            pending.fail(outcome())
        return pending


def run(service: Service, call: Call) -> Pending:
    """Call a service that gives a `Pending`."""
    pending = service(call)
    assert isinstance(pending, Pending)
    return pending


class Items:
    """A stream of so many items, which may end in a fault; `closed` says that it was."""

    def __init__(self, count: int, fault: Fault | None = None) -> None:
        self._left = count
        self._fault = fault
        self.closed = False

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            if self._fault is not None:
                raise self._fault
            raise StopAsyncIteration
        self._left -= 1
        return b"1"

    async def aclose(self) -> None:
        self.closed = True
