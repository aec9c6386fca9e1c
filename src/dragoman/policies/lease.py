"""Buckets that all hosts share: each takes tokens from the store in small leases, ahead of their use.

So most calls find a token in memory, and no host waits for the store but where it has none at all. What is leased is
used within the lease's time or not at all, and the bucket in the store is smaller by what can be leased in that time:
over any stretch of time all hosts together let no more calls through than one bucket of the whole size would.

A store that is lost, or slow, is done without: each host then holds callers to the whole limit by itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dragoman.policies.bucket import Bucket

if TYPE_CHECKING:
    from dragoman.core.call import Allowance
    from dragoman.policies.bucket import Buckets
    from dragoman.policies.surroundings import Scripts

LEASE_S = 0.1
"""Longest life of a lease: at 1000 calls/s, 50 tokens a time and 20 round trips a second for all of them."""
PAUSE_SHARE = 8
"""A store without tokens is asked again after an eighth of a lease's life, and by then has some for all who ask."""
ALONE_S = 0.25
"""After an operation that failed, so long without the store: one call in that time may wait for its timeout."""
WAITING_MAX = 1000
"""Calls that wait for one lease: as many as a host takes from its network in a millisecond or ten."""

SCRIPT = """
local interval, depth, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = (time[1] - 1700000000) * 1000000 + time[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now) or now, now)
-- A clock that was set back must not shut everybody out for as long.
full = math.min(full, now + depth)
local left = math.floor((now + depth - full) / interval + 0.001)
local given = math.max(math.min(wanted, left), 0)
if given > 0 then
  full = full + given * interval
  redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil((full - now) / 1000) + 1)
end
return {given, left - given, math.max(math.ceil(full + interval - depth - now), 0)}
"""
"""The bucket in the store, as a moment on the store's own clock: microseconds, since its clock is one for all hosts.

Takes the microseconds of a token, those of the whole bucket, and how many tokens are wanted; gives how many there are,
how many are left, and in how many microseconds there is one.
"""


class Lease:
    """The tokens that this host has of one bucket: those in use, and those that come after them."""

    __slots__ = (
        "asked_at",
        "asking",
        "counted_from",
        "empty_until",
        "expires_at",
        "left",
        "low",
        "pace",
        "spare",
        "spare_expires_at",
        "taken",
        "tokens",
        "waiting",
    )

    def __init__(self, now: float) -> None:
        self.tokens = self.spare = self.low = self.taken = self.left = 0
        self.expires_at = self.spare_expires_at = self.empty_until = 0.0
        self.asked_at = self.counted_from = now
        self.pace = 0.0
        self.asking = False
        self.waiting: deque[Callable[[], object]] | None = None

    def holds(self, now: float) -> bool:
        """Whether there is a token that may be used now."""
        if self.tokens and now <= self.expires_at:
            return True
        if self.spare:
            self.tokens, self.expires_at, self.spare = self.spare, self.spare_expires_at, 0
            self.low = self.tokens // 2
            return now <= self.expires_at
        self.tokens = 0
        return False


class Leases:
    """The leases of one limit: of one bucket, or of one for each caller. Has what `Bucket` has, and waiting."""

    def __init__(
        self, local: Bucket | Buckets, store: Scripts, clock: Callable[[], float], key: str, callers_max: int
    ) -> None:
        """`local` holds callers to the limit while there is no store, where `key` names the bucket or its callers'."""
        self.measure = measure = local.measure
        self.alone = self.asked = 0
        self._local = local
        self._store = store
        self._clock = clock
        self._key = key
        self.callers_max = callers_max
        self._leases: OrderedDict[str, Lease] = OrderedDict()
        self._whole = isinstance(local, Bucket)
        self._alone_until = 0.0
        self._lease_s = min(LEASE_S, (measure.burst - 1) * measure.interval_s / 2)
        self._pause_s = self._lease_s / PAUSE_SHARE
        depth_s = measure.burst * measure.interval_s - self._lease_s
        self._arguments = (measure.interval_s * 1e6, depth_s * 1e6)

    def ready(self, now: float, caller: str) -> bool:
        """Whether there is a token here, or no store to ask for one and one left of this host's own."""
        lease = self._leases.get("" if self._whole else caller)
        if lease is not None and ((lease.tokens and now <= lease.expires_at) or lease.holds(now)):
            return True
        return self.alone_at(now) and self._local.ready(now, caller)

    def waits(self, now: float, caller: str) -> bool:
        """Whether the store can tell if there is a token for a caller who has none here."""
        lease = self._lease(caller)
        return not self.alone_at(now) and (lease is None or now >= lease.empty_until)

    def take(self, now: float, caller: str) -> None:
        """Take the token that is ready."""
        self._local.take(now, caller)
        lease = self._leases.get("" if self._whole else caller)
        if lease is None or not (lease.tokens or lease.holds(now)):
            self.alone += 1
            return
        lease.tokens -= 1
        lease.taken += 1
        if lease.tokens <= lease.low and not lease.asking:
            self._look_ahead(lease, caller, now)

    def give_back(self, now: float, caller: str) -> None:
        """A token that was taken is not used after all."""
        lease = self._lease(caller)
        if lease is not None and lease.holds(now):
            lease.tokens += 1

    def wait(self, now: float, caller: str, then: Callable[[], object]) -> bool:
        """Have the store asked, and `then` called when it has answered. False where too many wait already."""
        caller = "" if self._whole else caller
        lease = self._leases.get(caller)
        if lease is None:
            if len(self._leases) >= self.callers_max:
                self._leases.popitem(last=False)
            lease = self._leases[caller] = Lease(now)
        if lease.waiting is None:
            lease.waiting = deque()
        if len(lease.waiting) >= WAITING_MAX:
            return False
        lease.waiting.append(then)
        if not lease.asking:
            # Those that come in this turn of the loop are asked for together.
            lease.asking = True
            asyncio.get_running_loop().call_soon(self._ask, lease, caller, now, self._ahead(lease, now))
        return True

    def wait_s(self, now: float, caller: str) -> float:
        """Seconds until there may be a token."""
        if self.alone_at(now):
            return self._local.wait_s(now, caller)
        lease = self._lease(caller)
        return 0.0 if lease is None else max(lease.empty_until - now, 0.0)

    def allowance(self, now: float, caller: str) -> Allowance:
        """What is left, as far as this host knows."""
        measure, left = self.measure, self.left(now, caller)
        return measure.allowance(left, (measure.burst - left) * measure.interval_s)

    def left(self, now: float, caller: str) -> float:
        """The tokens that are left, as far as this host knows."""
        lease = self._lease(caller)
        if lease is None or self.alone_at(now):
            return self._local.left(now, caller)
        left = lease.left + lease.tokens + lease.spare + (now - lease.asked_at) / self.measure.interval_s
        return min(left, self.measure.burst)

    def _lease(self, caller: str) -> Lease | None:
        return self._leases.get("" if self._whole else caller)

    def alone_at(self, now: float) -> bool:
        """Whether this host counts for itself, without the store."""
        return now < self._alone_until or not self._store.up

    def _look_ahead(self, lease: Lease, caller: str, now: float) -> None:
        """Have more tokens come while there are some yet."""
        if not lease.spare and now >= lease.empty_until and not self.alone_at(now):
            ahead = self._ahead(lease, now)
            if ahead > lease.tokens:
                self._ask(lease, caller, now, ahead)

    def _ahead(self, lease: Lease, now: float) -> int:
        """Tokens for half a lease's life, at the pace of the half before, or of this one where it is greater."""
        half_s = self._lease_s / 2
        elapsed_s = now - lease.counted_from
        if elapsed_s > half_s:
            lease.pace = lease.taken * half_s / elapsed_s
            lease.taken, lease.counted_from = 0, now
        return int(max(lease.pace, lease.taken - 1)) if half_s else 0

    def _ask(self, lease: Lease, caller: str, now: float, ahead: int) -> None:
        waiting = len(lease.waiting) if lease.waiting else 0
        lease.asking = True
        lease.asked_at = now
        self.asked += 1
        if self._whole:
            key = self._key
        else:
            key = f"{self._key}:{caller}"
            if caller in self._leases:
                self._leases.move_to_end(caller)
        answer = self._store.evaluate(SCRIPT, (key,), (*self._arguments, waiting + ahead))
        answer.add_done_callback(lambda done: self._answered(done, lease, now, waiting + ahead))

    def _answered(self, done: asyncio.Future[Any], lease: Lease, asked_at: float, wanted: int) -> None:
        lease.asking = False
        now = self._clock()
        if done.cancelled() or done.exception() is not None:
            self._alone_until = now + ALONE_S
        else:
            given, lease.left, wait_us = done.result()
            if given < wanted:
                lease.empty_until = now + max(wait_us / 1e6, self._pause_s)
            if given:
                # However long the answer took: who has waited for it may go.
                lease.spare_expires_at = max(asked_at + self._lease_s, now)
                lease.spare = given
        waiting, lease.waiting = lease.waiting, None
        for then in waiting or ():
            then()
