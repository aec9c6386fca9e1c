"""Trying again what failed in a way that may pass: with growing, random pauses, and within a budget.

What never began may always be tried again; what did, only if the function is idempotent. A stream is not, once it has
begun, and neither is a call whose input is streamed in. Pauses are those of `core.backoff`; the budget is a share of
the calls, as in Finagle's `RetryBudget`, so that a service in trouble gets little more work for being in trouble.

In a chain of functions only the one next to the trouble tries again: a layer that gives up marks the call that its own
was made for as `spent`, and a spent call is not tried again (*Site Reliability Engineering*, Google 2016, chapter 22:
three attempts at each of three hops would be 27).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dragoman.core import backoff
from dragoman.core.deadline import NEVER
from dragoman.core.fault import PASSING, Cancelled, Code, Fault, Started
from dragoman.core.service import Pending, settle
from dragoman.policies.attempt import another, attempt
from dragoman.policies.budget import Budget
from dragoman.policies.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dragoman.core.call import Call, Reply
    from dragoman.core.clock import Timer
    from dragoman.core.service import Service

PAUSE_S_MAX = 60.0
"""A call without a deadline is kept waiting for another attempt no longer than this, whatever it is told."""


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """How often, when, and what is tried again.

    `attempts` counts the first one too. Pauses are random, up to a bound that doubles from `base_s` to `max_s` seconds,
    on top of what the fault itself asks for (`retry_after_s`). `budget` is the share of calls that may be retries. `on`
    are the codes that are tried again: where the function had not begun, and for idempotent functions in any case.
    """

    attempts: int = 3
    base_s: float = 0.05
    max_s: float = 2.0
    budget: float = 0.1
    on: frozenset[Code] = PASSING


class Retry:
    """The layer. Calls that go well pass it by; one that fails is held while it waits for its next attempt.

    Gives up, with the last fault as it is, after `attempts`, where the next attempt would come at the deadline or past
    it, where the budget is empty, and where calls made for this one have been retried in vain (`Call.spent`).
    """

    reads_bodies: ClassVar[bool] = False

    def __init__(self, options: RetryOptions | None = None, surroundings: Surroundings | None = None) -> None:
        self.options = options or RetryOptions()
        self.surroundings = surroundings or Surroundings.here()
        self.budget = Budget(self.options.budget, self.surroundings.clock)
        self.counts = {"retried": 0, "exhausted": 0, "budget_empty": 0, "no_time": 0, "spent": 0}
        self.waiting = 0

    def state(self) -> dict[str, object]:
        """The tokens of the budget, and the calls that wait for their next attempt."""
        return {"tokens": round(self.budget.tokens, 3), "waiting": self.waiting}

    def __call__(self, service: Service, /) -> Service:
        """Wrap a service."""
        if self.options.attempts <= 1:
            return service
        budget, failed = self.budget, self._failed

        def retrying(call: Call) -> Awaitable[Reply]:
            budget.calls += 1
            answer = service(call)
            if call.input is not None:
                return answer
            pending = answer if isinstance(answer, Pending) else settle(answer)
            pending.then(lambda settled: settled.fault is not None and failed(settled, call, service))
            return pending

        return retrying

    def passes(self, fault: Fault, call: Call) -> bool:
        """Whether a fault is of the kind that is tried again."""
        return fault.code in self.options.on and (fault.started is Started.NO or call.target.idempotent)

    def pause(self, fault: Fault, call: Call, tries: int) -> float | None:
        """Seconds until the next attempt at a call that has failed so often; None where there is to be none."""
        options, surroundings = self.options, self.surroundings
        if call.spent:
            return self._give_up(call, "spent")
        if tries >= options.attempts:
            return self._give_up(call, "exhausted")
        pause_s = backoff.pause(options.base_s, options.max_s, tries, surroundings.random, fault.retry_after_s)
        left_s = PAUSE_S_MAX if call.deadline == NEVER else call.deadline - surroundings.clock.monotonic()
        if pause_s >= left_s:
            return self._give_up(call, "no_time")
        if not self.budget.take():
            return self._give_up(call, "budget_empty")
        self.counts["retried"] += 1
        return pause_s

    def _give_up(self, call: Call, reason: str) -> None:
        self.counts[reason] += 1
        if call.ties is not None and call.ties.caller is not None:
            call.ties.caller.spent = True

    def _failed(self, pending: Pending, call: Call, service: Service) -> None:
        """The first attempt failed."""
        fault = pending.fault
        assert fault is not None, "only told of faults"
        if not pending.cancelled and self.passes(fault, call):
            pause_s = self.pause(fault, call, 1)
            if pause_s is not None:
                pending.hold()
                Effort(self, service, pending, call).wait(fault, pause_s)


class Effort:
    """One call that is being tried again, from its first fault to its last outcome."""

    __slots__ = ("_call", "_fault", "_latest", "_pending", "_retry", "_service", "_timer", "_tries")

    def __init__(self, retry: Retry, service: Service, pending: Pending, call: Call) -> None:
        self._retry = retry
        self._service = service
        self._pending = pending
        self._call = self._latest = call
        self._tries = 1
        self._fault: Fault
        self._timer: Timer

    def wait(self, fault: Fault, pause_s: float) -> None:
        """Have the next attempt begin in so many seconds."""
        self._fault = fault
        self._pending.on_cancel = self._leave
        self._retry.waiting += 1
        self._timer = self._retry.surroundings.call_later(pause_s, self._try)

    def _leave(self) -> None:
        self._timer.cancel()
        self._retry.waiting -= 1
        name = self._call.target.name
        detail = f"{name} was cancelled by its caller while it waited for attempt {self._tries + 1}"
        self._pending.release(Cancelled(detail, started=self._fault.started, function=name))

    def _try(self) -> None:
        self._retry.waiting -= 1
        surroundings = self._retry.surroundings
        if surroundings.clock.monotonic() >= self._call.deadline:  # the timer rang late
            self._pending.release(self._fault)
            return
        self._tries += 1
        self._latest = another(self._call, surroundings)
        running = attempt(self._service, self._latest)
        self._pending.on_cancel = running.cancel
        running.then(self._ended)

    def _ended(self, running: Pending) -> None:
        retry, fault = self._retry, running.fault
        if fault is None:
            self._pending.release(running.result())
            return
        if not self._pending.cancelled and retry.passes(fault, self._latest):
            pause_s = retry.pause(fault, self._latest, self._tries)
            if pause_s is not None:
                self.wait(fault, pause_s)
                return
        self._pending.release(fault)
