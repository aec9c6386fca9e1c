"""Servers with a line before them, on a clock that is moved: what a pool is to its callers, without its processes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from dragoman.core.call import Call, Priority, Reply
from dragoman.core.fault import Overloaded
from dragoman.core.service import Pending, Service, settle
from dragoman.testing.clock import ManualClock
from tests.policies.crowd import call_of


class Counter:
    """So many servers, each call taking `work_s` seconds; the more important calls first."""

    def __init__(self, clock: ManualClock, servers: int, work_s: float, *, tells: bool = True) -> None:
        """`tells` whether a call learns when it is dispatched."""
        self.work_s = work_s
        self._clock = clock
        self._tells = tells
        self._free = servers
        self._line: tuple[deque[tuple[Call, Pending]], ...] = tuple(deque() for _ in Priority)

    def __call__(self, call: Call) -> Pending:
        pending = Pending()
        self._line[call.priority].append((call, pending))
        self._serve()
        return pending

    def _serve(self) -> None:
        while self._free and (line := next((line for line in self._line if line), None)):
            call, pending = line.popleft()
            self._free -= 1
            if self._tells:
                call.dispatched_at = self._clock.monotonic()
            self._clock.call_later(self.work_s, self._end, pending)

    def _end(self, pending: Pending) -> None:
        self._free += 1
        pending.resolve(Reply(b"1"))
        self._serve()


@dataclass
class Seen:
    """What the callers of one priority saw."""

    latencies_s: list[float] = field(default_factory=list[float])
    refused: int = 0

    @property
    def success(self) -> float:
        return len(self.latencies_s) / (len(self.latencies_s) + self.refused)

    @property
    def p99_s(self) -> float:
        return sorted(self.latencies_s)[int(len(self.latencies_s) * 0.99)]


def offer(clock: ManualClock, service: Service, rates_s: dict[Priority, float], seconds: float) -> dict[Priority, Seen]:
    """Call at random moments, so often on average, and see what comes of it."""
    random = Random(7)  # the same moments in every run
    seen = {priority: Seen() for priority in rates_s}
    end = clock.monotonic() + seconds

    def call(priority: Priority) -> None:
        at = clock.monotonic()
        pending = settle(service(call_of("", priority, arrived_at=at)))
        pending.then(lambda settled: count(settled, seen[priority], at))
        arrange(priority)

    def count(settled: Pending, by: Seen, at: float) -> None:
        if settled.reply is not None:
            by.latencies_s.append(clock.monotonic() - at)
        else:
            assert isinstance(settled.fault, Overloaded)
            by.refused += 1

    def arrange(priority: Priority) -> None:
        after = random.expovariate(rates_s[priority])
        if clock.monotonic() + after < end:
            clock.call_later(after, call, priority)

    for priority in rates_s:
        arrange(priority)
    clock.advance(seconds + 60)
    return seen
