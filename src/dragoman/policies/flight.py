"""Identical calls in flight: one of them runs, and all who wait for it get the answer.

The pattern is that of Go's `singleflight`, with callers that may leave: each has a `Pending` of its own. One that
leaves, or whose time is up, takes nobody along; the last one takes the run. The run has the time that the function
itself has, so that its length is not that of the first caller's patience.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dragoman.core.call import callers_of
from dragoman.core.fault import Cancelled, Code, DeadlineExceeded, Fault, Overloaded, Started
from dragoman.core.service import Pending, settle
from dragoman.policies.attempt import begun
from dragoman.policies.sharing import alike, twin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dragoman.core.call import Call, Reply
    from dragoman.core.clock import Timer
    from dragoman.core.event import Event
    from dragoman.core.service import Service
    from dragoman.policies.surroundings import Surroundings

SLACK_S = 0.001
"""A caller whose time is so little less than the function's gets the function's."""
RETRY_S = 1.0
"""When a caller that was refused may try again."""


class Rules(NamedTuple):
    """At most `waiting_max` callers wait for one run. `partial`: inputs of one key may differ."""

    waiting_max: int
    partial: bool = False


class Waiter(Pending):
    """One caller's share in a run: all of it, as long as `flight` is `None`."""

    __slots__ = ("call", "flight", "flights", "key", "moved", "run", "service", "timer")

    def __init__(self, call: Call, flights: Flights, key: bytes, service: Service) -> None:
        Pending.__init__(self)
        self.call = call
        self.flights = flights
        self.key = key
        self.service = service
        self.flight: Flight | None = None
        self.run: Pending | None = None
        self.moved = False
        self.timer: Timer | None

    def cancel(self) -> None:
        """Leave. Whoever else waits gets the answer all the same."""
        if self.held:
            self.cancelled = True
            self.on_cancel()
        elif self.reply is None and self.fault is None:
            self.cancelled = True
            name = self.call.target.name
            self._leave(Cancelled(f"{name} was cancelled by its caller", started=self._begun(), function=name))

    def expire(self) -> None:
        """Leave, since time is up."""
        call = self.call
        name = call.target.name
        detail = f"{name} ran past the {call.deadline - call.arrived_at:g}s timeout of this call"
        self._leave(DeadlineExceeded(detail, started=self._begun(), function=name))

    def landed(self, run: Pending) -> None:
        """The run has ended that this caller began alone."""
        if self.flight is not None:
            self.flight.landed(run)
            return
        flights, key = self.flights, self.key
        if flights.by_key.get(key) is self:
            del flights.by_key[key]
            if flights.keep is not None:
                flights.keep(key, run)
        if run.reply is not None:
            self.resolve(run.reply)
        elif run.fault is not None:
            self.fail(run.fault)

    def _begun(self) -> Started:
        call = self.call if self.flight is None else self.flight.call
        return begun(call)

    def _leave(self, fault: Fault) -> None:
        flight = self.flight
        if flight is not None:
            flight.drop(self)
            self.fail(fault)
            flight.end_unless_wanted()
            return
        if self.flights.by_key.get(self.key) is self:
            del self.flights.by_key[self.key]
        self.fail(fault)
        if self.run is not None:
            self.run.cancel()


class Flight:
    """One run, and who waits for it. `call` is the one that runs."""

    __slots__ = ("call", "flights", "key", "open", "run", "service", "waiters")

    def __init__(self, flights: Flights, key: bytes, service: Service, call: Call) -> None:
        self.flights = flights
        self.key = key
        self.service = service
        self.call = call
        self.open = True
        self.run: Pending | None = None
        self.waiters: dict[Waiter, None] = {}

    def add(self, waiter: Waiter, now: float) -> None:
        """Have one more wait."""
        call = waiter.call
        waiter.flight = self
        waiter.timer = None
        self.waiters[waiter] = None
        if call.deadline < self.call.deadline:
            waiter.timer = self.flights.call_later(max(call.deadline - now, 0.0), waiter.expire)
        if call is self.call:
            return
        call.hand_over(now)
        if call.ties is not None and call.ties is not self.call.ties:
            # Who looks for calls that wait for one another in a ring has to see that this one waits for the run.
            call.ties.waits_for.add(self.call)
        if call.on_event is not None:
            self.call.on_event = self.tell

    def drop(self, waiter: Waiter) -> None:
        """Have one less wait."""
        self.waiters.pop(waiter, None)
        if waiter.timer is not None:
            waiter.timer.cancel()
            waiter.timer = None
        ties = waiter.call.ties
        if ties is not None and ties is not self.call.ties:
            ties.waits_for.discard(self.call)

    def end_unless_wanted(self) -> None:
        """Stop the run if nobody waits for it any more."""
        if self.open and not self.waiters and self.run is not None:
            self.close()
            self.run.cancel()

    def close(self) -> None:
        """Take nobody else in."""
        self.open = False
        if self.flights.by_key.get(self.key) is self:
            del self.flights.by_key[self.key]

    def tell(self, event: Event) -> None:
        """Pass on what the run says to all who listen."""
        for waiter in tuple(self.waiters):
            if waiter.call is not self.call and waiter.call.on_event is not None:
                waiter.call.on_event(event)

    def landed(self, run: Pending) -> None:
        """The run has ended: answer those who wait for it, and run again for those whose answer this is not."""
        self.flights.again(self, self.settle(run))

    def settle(self, run: Pending) -> list[Waiter]:
        """Answer those who wait; return those whose answer this is not."""
        if not self.open:
            return []  # everybody has left
        keep = self.flights.keep if self.flights.by_key.get(self.key) is self else None
        self.close()
        if keep is not None:
            keep(self.key, run)
        waiters = list(self.waiters)
        for waiter in waiters:
            self.drop(waiter)
        fault = run.fault
        if fault is not None:
            return self._fail(waiters, fault)
        assert run.reply is not None, "a run that landed has a reply or a fault"
        return self._answer(waiters, run.reply)

    def _answer(self, waiters: list[Waiter], reply: Reply) -> list[Waiter]:
        if len(waiters) == 1:
            waiters[0].resolve(reply)
            return []
        if reply.items is not None:
            # A stream is read once. Functions that give one are not coalesced; whoever else does runs for itself.
            waiters[0].resolve(reply)
            return waiters[1:]
        for waiter in waiters:
            waiter.resolve(alike(reply))
        return []

    def _fail(self, waiters: list[Waiter], fault: Fault) -> list[Waiter]:
        others: list[Waiter] = []
        for waiter in waiters:
            if waiter.call is not self.call and self.flights.is_other(fault, self.call, waiter):
                others.append(waiter)
            else:
                waiter.fail(fault if len(waiters) == 1 else twin(fault))
        return others


class Flights:
    """The flights of one function, by key."""

    def __init__(
        self, surroundings: Surroundings, rules: Rules, keep: Callable[[bytes, Pending], object] | None = None
    ) -> None:
        """`keep` is told of each run that has landed, before its callers are, if others may join it yet."""
        self.keep = keep
        self.by_key: dict[bytes, Flight | Waiter] = {}
        self.call_later = surroundings.call_later
        self._now = surroundings.clock.monotonic
        self._rules = rules
        self.joined = self.runs = 0

    @property
    def waiting(self) -> int:
        """Callers that wait."""
        return sum(len(flight.waiters) if isinstance(flight, Flight) else 1 for flight in self.by_key.values())

    def join(self, call: Call, key: bytes, service: Service) -> Pending:
        """Wait for the run of this key, or begin it."""
        running = self.by_key.get(key)
        if running is not None and not call.fresh and call.priority >= running.call.priority:
            return self._join(running, call, service)
        # Who wants a fresh answer wants none that was begun before; who matters more waits behind nobody's call.
        waiter = Waiter(call, self, key, service)
        if call.on_event is not None or call.deadline - call.arrived_at < call.target.timeout_s - SLACK_S:
            self._begin(key, [waiter], service)
            return waiter
        # Most callers are alone. They cost little: what many need is made when a second one comes.
        self.runs += 1
        self.by_key[key] = waiter
        try:
            run = service(call)
        except BaseException:
            self.by_key.pop(key, None)
            raise
        waiter.run = run = run if isinstance(run, Pending) else settle(run)
        run.then(waiter.landed)
        return waiter

    def forget(self, keys: Iterable[bytes] | None = None) -> None:
        """Have nobody else join what runs now, for these keys or for all: its answer is that of before."""
        for key in list(self.by_key) if keys is None else keys:
            self.by_key.pop(key, None)

    def _join(self, running: Waiter | Flight, call: Call, service: Service) -> Pending:
        if call.depth and is_above(running.call, call):
            return settle(service(call))  # the run would wait for itself
        flight = running if isinstance(running, Flight) else self._shared(running)
        if len(flight.waiters) >= self._rules.waiting_max:
            return Pending.failed(self._full(call))
        self.joined += 1
        waiter = Waiter(call, self, flight.key, service)
        flight.add(waiter, self._now())
        return waiter

    def _shared(self, alone: Waiter) -> Flight:
        """Make a flight of a run that somebody began alone."""
        flight = Flight(self, alone.key, alone.service, alone.call)
        flight.run = alone.run
        flight.add(alone, self._now())
        self.by_key[alone.key] = flight
        return flight

    def again(self, flight: Flight, waiters: list[Waiter]) -> None:
        """Run for callers whose answer that of a flight was not: one run for all who ask the same."""
        groups: dict[object, list[Waiter]] = {}
        for waiter in waiters:
            body = waiter.call.body if self._rules.partial else b""
            groups.setdefault(body if type(body) is bytes else id(body), []).append(waiter)
        for group in groups.values():
            try:
                self._begin(flight.key, group, flight.service)
            except Exception as error:  # noqa: BLE001 - who waits hears of whatever goes wrong
                for waiter in group:
                    waiter.fail(Fault.internal(f"the host failed to run the call again: {error!r}"))

    def is_other(self, fault: Fault, run: Call, waiter: Waiter) -> bool:
        """Whether a fault of the run says nothing about a caller that waited for it."""
        call = waiter.call
        if fault.code is Code.DEADLINE_EXCEEDED:
            return call.deadline > max(run.deadline, self._now())
        if fault.code is Code.INVALID_ARGUMENT:
            return self._rules.partial and call.body != run.body
        if fault.code is Code.RESOURCE_EXHAUSTED and fault.started is Started.NO and not waiter.moved:
            # It may be the share of one caller that is used up. Once: when all is full, it is so for everybody.
            waiter.moved = True
            return call.caller != run.caller
        return False

    def _begin(self, key: bytes, waiters: list[Waiter], service: Service) -> None:
        """Run for these callers, and for those among them whose answer it was not."""
        while waiters := [waiter for waiter in waiters if not waiter.done]:
            now = self._now()
            flight = Flight(self, key, service, run_for(waiters, now))
            self.runs += 1
            self.by_key[key] = flight
            for waiter in waiters:
                flight.add(waiter, now)
            try:
                run = settle(service(flight.call))
            except BaseException:
                flight.close()
                for waiter in waiters:
                    flight.drop(waiter)
                raise
            flight.run = run
            if run.held or not run.done:
                run.then(flight.landed)
                return
            waiters = flight.settle(run)

    def _full(self, call: Call) -> Fault:
        name = call.target.name
        detail = (
            f"{name} has {self._rules.waiting_max} callers waiting for one answer and takes no more (coalesce.waiting)"
        )
        return Overloaded(detail, function=name, retry_after_s=RETRY_S)


def run_for(waiters: list[Waiter], now: float) -> Call:
    """The call that runs for those who wait: the time is the function's own, or that of the most patient of them."""
    lead = waiters[0].call
    if len(waiters) > 1:
        lead = max((waiter.call for waiter in waiters), key=lambda call: call.deadline)
    deadline = lead.deadline
    priority = lead.priority if len(waiters) == 1 else min(waiter.call.priority for waiter in waiters)
    timeout_s = lead.target.timeout_s
    if deadline >= now + timeout_s - SLACK_S and priority == lead.priority and lead.on_event is None:
        return lead
    call = lead.again(lead.id)
    call.deadline = max(deadline, now + timeout_s)
    call.priority = priority
    call.on_event = None
    return call


def is_above(run: Call, call: Call) -> bool:
    """Whether a call was made by the run, or by a further attempt at it, however many calls are between."""
    name, body = run.target.name, run.body
    return any(above is run or (above.target.name == name and above.body == body) for above in callers_of(call))
