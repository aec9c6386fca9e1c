"""What has come of attempts, on its way into the store: all that ended in one turn of the loop goes in one step.

What cannot be recorded now is kept and tried again: an outcome is lost with this process alone. What running tasks say
goes the same way, a few times a second.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dragoman.tasks.lasting import Work
from dragoman.tasks.task import US

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dragoman.core.clock import Timer
    from dragoman.policies.surroundings import Surroundings
    from dragoman.tasks.run import Run
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Outcome

TELL_S = 0.2
"""What a task says is told no more often than this: nobody watches faster."""
BATCH_MAX = 512
"""Outcomes of one step: a transaction of milliseconds."""
BATCH_BYTES_MAX = 64 * 1024 * 1024
"""Results of one step: databases bound what one statement carries, and all of it is in memory several times."""
UNSETTLED_MAX, UNSETTLED_BYTES_MAX = 2048, 64 * 1024 * 1024
"""Past so much that waits to be recorded nothing more is claimed."""


class Settling:
    """Records outcomes, in order. `settled(run, held)` is told of each, `held` False where it was somebody else's."""

    def __init__(
        self,
        store: Store,
        around: Surroundings,
        settled: Callable[[Run, bool], object],
    ) -> None:
        self._store = store
        self._around = around
        self._settled = settled
        self._ended: list[tuple[Run, Outcome]] = []
        self._bytes = 0
        self._telling: dict[Run, None] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._told_at = float("-inf")
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._ended)

    @property
    def full(self) -> bool:
        """Whether too much waits for a store that does not take it."""
        return len(self._ended) >= UNSETTLED_MAX or self._bytes >= UNSETTLED_BYTES_MAX

    def put(self, run: Run, outcome: Outcome) -> None:
        """Have an outcome recorded."""
        self._ended.append((run, outcome))
        self._bytes += len(outcome.result)
        self._idle.clear()
        self._wake.set()

    def tell(self, run: Run) -> None:
        """Have what a task says be kept, soon."""
        self._telling[run] = None
        if self._timer is None:
            left_s = self._told_at + TELL_S - self._around.clock.monotonic()
            self._timer = self._around.call_later(max(left_s, 0.0), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._wake.set()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything is recorded; whether it is."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    @property
    def work(self) -> Work:
        """The recording, which is to go on for as long as anything may be put in."""
        cannot = "outcomes of tasks cannot be recorded now, and are kept"
        return Work(self._record, cannot, "outcomes of tasks are recorded again")

    async def _record(self) -> Awaitable[object]:
        self._wake.clear()
        await self._say()
        while self._ended:
            await self._settle()
        self._idle.set()
        return self._wake.wait()

    async def _say(self) -> None:
        """Keep what was said: of the tasks whose turn it is, and all that those said that have ended."""
        if self._timer is None:
            said = list(self._telling)
            self._telling.clear()
        else:
            said = [run for run, _ in self._ended if run in self._telling]
            for run in said:
                del self._telling[run]
        if not said:
            return
        self._told_at = self._around.clock.monotonic()
        now = int(self._around.clock.now() * US)
        # What cannot be kept is let go: it is no outcome.
        await self._store.tell([run.told(now) for run in said if not run.lost])

    def _batch(self) -> list[tuple[Run, Outcome]]:
        """What is recorded next: one, and what comes behind it as far as that is little."""
        size = 0
        for count, (_, outcome) in enumerate(self._ended[:BATCH_MAX]):
            size += len(outcome.result)
            if count and size > BATCH_BYTES_MAX:
                return self._ended[:count]
        return self._ended[:BATCH_MAX]

    async def _settle(self) -> None:
        batch = self._batch()
        held = await self._store.settle([outcome for _, outcome in batch])
        del self._ended[: len(batch)]
        self._bytes -= sum(len(outcome.result) for _, outcome in batch)
        for (run, _), kept in zip(batch, held, strict=True):
            self._settled(run, kept)
