"""A store that hosts share, in the memory of a test: it may be down, slow, refuse what is written, or lose messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Board:
    """What lies there, whoever asks. Time does not pass here: what is to expire is taken away by the test."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.listeners: dict[str, list[tuple[Desk, Callable[[bytes], object]]]] = {}
        self.ttls: dict[str, float] = {}


class Desk:
    """One host's way to the board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._missed: list[Callable[[], object]] = []
        self.up = True
        self.full = False
        self.away = False
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def get(self, key: str) -> Awaitable[bytes | None]:
        return self._soon(lambda: self._board.values.get(key))

    def set(self, key: str, value: bytes, ttl_s: float) -> Awaitable[Any]:
        def put() -> None:
            if self.full:
                raise ConnectionError("full")
            self._board.values[key] = value
            self._board.ttls[key] = ttl_s

        return self._soon(put)

    def publish(self, channel: str, message: bytes) -> Awaitable[Any]:
        def tell() -> None:
            for desk, heard in tuple(self._board.listeners.get(channel, ())):
                if desk.up and not desk.away:
                    heard(message)

        return self._soon(tell)

    def subscribe(
        self, channel: str, heard: Callable[[bytes], object], missed: Callable[[], object]
    ) -> Callable[[], None]:
        entry = (self, heard)
        self._board.listeners.setdefault(channel, []).append(entry)
        self._missed.append(missed)
        asyncio.get_running_loop().call_soon(missed)
        return lambda: self._board.listeners[channel].remove(entry)

    def back(self) -> None:
        """Hear again, after some messages were lost."""
        self.up, self.away = True, False
        for missed in self._missed:
            missed()

    def _soon(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        self.asked += 1

        async def do() -> Any:
            await self.gate.wait()
            if not self.up:
                raise ConnectionError("down")
            return work()

        future = asyncio.ensure_future(do())
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future


async def settled(rounds: int = 30) -> None:
    """Have everything happen that is only a few turns of the loop away."""
    for _ in range(rounds):
        await asyncio.sleep(0)
