"""How many tasks a host begins while other calls come: few enough that these hardly notice.

A task costs a host several times what a call does, for it is written down. So while calls come at a rate that counts,
tasks go in turns of a tenth of a second, in proportion to the calls; and some go on in any case. Where no calls come,
or few, tasks are bounded by their pools alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_S = 0.1
"""Tasks of one turn are claimed and recorded together: ten times a second is little work, and nobody waits long."""
CALLS_MIN = 10.0
"""Calls a second that count: fewer are too far apart to be hindered."""
PART = 1 / 64
"""Tasks for each call: one costs about eight times the time of a call in the host, and its worker the same again."""
TASKS_MIN = 40.0
"""Tasks a second that go on whatever is called: a hundredth or so of one processor."""
GROWTH = 2
"""What becomes due is this many times what begins, so that there is always something, and more where there is room."""
MEMORY_S = 0.5
"""Calls count for so long after they came: callers pause, and come again."""


class Pace:
    """The pace of one host's tasks."""

    def __init__(self, offered: Callable[[], int], now: Callable[[], float]) -> None:
        """`offered` counts the calls that came so far, tasks included."""
        self._offered = offered
        self._now = now
        self._looked_at = now()
        self._seen = offered()
        self._mine = self._mine_before = 0
        self._rate = 0.0
        self._rate_until = 0.0
        self._turn_at = 0.0
        self._left = 0

    def begun(self) -> None:
        """A task has begun, which is one of the calls that are counted."""
        self._mine += 1

    def allowance(self) -> int | None:
        """How many tasks may be claimed now; None for as many as there is room for."""
        now = self._now()
        self._look(now)
        if now >= self._rate_until:
            return None
        if now - self._turn_at >= TURN_S:
            self._turn_at = now
            self._left = self._of_turn()
        return self._left

    def soon(self) -> int | None:
        """How many more tasks may begin in the next turn, asked once a turn; None for as many as there are.

        Their pools may have less room than calls leave: then it is some more than have begun since it was asked last.
        """
        now = self._now()
        self._look(now)
        begun, self._mine_before = self._mine - self._mine_before, self._mine
        if now >= self._rate_until:
            return None
        return min(max(GROWTH * begun, int(TASKS_MIN * TURN_S)), GROWTH * self._of_turn())

    def _of_turn(self) -> int:
        return max(int(max(self._rate * PART, TASKS_MIN) * TURN_S), 1)

    def claimed(self, count: int) -> None:
        """So many were claimed."""
        self._left = max(self._left - count, 0)

    def wait_s(self) -> float:
        """Seconds until the next turn."""
        return max(self._turn_at + TURN_S - self._now(), 0.0)

    def _look(self, now: float) -> None:
        passed_s = now - self._looked_at
        if passed_s < TURN_S / 2:
            return
        # A task that waits in a layer comes later than it was begun: never as a call of somebody else's.
        others = self._offered() - self._mine
        calls = max(others - self._seen, 0)
        if calls > 1 and calls / passed_s >= CALLS_MIN:
            self._rate = calls / passed_s
            self._rate_until = now + MEMORY_S
        self._looked_at, self._seen = now, max(others, self._seen)
