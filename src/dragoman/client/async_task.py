"""A durable task as a program holds it that awaits: as `client.task`, on the loop of its face."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from dragoman.client.desk import NOT_YET, Document, TaskEvent, Trail
from dragoman.client.ending import SUCCEEDED, fault_of, is_over, still_running
from dragoman.client.persistence import Persistence, broken_off
from dragoman.client.task import Seen
from dragoman.core.fault import Fault
from dragoman.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from dragoman.client.desk import AsyncDesk
    from dragoman.core.clock import Clock

Answer = TypeVar("Answer")


class AsyncTask(Seen):
    """A task, for callers that await."""

    def __init__(self, desk: AsyncDesk, document: Document, clock: Clock) -> None:
        super().__init__(document)
        self._desk = desk
        self._clock = clock

    async def status(self) -> Document:
        """The task as it is now, with its attempts so far (`history`). Raises the `Fault` of the asking."""
        return self._seen(await self._desk.show(self.id))

    async def wait(self, timeout: float | None = None) -> Document:  # noqa: ASYNC109 - the host is told how long
        """Wait until the task is over, for `timeout` seconds at most; how it is then.

        Raises the `Fault` of a host that is away for too long: five minutes, or the whole `timeout`.
        """
        return await self._wait(Persistence(timeout, self._clock, self.on_away))

    async def result(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as above
        """What the function returned; waits until the task is over. Raises the `Fault` that it ended with.

        That is `Cancelled` for a task that was cancelled, `DeadlineExceeded` for one that ran out of time, and
        `DeadlineExceeded` too where it is not over after `timeout` seconds: it goes on then, and is not `over`.
        """
        persistence = Persistence(timeout, self._clock, self.on_away)
        known = self.state == SUCCEEDED  # what has a result is not run again
        while True:
            asked_at = persistence.now()
            document = self.document if known else await self._wait(persistence)
            if not is_over(document):
                raise still_running(document, format_duration(persistence.timeout_s or 0.0))
            if document["state"] != SUCCEEDED:
                raise fault_of(document)
            value = await self._ask(persistence, lambda: self._desk.result(self.id, self.function))
            if value is not NOT_YET:
                return value
            known = False
            await asyncio.sleep(persistence.early_s(asked_at))

    async def events(self, after: int = 0) -> AsyncGenerator[TaskEvent]:
        """What becomes of the task, from now until it is over: `(seq, kind, data)`, each once, over all restarts.

        First how it is, then what it has logged since its change `after`. Raises the `Fault` of a host that is away for
        five minutes.
        """
        trail, persistence = Trail(after), Persistence(None, self._clock, self.on_away)
        while True:
            asked_at = persistence.now()
            try:
                async for event in self._followed(trail, persistence):
                    yield event
                if trail.ended or trail.is_all(await self.status()):
                    return
                raise broken_off(self.id)
            except Fault as fault:
                await asyncio.sleep(max(persistence.pause_s(fault), persistence.early_s(asked_at)))

    async def logs(self, after: int = 0) -> list[Document]:
        """What the task has logged since its change `after`: `seq`, `at`, `level`, `message` of each line."""
        return await self._desk.logs(self.id, after)

    async def cancel(self) -> Document:
        """Have the task never run, or be stopped; how it is then. One that is over stays as it is."""
        return self._seen(await self._desk.cancel(self.id))

    async def retry(self) -> Document:
        """Have a task that ended without a result run again; how it is then. Raises `FailedPrecondition` for others."""
        return self._seen(await self._desk.retry(self.id))

    async def _followed(self, trail: Trail, persistence: Persistence) -> AsyncGenerator[TaskEvent]:
        async with aclosing(self._desk.events(self.id, trail.after)) as events:
            async for event in events:
                persistence.answered()
                if trail.is_new(event):
                    self.learn(event)
                    yield event

    async def _wait(self, persistence: Persistence) -> Document:
        while True:
            asked_at = persistence.now()
            asked = await self._ask(persistence, lambda: self._desk.wait(self.id, persistence.poll_s()))
            if is_over(self._seen(asked)) or persistence.over:
                return asked
            await asyncio.sleep(persistence.early_s(asked_at))

    async def _ask(self, persistence: Persistence, question: Callable[[], Awaitable[Answer]]) -> Answer:
        while True:
            try:
                answer = await question()
            except Fault as fault:
                await asyncio.sleep(persistence.pause_s(fault))
            else:
                persistence.answered()
                return answer

    def _seen(self, document: Document) -> Document:
        self.document = document
        return document
