"""One wait for a task, kept up over whatever happens to the way there: a host that restarts in between loses nothing.

A task is stored, so that asking about it again does no harm. Whoever waits without a time of its own gives up when the
host was away for long; then the task can be waited for again, by its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.client.backoff import pauses
from dragoman.client.exchange import checked_timeout
from dragoman.core.deadline import at
from dragoman.core.fault import DeadlineExceeded, Draining, Fault, ResourceExhausted, Started, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core.clock import Clock

POLL_S = 20.0
"""One question is held by the host this long at most: proxies give up on an answer after 30 s to 60 s."""
AWAY_S_MAX = 300.0
"""A host that is away for longer is no restart; a deployment is through by then."""

APART_S = 0.25
"""Questions are so far apart at least, where something between cuts off every one that the host would hold."""


class Persistence:
    """When to ask again, and when to give up."""

    def __init__(self, timeout_s: float | None, clock: Clock, on_away: Callable[[Fault], object] | None = None) -> None:
        """`timeout_s` is the caller's; None waits for as long as the host is there. Raises `ValueError` for NaN.

        `on_away` is told when the host is away, once each time.
        """
        self._on_away = on_away
        self.timeout_s = checked_timeout(timeout_s)
        self._now = clock.monotonic
        self._until = at(self._now(), self.timeout_s)
        self._give_up_at: float | None = None
        self._pauses: Iterator[float] = pauses()

    @property
    def over(self) -> bool:
        """Whether the caller's time is up."""
        return self._now() >= self._until

    def left_s(self) -> float | None:
        """What is left of the caller's time, None where there is no end to it."""
        return None if self.timeout_s is None else max(self._until - self._now(), 0.0)

    def poll_s(self) -> float:
        """How long the next question may be held."""
        return max(min(self._until - self._now(), POLL_S), 0.0)

    def now(self) -> float:
        """The moment, to be given back to `early_s`."""
        return self._now()

    def early_s(self, asked_at: float) -> float:
        """How long to wait still before asking again, where the answer to what was asked then says nothing new."""
        now = self._now()
        return max(min(asked_at + APART_S - now, self._until - now), 0.0)

    def answered(self) -> None:
        """The host has answered."""
        if self._give_up_at is not None:
            self._give_up_at, self._pauses = None, pauses()

    def pause_s(self, fault: Fault) -> float:
        """How long to wait before asking again. Raises `fault` where that does not help, or for too long."""
        if not may_pass(fault):
            raise fault
        now = self._now()
        if self._give_up_at is None:
            self._give_up_at = now + AWAY_S_MAX if self.timeout_s is None else self._until
            if self._on_away is not None:
                self._on_away(fault)
        pause_s = max(next(self._pauses), fault.retry_after_s or 0.0)
        if now >= self._give_up_at:
            raise fault
        return min(pause_s, self._give_up_at - now)


def may_pass(fault: Fault) -> bool:
    """Whether a question about a task may be answered the next time: the host is away, or has too much to do."""
    if isinstance(fault, Draining) and not fault.remote:
        return False  # it is this side that has closed
    return isinstance(fault, Unavailable | ResourceExhausted | DeadlineExceeded)


def broken_off(id: str) -> Unavailable:  # noqa: A002 - the public word
    """The fault of events that ended before their task."""
    return Unavailable(f"the events of task {id} broke off before it was over", started=Started.UNKNOWN)
