"""Where everybody looks who asks for tasks over HTTP: what many ask of one task at a time is asked of the host once."""

from __future__ import annotations

import asyncio
import contextlib
import math
from datetime import datetime
from typing import TYPE_CHECKING

from dragoman.contract.codecs import json
from dragoman.contract.malformed import Malformed
from dragoman.ingress.http.documents import to_json
from dragoman.ingress.http.feed import Feed, Watcher
from dragoman.ingress.http.tasks import Document, is_over

if TYPE_CHECKING:
    from collections.abc import Generator

    from dragoman.core.clock import Clock
    from dragoman.ingress.http.tasks import Tasks

PACE_S_MIN, PACE_S_MAX = 1, 30
"""When to ask again for a task that is not over: a second after it was submitted, and ever more rarely."""
PACE_SHARE = 10
"""A tenth of its age: whoever polls learns of the end a tenth too late at most."""


class Shown:
    """A task as it was when somebody looked; the body is written once for all who looked together."""

    __slots__ = ("body", "etag", "over", "task")

    def __init__(self, task: Document) -> None:
        self.task = task
        self.over = is_over(task)
        self.body = written(task)
        self.etag = f'"{task["seq"]}"'


class _Look:
    """One look at a task, which others may join until it begins."""

    def __init__(self) -> None:
        self.begun = False
        self.shown: asyncio.Future[Shown] = asyncio.get_running_loop().create_future()


class Board:
    """The tasks of a host."""

    def __init__(self, tasks: Tasks, clock: Clock) -> None:
        self.tasks = tasks
        self.draining = False
        self._now = clock.now
        self._feeds: dict[str, Feed] = {}
        self._looks: dict[str, _Look] = {}
        self._looking: set[asyncio.Task[None]] = set()

    @property
    def watched(self) -> int:
        """Tasks that are followed for somebody."""
        return len(self._feeds)

    async def look(self, id: str) -> Shown:  # noqa: A002 - the public word
        """A task as it is now: no earlier than when this was asked. Raises `NOT_FOUND`."""
        look = self._looks.get(id)
        if look is None or look.begun:
            before, look = look, _Look()
            self._looks[id] = look
            task = asyncio.get_running_loop().create_task(self._look(id, look, before))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        return await asyncio.shield(look.shown)

    @contextlib.contextmanager
    def watch(self, id: str, after: int = 0) -> Generator[Watcher]:  # noqa: A002 - the public word
        """Watch a task meanwhile, from behind what had been sent `after`."""
        feed = self._feeds.get(id)
        if feed is None:
            feed = self._feeds[id] = Feed(self.tasks, id, self._ended)
        watcher = Watcher(feed, after)
        if self.draining:
            feed.close()
        try:
            yield watcher
        finally:
            watcher.close()

    async def until_over(self, id: str, seconds: float) -> None:  # noqa: A002 - the public word
        """Wait until a task is over, or the host stops, for so many seconds at most. Raises `NOT_FOUND`."""
        if seconds <= 0 or self.draining:
            return
        with self.watch(id) as watcher:
            await watcher.over(seconds)

    def pace_s(self, task: Document) -> int:
        """In how many seconds it makes sense to ask for a task again that is not over."""
        now = self._now()
        submitted_at = moment(task.get("submitted_at"))
        age_s = 0.0 if submitted_at is None else now - submitted_at
        due_at = moment(task.get("due_at"))
        wait_s = max(age_s / PACE_SHARE, 0.0 if due_at is None else due_at - now)
        return min(max(math.ceil(wait_s), PACE_S_MIN), PACE_S_MAX)

    def drain(self) -> None:
        """Keep nobody waiting any more: the host stops, and clients go on with another."""
        self.draining = True
        for feed in tuple(self._feeds.values()):
            feed.close()

    async def _look(self, id: str, look: _Look, before: _Look | None) -> None:  # noqa: A002 - the public word
        if before is not None:
            # Those who came while it was being read wait for the next reading, together.
            await asyncio.wait((before.shown,))
        look.begun = True
        try:
            look.shown.set_result(Shown(await self.tasks.show(id)))
        except Exception as error:  # noqa: BLE001 - all who asked are told
            look.shown.set_exception(error)
            look.shown.exception()  # they may all have gone
        finally:
            if self._looks.get(id) is look:
                del self._looks[id]

    def _ended(self, feed: Feed) -> None:
        if self._feeds.get(feed.id) is feed:
            del self._feeds[feed.id]


def written(task: Document) -> bytes:
    """A task as JSON, in half the time that `to_json` takes; halves of surrogate pairs become question marks."""
    try:
        return json.encode(task)
    except Malformed:
        return to_json(task)


def moment(text: object) -> float | None:
    """Seconds since the epoch, of a moment as documents have it; None where there is none."""
    return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
