"""A store that hosts share, in memory: it runs the one script that leases need, on the test's clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

from dragoman.policies.lease import SCRIPT


class Stock:
    """Answers when the test delivers them, from what there is when they are asked."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.up = True
        self.asked = 0
        self._clock = clock
        self._full: dict[str, float] = {}
        self._answers: list[tuple[asyncio.Future[Any], list[int]]] = []

    def evaluate(
        self, text: str, keys: Sequence[str], arguments: Sequence[bytes | str | float] = ()
    ) -> asyncio.Future[Any]:
        assert text == SCRIPT
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked += 1
        interval, depth, wanted = map(float, arguments)
        self._answers.append((answer, self._run(keys[0], interval, depth, wanted)))
        return answer

    async def deliver(self) -> None:
        """Give the answers that are owed, and let those who wait go on."""
        await asyncio.sleep(0)
        while self._answers:
            answers, self._answers = self._answers, []
            for answer, value in answers:
                answer.set_result(value)
            await turns()

    async def lose(self) -> None:
        """Fail whatever is owed."""
        await asyncio.sleep(0)
        answers, self._answers = self._answers, []
        for answer, _ in answers:
            answer.set_exception(ConnectionError("lost"))
        await turns()

    def _run(self, key: str, interval: float, depth: float, wanted: float) -> list[int]:
        now = self._clock() * 1e6
        full = min(max(self._full.get(key, now), now), now + depth)
        left = math.floor((now + depth - full) / interval + 0.001)
        given = max(min(int(wanted), left), 0)
        if given:
            full = self._full[key] = full + given * interval
        return [given, left - given, max(math.ceil(full + interval - depth - now), 0)]


async def turns() -> None:
    """Let callbacks of futures, and what they schedule, run."""
    for _ in range(5):
        await asyncio.sleep(0)
