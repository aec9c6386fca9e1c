"""Load shedding: a limit on calls in flight that follows the latency, and turns the least important away first.

The limit is `policies.gradient`'s. Priorities are those of criticality in Google's *Site Reliability Engineering*
(ch. 21, Handling Overload).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dragoman.core.call import Priority
from dragoman.core.fault import Code, Overloaded
from dragoman.core.service import Pending, settle
from dragoman.policies.gradient import Gradient
from dragoman.policies.held import HeldStream

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dragoman.core.call import Call, Reply
    from dragoman.core.service import Service
    from dragoman.policies.surroundings import Surroundings

WINDOW_S = 0.1
"""How often the limit moves: it comes down from its first value to that of a few workers in 3 s."""
SAMPLES_MIN = 10
"""Fewer calls say too little (the least of a window in concurrency-limits)."""
STRIDE_MAX = 16
"""Of a function that is called often one call in so many is timed; that it is not any more is noticed soon."""
RETRY_S = 1.0
"""When a caller that was refused may try again: the limit has moved ten times by then."""
BURST_S = 0.1
"""Critical calls may be past the limit for so long, and again when they have kept to it for as long: a host that stood
still for a moment finds many at once, and that queue is gone as soon (the interval of CoDel, RFC 8289)."""
WORDS = tuple(priority.name.lower() for priority in Priority)


@dataclass(frozen=True, slots=True)
class ShedOptions:
    """Where the limit may be, and who may fill it.

    Bounds of the limit, in calls in flight, and where it begins. Latency may grow to `tolerance` times its
    long-term value, and by 5 ms in any case, before the limit falls. `normal` and `batch` are the shares of the limit
    that calls of these priorities may fill, each with those that matter more; critical ones may fill all of it.
    """

    least: int = 8
    most: int = 1000
    first: int = 100
    tolerance: float = 1.5
    normal: float = 0.9
    batch: float = 0.5


class Shed:
    """The layer of one function. Refuses with `Overloaded`, of a call that never began, and `retry_after_s` 1.

    A call is refused where as many calls that matter as much or more are in flight as may be: those that matter less
    wait behind it, so they are no reason to turn it away. A short burst of critical calls is let in. The latency is the
    time from here to the reply, or to the beginning of a stream, with every line in between; a stream counts as in
    flight until it ends or is closed. Calls that fail say nothing about it, except those that ran out of time.
    """

    def __init__(self, options: ShedOptions, surroundings: Surroundings) -> None:
        self.options = options
        self.counts = {f"refused_{word}": 0 for word in WORDS}
        self._now = surroundings.clock.monotonic
        self._attend = surroundings.attend
        self._gradient = Gradient(options.first, (options.least, options.most), options.tolerance)
        self._in_flight = [0] * len(WORDS)
        self._shares = (1.0, options.normal, options.batch)
        self._bounds = [0] * len(WORDS)
        self._details: dict[int, str] = {}
        # One of so many calls is timed, and the rest pay for no clock.
        self._stride, self._skip = 1, 0
        self._untimed = tuple(partial(self._gone, priority) for priority in range(len(WORDS)))
        self._until = 0.0
        self._burst_at = self._over_at = -BURST_S
        self._begin_window()

    @property
    def in_flight(self) -> int:
        """Calls that are inside."""
        return sum(self._in_flight)

    def state(self) -> dict[str, object]:
        """What it knows now; the long-term latency in seconds."""
        return {
            "limit": round(self._gradient.limit, 1),
            "usual_latency": round(self._gradient.long_s, 6),
            "in_flight": dict(zip(WORDS, self._in_flight, strict=True)),
        }

    def __call__(self, service: Service, /) -> Service:
        """Guard a service."""
        in_flight, bounds, now, ended, untimed = self._in_flight, self._bounds, self._now, self._ended, self._untimed

        def guarded(call: Call) -> Awaitable[Reply]:
            priority = call.priority
            before = in_flight[0]
            if priority:
                before += in_flight[1] if priority == Priority.NORMAL else in_flight[1] + in_flight[2]
            if before >= bounds[priority] and (priority or not self._is_burst(before)):
                return self._refuse(call, priority)
            in_flight[priority] += 1
            self._skip -= 1
            leave = untimed[priority]
            if self._skip <= 0:
                self._skip = self._stride
                leave = partial(ended, call, priority, now())
            try:
                answer = service(call)
            except BaseException:
                in_flight[priority] -= 1
                raise
            pending = answer if isinstance(answer, Pending) else settle(answer)
            pending.then(leave)
            return pending

        return guarded

    def _ended(self, call: Call, priority: int, began_at: float, pending: Pending) -> None:
        reply = pending.reply
        if reply is not None or (pending.fault is not None and pending.fault.code is Code.DEADLINE_EXCEEDED):
            now = self._now()
            in_flight = self._in_flight
            self._latency_s += now - began_at
            # Where nobody says when the work began, it was here.
            self._work_s += now - max(call.dispatched_at, began_at)
            self._samples += 1
            self._peak = max(self._peak, in_flight[0] + in_flight[1] + in_flight[2])
            if now >= self._until:
                if now - self._until > WINDOW_S:
                    self._stride, self._skip = 1, 0  # calls have become few
                if self._samples >= SAMPLES_MIN:
                    self._adapt(now)
        self._gone(priority, pending)

    def _gone(self, priority: int, pending: Pending) -> None:
        reply = pending.reply
        if reply is not None and reply.items is not None:
            reply.items = HeldStream(reply.items, partial(self._leave, priority))
        else:
            self._in_flight[priority] -= 1

    def _leave(self, priority: int) -> None:
        self._in_flight[priority] -= 1

    def _adapt(self, now: float) -> None:
        samples = self._samples
        if samples >= 4 * SAMPLES_MIN:
            self._stride = min(2 * self._stride, STRIDE_MAX)
        elif samples < 2 * SAMPLES_MIN:
            self._stride = max(self._stride // 2, 1)
        self._gradient.update(self._latency_s / samples, self._work_s / samples, self._peak, refused=self._refused)
        self._until = now + WINDOW_S
        self._begin_window()

    def _begin_window(self) -> None:
        self._latency_s = self._work_s = 0.0
        self._samples = self._peak = 0
        self._refused = False
        limit = self._gradient.limit
        # In place: the services hold it. One at least, or nothing would ever tell that there is room again.
        bounds = [max(int(limit * share), 1) for share in self._shares]
        if bounds != self._bounds:
            self._bounds[:] = bounds
            self._details.clear()

    def _is_burst(self, before: int) -> bool:
        """Whether critical calls are past the limit for a moment only, and let in by the greatest one."""
        now = self._now()
        if now - self._over_at > BURST_S:
            self._burst_at = now
        self._over_at = now
        return now - self._burst_at < BURST_S and before < self.options.most

    def _refuse(self, call: Call, priority: int) -> Pending:
        self._refused = True
        self._attend()
        self.counts[f"refused_{WORDS[priority]}"] += 1
        name = call.target.name
        detail = self._details.get(priority) or self._details.setdefault(priority, self._detail(name, priority))
        return Pending.failed(Overloaded(detail, function=name, retry_after_s=RETRY_S))

    def _detail(self, name: str, priority: int) -> str:
        word = WORDS[priority]
        share = "" if priority == Priority.CRITICAL else f", of which {word} ones may fill {self._bounds[priority]}"
        setting = "shed" if priority == Priority.CRITICAL else f"shed.{word}"
        return (
            f"{name} is overloaded: by its latency it takes {int(self._gradient.limit)} calls at a time{share}"
            f" ({setting}); try again later, or send less"
        )
