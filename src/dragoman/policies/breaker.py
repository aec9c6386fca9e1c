"""A circuit breaker: what fails, or crawls, too often is left alone for a while, and then tried carefully.

After Nygard, *Release It!* (2007), with the windows of resilience4j: a share of a minimum of calls opens it, and not a
number of failures in a row. What it may be, and what leads from one to the next (`TRANSITIONS`):

    state          trip     probe      recover    force_open    force_closed     let_go
    closed         open     -          -          forced_open   forced_closed    -
    open           -        half_open  -          forced_open   forced_closed    -
    half_open      open     -          closed     forced_open   forced_closed    -
    forced_open    -        -          -          -             forced_closed    half_open
    forced_closed  -        -          -          forced_open   -                closed

Let go by its operator, a breaker that was forced open tries first: nobody knows how the function does by then.

A fault counts where it says that the function is not well. It says so neither where the call was wrong (`USER`) nor
where it was turned away before it began because a pool, a limit or a bulkhead was full: that tells of more work than
places, for which waiting lines and load shedding are there, and opening would make an outage of it. A function that
answers with a fault of the caller's is well. A stream counts when it ends, and is slow if it was slow to begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from dragoman.core.deadline import NEVER
from dragoman.core.fault import Code, Fault, Started, Unavailable
from dragoman.core.service import Pending, settle
from dragoman.policies.surroundings import Surroundings
from dragoman.policies.watched import WatchedStream
from dragoman.policies.window import Window

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dragoman.core.call import Call, Reply
    from dragoman.core.service import Service

PROBE_S = 1.0
"""When a caller may ask again that was refused while others probe: by then they mostly have their answers."""

USER = frozenset(
    {
        Code.ABORTED,
        Code.ALREADY_EXISTS,
        Code.CANCELLED,
        Code.FAILED_PRECONDITION,
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.OUT_OF_RANGE,
        Code.PERMISSION_DENIED,
        Code.UNAUTHENTICATED,
        Code.UNIMPLEMENTED,
    }
)
"""Codes that tell of the call, and not of the function."""


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """When it opens, and how it closes again.

    It opens where, over the last `window_s` seconds and of at least `calls_min` calls, the share of faults reaches
    `failure_rate`, or that of calls slower than `slow_s` seconds (0: none is slow) reaches `slow_rate`; for `open_s`
    seconds. Then up to `probes` calls at a time try whether it is over, and as many in a row must go well.
    """

    window_s: float = 10.0
    calls_min: int = 20
    failure_rate: float = 0.5
    slow_s: float = 0.0
    slow_rate: float = 0.5
    open_s: float = 5.0
    probes: int = 3


class State(StrEnum):
    """What a breaker may be."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"


class Step(StrEnum):
    """What may happen to it."""

    TRIP = "trip"
    PROBE = "probe"
    RECOVER = "recover"
    FORCE_OPEN = "force_open"
    FORCE_CLOSED = "force_closed"
    LET_GO = "let_go"


_FORCED = {Step.FORCE_OPEN: State.FORCED_OPEN, Step.FORCE_CLOSED: State.FORCED_CLOSED}
TRANSITIONS: dict[State, dict[Step, State]] = {
    State.CLOSED: {Step.TRIP: State.OPEN, **_FORCED},
    State.OPEN: {Step.PROBE: State.HALF_OPEN, **_FORCED},
    State.HALF_OPEN: {Step.TRIP: State.OPEN, Step.RECOVER: State.CLOSED, **_FORCED},
    State.FORCED_OPEN: {Step.FORCE_CLOSED: State.FORCED_CLOSED, Step.LET_GO: State.HALF_OPEN},
    State.FORCED_CLOSED: {Step.FORCE_OPEN: State.FORCED_OPEN, Step.LET_GO: State.CLOSED},
}


class IllegalTransition(RuntimeError):  # noqa: N818 - names the condition, as every fault here does
    """A breaker was told to become what it cannot; a defect of ours, never of the user's."""


def move(state: State, step: Step) -> State:
    """The new state. Raises `IllegalTransition` unless the table has the step."""
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        message = f"a breaker that is {state} cannot {step}"
        raise IllegalTransition(message) from None


def is_well(fault: Fault) -> bool | None:
    """Whether a fault says that the function is well; None where it says nothing of it."""
    code = fault.code
    if code is Code.CANCELLED:
        return None
    if fault.started is Started.NO and (code is Code.RESOURCE_EXHAUSTED or code in USER):
        return None
    return code in USER


class Breaker:
    """The layer. Refuses with `Unavailable`, started "no", and says when to come again."""

    reads_bodies: ClassVar[bool] = False

    def __init__(self, options: BreakerOptions | None = None, surroundings: Surroundings | None = None) -> None:
        self.options = options or BreakerOptions()
        self._clock = (surroundings or Surroundings.here()).clock
        self.counts = {"opened": 0, "closed": 0, "probed": 0, "refused": 0}
        self._window = Window(self.options.window_s)
        self._is = State.CLOSED
        self._epoch = 0
        self._open_until = 0.0
        self._because = ""
        self._probing = 0
        self._row = 0
        self._watch: Callable[[Pending], None] | None
        self._enter(State.CLOSED)

    def state(self) -> dict[str, object]:
        """Its state, what its window holds, and where it is open, in how many seconds it lets a call try."""
        now = self._clock.monotonic()
        self._window.roll(now)
        known: dict[str, object] = {
            "state": self._is.value,
            "calls": self._window.calls,
            "failed": self._window.failed,
            "slow": self._window.slow,
        }
        if self._is is State.OPEN:
            known["because"] = self._because
            known["open_s"] = round(max(self._open_until - now, 0.0), 3)
        elif self._is is State.HALF_OPEN:
            known["probing"] = self._probing
        return known

    def force(self, to: Literal["open", "closed"] | None) -> None:
        """Hold it open or closed whatever happens, or with None let it decide again. Raises `ValueError`."""
        wanted = {"open": State.FORCED_OPEN, "closed": State.FORCED_CLOSED, None: None}.get(to, State.CLOSED)
        if wanted is State.CLOSED:
            raise ValueError(f"a breaker can be forced open or closed, or let go with None; not {to!r}")
        if wanted is None:
            if self._is in (State.FORCED_OPEN, State.FORCED_CLOSED):
                self._step(Step.LET_GO)
        elif self._is is not wanted:
            self._step(Step.FORCE_OPEN if wanted is State.FORCED_OPEN else Step.FORCE_CLOSED)

    def __call__(self, service: Service, /) -> Service:
        """Wrap a service."""
        if self.options.slow_s:
            return self._timing(service)

        def guarded(call: Call) -> Awaitable[Reply]:
            watch = self._watch
            if watch is None:
                return self._careful(service, call)
            answer = service(call)
            pending = answer if isinstance(answer, Pending) else settle(answer)
            pending.then(watch)
            return pending

        return guarded

    def _timing(self, service: Service) -> Service:
        """The same for calls whose time is taken."""
        window, monotonic, seen, slow_s = self._window, self._clock.monotonic, self._seen, self.options.slow_s

        def guarded(call: Call) -> Awaitable[Reply]:
            if self._watch is None:
                return self._careful(service, call)
            epoch, slow_at = self._epoch, monotonic() + slow_s

            def watch(settled: Pending) -> None:
                now, reply = monotonic(), settled.reply
                if now < slow_at and reply is not None and reply.items is None and not (window.failed or window.slow):
                    if epoch == self._epoch:
                        if now >= window.ends_at:
                            window.roll(now)
                        window.fresh += 1
                else:
                    seen(epoch, settled, slow_at)

            answer = service(call)
            pending = answer if isinstance(answer, Pending) else settle(answer)
            pending.then(watch)
            return pending

        return guarded

    # Closed

    def _watcher(self, epoch: int) -> Callable[[Pending], None]:
        """What sees the calls of one closed time end. Those that go well while none fails are counted here."""
        window, monotonic, seen = self._window, self._clock.monotonic, self._seen

        def watch(settled: Pending) -> None:
            reply = settled.reply
            if reply is not None and reply.items is None and not window.failed:
                if epoch == self._epoch:
                    now = monotonic()
                    if now >= window.ends_at:
                        window.roll(now)
                    window.fresh += 1
            else:
                seen(epoch, settled, NEVER)

        return watch

    def _seen(self, epoch: int, settled: Pending, slow_at: float) -> None:
        """A call has ended; it was slow if it ended at `slow_at` or later."""
        reply, now = settled.reply, self._clock.monotonic()
        slow = now >= slow_at
        if reply is not None and reply.items is not None:
            reply.items = WatchedStream(reply.items, partial(self._over, epoch, slow))
        elif epoch == self._epoch:
            self._count(now, settled.fault, slow=slow)

    def _over(self, epoch: int, slow: bool, fault: Fault | None) -> None:  # noqa: FBT001 - bound beforehand
        """A stream has ended."""
        if epoch == self._epoch:
            self._count(self._clock.monotonic(), fault, slow=slow)

    def _count(self, now: float, fault: Fault | None, *, slow: bool) -> None:
        well = True if fault is None else is_well(fault)
        if well is None and not slow:
            return
        window, options = self._window, self.options
        window.add(now, failed=well is False, slow=slow)
        if not (window.failed or window.slow) or window.calls < options.calls_min:
            return
        if window.failed and window.failed / window.calls >= options.failure_rate:
            self._trip(f"{window.failed} of {window.calls} calls failed")
        elif window.slow and window.slow / window.calls >= options.slow_rate:
            self._trip(f"{window.slow} of {window.calls} calls took {options.slow_s:g}s or longer")

    # Open, half open, forced

    def _careful(self, service: Service, call: Call) -> Awaitable[Reply]:
        if self._is is State.FORCED_CLOSED:
            return service(call)
        if self._is is State.FORCED_OPEN:
            return self._refuse(call, "an operator has forced its breaker open", self.options.open_s)
        if self._is is State.OPEN:
            left_s = self._open_until - self._clock.monotonic()
            if left_s > 0:
                return self._refuse(call, f"its breaker is open ({self._because})", left_s)
            self._step(Step.PROBE)
        if self._probing >= self.options.probes:
            why = f"its breaker is half open, with {self._probing} calls trying (breaker.probes)"
            return self._refuse(call, why, min(PROBE_S, self.options.open_s))
        return self._probe(service, call)

    def _refuse(self, call: Call, why: str, after_s: float) -> Pending:
        self.counts["refused"] += 1
        name = call.target.name
        detail = f"{name} is not called for now: {why}; try again in {after_s:.3g}s"
        return Pending.failed(Unavailable(detail, started=Started.NO, function=name, retry_after_s=after_s))

    def _probe(self, service: Service, call: Call) -> Pending:
        slow_s = self.options.slow_s
        epoch, slow_at = self._epoch, self._clock.monotonic() + slow_s if slow_s else NEVER
        self._probing += 1
        self.counts["probed"] += 1
        try:
            pending = settle(service(call))
        except BaseException:
            self._probing -= 1
            raise
        pending.then(lambda settled: self._probed(epoch, settled, slow_at))
        return pending

    def _probed(self, epoch: int, settled: Pending, slow_at: float) -> None:
        reply, slow = settled.reply, self._clock.monotonic() >= slow_at
        if reply is not None and reply.items is not None:
            reply.items = WatchedStream(reply.items, partial(self._judge, epoch, slow))
        else:
            self._judge(epoch, slow, settled.fault)

    def _judge(self, epoch: int, slow: bool, fault: Fault | None) -> None:  # noqa: FBT001 - bound beforehand
        """A probe has ended: its place is free, and its outcome counts if it belongs to the latest try."""
        self._probing -= 1
        if epoch != self._epoch:
            return
        well = True if fault is None else is_well(fault)
        if slow:
            self._trip(f"a call that tried it took {self.options.slow_s:g}s or longer")
        elif well is False:
            self._trip(f"a call that tried it failed: {fault.code if fault else ''}")
        elif well:
            self._row += 1
            if self._row >= self.options.probes:
                self.counts["closed"] += 1
                self._step(Step.RECOVER)

    # From one state to the next

    def _trip(self, because: str) -> None:
        self.counts["opened"] += 1
        self._because = because
        self._open_until = self._clock.monotonic() + self.options.open_s
        self._step(Step.TRIP)

    def _step(self, step: Step) -> None:
        self._enter(move(self._is, step))

    def _enter(self, state: State) -> None:
        """Begin anew in a state: what was begun before counts no more."""
        self._is = state
        self._epoch += 1
        self._row = 0
        self._window.clear()
        self._watch = self._watcher(self._epoch) if state is State.CLOSED else None
