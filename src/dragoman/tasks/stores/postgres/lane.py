"""Group commit: operations of one kind that come while others are under way are done together, by one statement.

A database pays for a commit and hardly for a row (Gray and Reuter, Transaction Processing, 1993, §9.4.7).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.driver import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Question = TypeVar("Question")
Answer = TypeVar("Answer")
ROWS_MAX = 1000
"""Rows of one statement: past it a commit costs nothing any more, and those that came first wait for the others."""
BYTES_MAX = 8 * 1024 * 1024
"""Bytes of one statement, where more than one operation is in it: as much is copied a few times on the way."""


class Load(NamedTuple):
    """What an operation adds to a statement."""

    rows: int = 1
    size: int = 0


class Lane(Generic[Question, Answer]):
    """Operations of one kind. `run` does some together, and gives an answer to each, in their order."""

    def __init__(
        self,
        run: Callable[[list[Question], int], Awaitable[list[Answer]]],
        weigh: Callable[[Question], Load],
        *,
        flights: int = 1,
        waiting_max: int = 20_000,
    ) -> None:
        """`run` is told how many bytes it is to send; at most `flights` of it are under way at a time."""
        self._run = run
        self._weigh = weigh
        self._flights = flights
        self._waiting_max = waiting_max
        self._queue: deque[tuple[Question, Load, asyncio.Future[Answer]]] = deque()
        self._flying: set[asyncio.Task[None]] = set()
        self._called = False

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """Do an operation with all others of this moment. Raises `StoreFailed` where too many wait."""
        if len(self._queue) >= self._waiting_max:
            raise StoreFailed(f"the task store is too slow: {len(self._queue)} operations wait for it")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._queue.append((question, self._weigh(question), answer))
        if not self._called and len(self._flying) < self._flights:
            self._called = True
            loop.call_soon(self._start)
        return answer

    async def close(self) -> None:
        """Wait for all that was asked for."""
        while self._flying or self._queue:
            self._start()
            if self._flying:
                await asyncio.wait(tuple(self._flying))

    def _start(self) -> None:
        self._called = False
        while self._queue and len(self._flying) < self._flights:
            batch, size = self._gather()
            if batch:
                flight = asyncio.get_running_loop().create_task(self._fly(batch, size))
                self._flying.add(flight)
                flight.add_done_callback(self._landed)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flying.discard(flight)
        if self._queue:
            self._start()

    def _gather(self) -> tuple[list[tuple[Question, asyncio.Future[Answer]]], int]:
        """As many as go together, and how many bytes they are; none whose asker has gone."""
        batch: list[tuple[Question, asyncio.Future[Answer]]] = []
        rows = size = 0
        while self._queue:
            question, load, answer = self._queue[0]
            if batch and (rows + load.rows > ROWS_MAX or size + load.size > BYTES_MAX):
                break
            self._queue.popleft()
            if not answer.done():
                batch.append((question, answer))
                rows, size = rows + load.rows, size + load.size
        return batch, size

    async def _fly(self, batch: list[tuple[Question, asyncio.Future[Answer]]], size: int) -> None:
        try:
            answers = await self._run([question for question, _ in batch], size)
        except Refused as error:
            if len(batch) == 1:
                fail(batch, error)
                return
            # One of them is at fault, and the others are not to suffer for it.
            for pair in batch:
                await self._fly([pair], self._weigh(pair[0]).size)
        except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told
            fail(batch, error)
        else:
            for (_, waiter), answer in zip(batch, answers, strict=True):
                if not waiter.done():
                    waiter.set_result(answer)


def fail(batch: list[tuple[Question, asyncio.Future[Answer]]], error: Exception) -> None:
    """Tell all of a batch, each by an error of its own: a traceback grows with each who raises it."""
    for _, waiter in batch:
        if not waiter.done():
            told = StoreFailed(str(error), unsure=error.unsure) if isinstance(error, StoreFailed) else error
            waiter.set_exception(told)
