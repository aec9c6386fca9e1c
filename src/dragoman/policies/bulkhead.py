"""A bound on calls of one function: some run, some wait their turn, the rest is refused before any work.

The pattern is Nygard's (Release It!, 2007): what one function takes is missing nowhere else. `policies.turns` says who
is next; a share per caller keeps one of them from taking all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dragoman.core.fault import Cancelled, DeadlineExceeded, Fault, Overloaded, Started
from dragoman.core.service import Pending, settle
from dragoman.policies.held import HeldStream
from dragoman.policies.patience import Patience
from dragoman.policies.turns import Turns, Waiter

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dragoman.core.call import Call, Reply
    from dragoman.core.service import Service
    from dragoman.policies.surroundings import Surroundings

RETRY_S = 1.0
"""When a caller that was refused may try again."""


@dataclass(frozen=True, slots=True)
class BulkheadOptions:
    """How many may be inside.

    So many calls run (0: as many as come) and so many wait. While others want them, one caller may have at most the
    share `caller_share`, from 0 to 1, of the places, and of those to wait in, each rounded up; 1 leaves callers alone.
    """

    concurrency: int = 0
    queue: int = 1000
    caller_share: float = 1.0


class Bulkhead:
    """The layer of one function. A streamed reply holds its place until the stream ends or is closed.

    Waiting ends with the caller's interest or at the call's deadline. A call that finds the line full takes the place
    of one that is less important, or of a caller that has more than its share; else it is refused.

    Faults of its own, all of calls that never began: `Overloaded` with `retry_after_s` 1, for one that is refused or
    loses its place; `DeadlineExceeded`; `Cancelled`.
    """

    def __init__(self, options: BulkheadOptions, surroundings: Surroundings) -> None:
        self.options = options
        self.counts = {"waited": 0, "refused": 0, "displaced": 0, "expired": 0}
        self._attend = surroundings.attend
        self._free = options.concurrency
        self._fair = options.caller_share < 1
        self._running: dict[str, int] = {}
        share = options.caller_share
        self._turns = Turns(
            math.ceil(share * options.queue), math.ceil(share * options.concurrency) if self._fair else 0
        )
        self._patience = Patience[Waiter](surroundings, self._expire)
        self._serving = False

    @property
    def in_flight(self) -> int:
        """Calls that hold a place."""
        return self.options.concurrency - self._free

    @property
    def waiting(self) -> int:
        """Calls that wait for one."""
        return self._turns.count

    def state(self) -> dict[str, object]:
        """What it knows now."""
        callers = {"callers_in_flight": len(self._running), "callers_waiting": len(self._turns.callers)}
        return {"in_flight": self.in_flight, "waiting": self.waiting, **(callers if self._fair else {})}

    def __call__(self, service: Service, /) -> Service:
        """Bound a service."""
        if not self.options.concurrency:
            return service
        turns, fair, leave = self._turns, self._fair, self._ended

        def bounded(call: Call) -> Awaitable[Reply]:
            if not self._free or turns.count:
                return self._wait(call, service)
            self._free -= 1
            if fair:
                return self._begin_fairly(call, service)
            try:
                answer = service(call)
            except BaseException:
                self._leave("")
                raise
            pending = answer if isinstance(answer, Pending) else settle(answer)
            pending.then(leave)
            return pending

        return bounded

    # Those who run

    def _begin_fairly(self, call: Call, service: Service) -> Pending:
        """Run a call whose place has been taken, on its caller's account."""
        caller = call.caller
        self._running[caller] = self._running.get(caller, 0) + 1
        try:
            pending = settle(service(call))
        except BaseException:
            self._leave(caller)
            raise
        pending.then(partial(self._ended, caller=caller))
        return pending

    def _ended(self, pending: Pending, caller: str = "") -> None:
        reply = pending.reply
        if reply is not None and reply.items is not None:
            reply.items = HeldStream(reply.items, partial(self._leave, caller))
        else:
            self._leave(caller)

    def _leave(self, caller: str) -> None:
        """Give a place up, to whoever is next."""
        if self._fair:
            left = self._running[caller] = self._running[caller] - 1
            if not left:
                del self._running[caller]
        self._free += 1
        # One loop serves all: a line of calls that fail at once would else end each other ever deeper.
        if self._turns.count and not self._serving:
            self._serving = True
            try:
                while self._free and self._turns.count:
                    self._begin(self._turns.next(self._running))
            finally:
                self._serving = False

    def _begin(self, waiter: Waiter) -> None:
        """Let in one that has waited."""
        self._patience.forget(waiter.entry)
        self._free -= 1
        call, service, caller = waiter.call, waiter.service, waiter.caller
        if self._fair:
            self._running[caller] = self._running.get(caller, 0) + 1
        try:
            pending = settle(service(call))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the call must be answered
            self._leave(caller)
            waiter.fail(error if isinstance(error, Fault) else Fault.internal(f"{type(error).__name__}: {error}"))
            return
        waiter.on_cancel = pending.cancel
        pending.then(partial(self._answered, waiter))

    def _answered(self, waiter: Waiter, pending: Pending) -> None:
        self._ended(pending, waiter.caller)
        if pending.reply is not None:
            waiter.resolve(pending.reply)
        else:
            assert pending.fault is not None, "a settled call has a reply or a fault"
            waiter.fail(pending.fault)

    # Those who wait

    def _wait(self, call: Call, service: Service) -> Pending:
        turns, options, name = self._turns, self.options, call.target.name
        caller = call.caller if self._fair else ""
        displaced: Waiter | None = None
        if turns.count >= options.queue:
            displaced = turns.displaced(call, caller)
            if displaced is None:
                self.counts["refused"] += 1
                self._attend()
                return Pending.failed(self._refusal(name))
        self.counts["waited"] += 1
        waiter = Waiter(call, service, caller)
        turns.join(waiter)
        waiter.entry = self._patience.watch(waiter, call.deadline)
        waiter.on_cancel = partial(self._give_up, waiter)
        if displaced is not None:
            # Last: whoever hears of it may call again at once, and finds the line full.
            self.counts["displaced"] += 1
            self._patience.forget(displaced.entry)
            displaced.fail(self._refusal(name, ", and another call has the better right"))
        return waiter

    def _refusal(self, name: str, why: str = "") -> Overloaded:
        options = self.options
        detail = (
            f"{name} has {options.concurrency} calls in flight and {options.queue} waiting, and takes no more"
            f"{why} (bulkhead.concurrency, bulkhead.queue)"
        )
        return Overloaded(detail, function=name, retry_after_s=RETRY_S)

    def _give_up(self, waiter: Waiter) -> None:
        if self._turns.leave(waiter):
            self._patience.forget(waiter.entry)
            name = waiter.call.target.name
            waiter.fail(Cancelled(f"{name} was cancelled by its caller", started=Started.NO, function=name))

    def _expire(self, waiter: Waiter) -> None:
        self._turns.leave(waiter)
        self.counts["expired"] += 1
        call = waiter.call
        name = call.target.name
        detail = (
            f"{name} waited its whole {call.deadline - call.arrived_at:g}s timeout for one of "
            f"{self.options.concurrency} places (bulkhead.concurrency)"
        )
        waiter.fail(DeadlineExceeded(detail, started=Started.NO, function=name))
