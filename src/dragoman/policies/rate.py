"""Rate limits: token buckets per function, per caller, and per caller of a function; of one host or of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dragoman.core.fault import Cancelled, ResourceExhausted, Started
from dragoman.core.service import Pending, settle
from dragoman.policies.bucket import Bucket, Buckets, Measure, Moments
from dragoman.policies.lease import Leases

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from dragoman.core.call import Allowance, Call, Reply
    from dragoman.core.service import Service
    from dragoman.policies.surroundings import Scripts, Surroundings

ROUNDS_MAX = 8
"""A call waits once for each bucket; more often only where there are more callers at once than are told apart."""

Limit: TypeAlias = Bucket | Buckets | Leases
"""What a call needs a token of."""


@dataclass(frozen=True, slots=True)
class RateOptions:
    """Calls a second, 0 for no limit, and how many may come at once (0: one second's worth, at least 1).

    `limit` is for all calls of the function, `caller_limit` for those of one caller, `total_limit` for those of one
    caller to all functions that say so. `shared` counts the calls of all hosts together. At most `callers_max` callers
    are told apart; those not seen for longest are forgotten.
    """

    limit: float = 0.0
    burst: int = 0
    caller_limit: float = 0.0
    caller_burst: int = 0
    total_limit: float = 0.0
    total_burst: int = 0
    shared: bool = False
    callers_max: int = 10_000


class Totals:
    """What callers have used of all functions together: one for all the functions of a host.

    Where functions have different total limits, a call takes the share of time that its own function's limit gives it.
    As many callers are told apart as the function wants that wants most.
    """

    def __init__(self, surroundings: Surroundings, store: Scripts | None = None) -> None:
        """`store` is where hosts share them."""
        self.now = surroundings.clock.monotonic
        self._store = store
        self._moments = Moments(0)
        self._leases: dict[tuple[float, float], Leases] = {}

    def limit(self, measure: Measure, callers_max: int, *, shared: bool) -> Limit:
        """The buckets of callers, as one function sees them, of which `callers_max` at least are told apart."""
        self._moments.callers_max = most = max(self._moments.callers_max, callers_max)
        for leases in self._leases.values():
            leases.callers_max = most
        local = Buckets(measure, self._moments)
        if self._store is None or not shared:
            return local
        size = (measure.limit, measure.burst)
        if size not in self._leases:
            self._leases[size] = Leases(local, self._store, self.now, "rate:total", most)
        return self._leases[size]


class Rate:
    """A layer that lets calls through as long as there are tokens, and refuses the others with `ResourceExhausted`.

    A call that is refused takes no token of any bucket.
    """

    def __init__(
        self,
        options: RateOptions,
        surroundings: Surroundings,
        totals: Totals | None = None,
        store: Scripts | None = None,
        name: str = "",
    ) -> None:
        """`totals` are those of the host; `store` is where hosts share buckets, by the function's `name`."""
        self.options = options
        self._counts = {"refused": 0, "waited": 0}
        self.now = clock = surroundings.clock.monotonic
        callers_max = options.callers_max
        local: list[Bucket | Buckets] = []
        if options.limit:
            local.append(Bucket(Measure("limit", options.limit, options.burst)))
        if options.caller_limit:
            local.append(
                Buckets(Measure("caller_limit", options.caller_limit, options.caller_burst), Moments(callers_max))
            )
        limits: list[Limit] = [*local]
        if options.shared and store is not None:
            limits = [Leases(each, store, clock, f"rate:{name}:{each.measure.setting}", callers_max) for each in local]
        if options.total_limit:
            totals = totals or Totals(surroundings, store)
            measure = Measure("total_limit", options.total_limit, options.total_burst)
            limits.append(totals.limit(measure, callers_max, shared=options.shared))
        self.limits = tuple(limits)
        self._leases = tuple(limit for limit in limits if isinstance(limit, Leases))

    @property
    def counts(self) -> Mapping[str, int]:
        """Calls that were refused, that waited for the store, and that went by this host's own count without one."""
        return {**self._counts, "alone": sum(leases.alone for leases in self._leases)} if self._leases else self._counts

    def state(self) -> Mapping[str, object]:
        """Each limit, and what is left of the one that all callers share."""
        now = self.now()
        state: dict[str, object] = {}
        for limit in self.limits:
            measure = limit.measure
            state[measure.setting] = shown = {"per_second": measure.limit, "burst": measure.burst}
            if measure.setting == "limit":
                shown["left"] = limit.allowance(now, "").remaining
        if self._leases:
            state["shared"] = not any(leases.alone_at(now) for leases in self._leases)
        return state

    def allowance(self, call: Call) -> Allowance:
        """What the tightest of the buckets leaves to the caller of a call."""
        now, caller = self.now(), call.caller
        tightest = self.limits[0]
        if len(self.limits) > 1:
            least = tightest.left(now, caller)
            for limit in self.limits[1:]:
                left = limit.left(now, caller)
                if left < least:
                    tightest, least = limit, left
        return tightest.allowance(now, caller)

    def __call__(self, service: Service) -> Service:
        """Put the limits in front of a service."""
        clock, limits = self.now, self.limits
        if self._leases:
            return lambda call: self._shared(service, call)
        if not limits:
            return service

        def limited(call: Call) -> Awaitable[Reply]:
            now, caller = clock(), call.caller
            call.limits = self
            for limit in limits:
                if not limit.ready(now, caller):
                    return Pending.failed(self.refusal(call, now))
            for limit in limits:
                limit.take(now, caller)
            return service(call)

        return limited

    def _shared(self, service: Service, call: Call) -> Awaitable[Reply]:
        now, caller = self.now(), call.caller
        call.limits = self
        waits = False
        for limit in self.limits:
            if not limit.ready(now, caller):
                if not (isinstance(limit, Leases) and limit.waits(now, caller)):
                    return Pending.failed(self.refusal(call, now))
                waits = True
        if waits:
            self._counts["waited"] += 1
            return Waiting(self, service, call).pending
        for limit in self.limits:
            limit.take(now, caller)
        return service(call)

    def refusal(self, call: Call, now: float) -> ResourceExhausted:
        """Why a call may not go on, and when another may."""
        self._counts["refused"] += 1
        caller, name = call.caller, call.target.name
        limit = max(self.limits, key=lambda each: each.wait_s(now, caller))
        wait_s, measure = limit.wait_s(now, caller), limit.measure
        # The same words each time, and the moment beside them: an ingress may keep what it has written for them.
        detail = f"{WHOSE[measure.setting].format(name)} {measure.limit:g} calls/s (rate.{measure.setting})"
        fault = ResourceExhausted(detail, started=Started.NO, function=name, retry_after_s=wait_s)
        fault.allowance = limit.allowance(now, caller)
        return fault


WHOSE = {
    "limit": "{} takes no more than",
    "caller_limit": "{} takes from one caller no more than",
    "total_limit": "one caller may make, of {} and other functions together, no more than",
}


class Waiting:
    """A call that waits for the store, for one bucket after the other. Those that it has, it holds a token of."""

    def __init__(self, rate: Rate, service: Service, call: Call) -> None:
        self.pending = Pending()
        self.pending.on_cancel = self._leave
        self._rate = rate
        self._service = service
        self._call = call
        self._held = 0
        self._rounds = ROUNDS_MAX
        self._go_on()

    def _go_on(self) -> None:
        """Take what is there, and wait for what is not."""
        rate, call = self._rate, self._call
        if self.pending.done:
            return
        now, caller = rate.now(), call.caller
        for limit in rate.limits[self._held :]:
            if not limit.ready(now, caller):
                self._rounds -= 1
                if not (self._rounds and isinstance(limit, Leases) and self._waits(limit, now)):
                    self._give_back()
                    self.pending.fail(rate.refusal(call, now))
                return
            limit.take(now, caller)
            self._held += 1
        pending, inner = self.pending, settle(self._service(call))
        pending.on_cancel = inner.cancel
        inner.then(lambda done: pending.fail(done.fault) if done.fault is not None else pending.resolve(done.result()))

    def _waits(self, leases: Leases, now: float) -> bool:
        caller = self._call.caller
        return leases.waits(now, caller) and leases.wait(now, caller, self._go_on)

    def _leave(self) -> None:
        self._give_back()
        self.pending.fail(Cancelled("the caller left before the call began", started=Started.NO))

    def _give_back(self) -> None:
        now = self._rate.now()
        for limit in self._rate.limits[: self._held]:
            if isinstance(limit, Leases):
                limit.give_back(now, self._call.caller)
