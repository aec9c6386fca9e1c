"""Identical calls in flight run once, and all who asked get the answer.

What is identical is said by `policies.key`, what becomes of who waits by `policies.flight`. Streams, calls whose
input is streamed in, and those with the largest bodies, run for themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.policies.flight import Flights, Rules
from dragoman.policies.key import Keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from dragoman.core.call import Call, Reply
    from dragoman.core.service import Service
    from dragoman.core.target import Target
    from dragoman.policies.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class CoalesceOptions:
    """Which calls are identical, and how many may wait.

    At most `waiting_max` callers wait for one answer; `key` names the properties of the input that tell calls apart,
    all where empty.
    """

    waiting_max: int = 100_000
    key: tuple[str, ...] = ()


class Coalesce:
    """The layer of one function.

    It coalesces the calls of whatever function it is put around; of one that is not idempotent, only put it around
    where two calls that say the same may be one. Calls with an idempotency key are then told apart by it: they run for
    themselves.

    `covered` says that a layer around this one runs calls once that are identical by the same key, as a cache does:
    then it has nothing to do, and leaves calls alone. So a run that the cache lets nobody join any more, since its
    answer was invalidated, is not joined here either.

    Faults: `RESOURCE_EXHAUSTED` where as many wait as may; `DEADLINE_EXCEEDED` where the caller's own time is up.
    """

    def __init__(self, options: CoalesceOptions, surroundings: Surroundings, *, covered: bool = False) -> None:
        self.options = options
        self.covered = covered
        self._keys = Keys(options.key)
        self._flights = Flights(surroundings, Rules(options.waiting_max, partial=bool(options.key)))
        self._latest: Target | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """Calls that ran, and calls that joined one that did."""
        return {"run": self._flights.runs, "joined": self._flights.joined}

    def state(self) -> Mapping[str, object]:
        """How many runs are in flight, and how many callers wait for them; or that another layer sees to it."""
        covered = {"covered": True} if self.covered else {}
        return {"in_flight": len(self._flights.by_key), "waiting": self._flights.waiting, **covered}

    def renew(self, target: Target, *, outdated: bool) -> None:
        """Be the layer of another version of the function; what the one before runs is `outdated`, or good yet.

        Calls that are aimed at the one before may still come. They run for themselves.
        """
        self._latest = target
        if outdated:
            self._flights.forget()

    def __call__(self, service: Service) -> Service:
        """Wrap a service."""
        if self.covered:
            return service
        key_of, join = self._keys.of, self._flights.join

        def coalesced(call: Call) -> Awaitable[Reply]:
            target = call.target
            if target.streaming or call.input is not None or (call.idempotency_key and not target.idempotent):
                return service(call)
            if self._latest is not None and target is not self._latest:
                return service(call)
            key = key_of(call)
            return join(call, key, service) if key else service(call)

        return coalesced
