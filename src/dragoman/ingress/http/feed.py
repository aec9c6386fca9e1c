"""What becomes of one task, heard once for all who watch it here.

However many watch, the host is asked once: a thousand of them cost one subscription, and one copy of what is kept for
those who read more slowly. Whoever falls behind that is given the task as it is now, and the lines that the store has.

An event has the point from which to go on, should the watcher lose its connection behind it: everything up to there
has been sent. It grows with the lines of the log; the last event, the end of the task, has that of the task itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.core.fault import Fault
from dragoman.ingress.http.tasks import Document, is_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.ingress.http.tasks import Tasks

EVENTS_MAX = 1000
"""Kept for those who are behind: as many as a task keeps lines."""
EVENT_BYTES_MAX = 256 * 1024
"""And so many bytes of their text; the store has the rest."""
EVENT_BYTES_LEAST = 200
"""What each counts besides its text."""


class Event(NamedTuple):
    """Something that has become of a task; `seq` is where to go on behind it."""

    seq: int
    kind: str
    data: Document


class Feed:
    """One task, followed for as long as anybody watches it."""

    def __init__(self, tasks: Tasks, id: str, on_end: Callable[[Feed], object]) -> None:  # noqa: A002 - the field's public name
        """`on_end` is told when there is nothing to come, or nobody to watch it. Begins on the running loop."""
        self.id = id
        self.tasks = tasks
        self.state: Document | None = None
        self.events: deque[Event] = deque()
        self.first = 0
        """The number of the oldest event that is kept."""
        self.fault: Fault | None = None
        self.ended = False
        self.watchers: set[Watcher] = set()
        self._bytes = 0
        self._on_end = on_end
        self._task = asyncio.get_running_loop().create_task(self._follow())

    @property
    def end(self) -> int:
        """The number of the event that comes next."""
        return self.first + len(self.events)

    def leave(self, watcher: Watcher) -> None:
        """Be watched by one less."""
        self.watchers.discard(watcher)
        if not self.watchers:
            self._on_end(self)
            self._task.cancel()

    def close(self) -> None:
        """End for everybody, whatever the task is at."""
        self._task.cancel()
        self._finish()

    async def _follow(self) -> None:
        told = self.tasks.events(self.id)
        over: Document | None = None
        try:
            async for seq, kind, data in told:
                if kind == "state" and is_over(data):
                    over = data  # what it has logged may still come, and the end comes last
                else:
                    self._take(Event(seq, kind, data))
        except Fault as fault:
            self.fault = fault
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, those who watch are told
            self.fault = Fault.internal(f"the host failed to follow the task: {error!r}")
        finally:
            await _closed(told)
        if over is not None:
            self._take(Event(over["seq"], "state", over))
        self._finish()

    def _take(self, event: Event) -> None:
        if event.kind == "state":
            self.state = event.data
        elif event.kind == "progress" and self.state is not None:
            self.state = self.state | event.data
        self.events.append(event)
        self._bytes += _size(event)
        while len(self.events) > EVENTS_MAX or self._bytes > EVENT_BYTES_MAX:
            self._bytes -= _size(self.events.popleft())
            self.first += 1
        self._wake()

    def _finish(self) -> None:
        self.ended = True
        self._on_end(self)
        self._wake()

    def _wake(self) -> None:
        for watcher in self.watchers:
            watcher.wake()


class Watcher:
    """One who watches a task: asks for events when there is room for them. Close it."""

    def __init__(self, feed: Feed, after: int = 0) -> None:
        """`after` is where it goes on."""
        self._feed = feed
        self._cursor = after
        self._begun = False
        self._position = 0
        self._joined = 0
        self._left = False
        self._waiter: asyncio.Future[None] | None = None
        feed.watchers.add(self)

    def wake(self) -> None:
        """There may be something new."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def stop(self) -> None:
        """Watch no more: whoever waits for events is told that there are none."""
        self._left = True
        self.wake()

    def close(self) -> None:
        """Let go of the task."""
        self.stop()
        self._feed.leave(self)

    async def over(self, timeout_s: float) -> None:
        """Wait until the task is over, for so many seconds at most. Raises the `Fault` for which that is not known."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while not (self._feed.ended or self._left) and (left_s := until - loop.time()) > 0:
            await self._changed(left_s)
        if self._feed.fault is not None:
            raise self._feed.fault

    async def next(self, timeout_s: float | None) -> list[Event] | None:
        """The next events, none where there are none for so many seconds; None behind the last one.

        Raises the `Fault` for which nothing more can be told.
        """
        feed = self._feed
        while not self._left:
            events = await self._ready()
            if events:
                return events
            if feed.ended:
                break
            if not await self._changed(timeout_s):
                return []
        if feed.fault is not None and not self._left:
            raise feed.fault
        return None

    async def _ready(self) -> list[Event]:
        feed = self._feed
        if feed.state is None:
            return []
        events: list[Event] = []
        if not self._begun:
            self._begun = True
            self._position = feed.first
            self._joined = feed.end
            if not is_over(feed.state):
                events.append(Event(self._cursor, "state", feed.state))
        if self._position < feed.first or (feed.first and self._position < self._joined):
            events += await self._missed()
        events += self._taken()
        return _without_stale_progress(events)

    async def _missed(self) -> list[Event]:
        """The lines that are not kept here any more, and the task as it is now where it moved on meanwhile."""
        feed = self._feed
        behind = self._position >= self._joined
        lines = await feed.tasks.logs(feed.id, after=self._cursor)
        assert feed.state is not None, "what was missed was of a task that has a state"
        now: list[Event] = []
        if behind:
            self._joined = feed.end
            now = [] if is_over(feed.state) else [Event(self._cursor, "state", feed.state)]
        return now + [self._line(each["seq"], each) for each in lines if each["seq"] > self._cursor]

    def _taken(self) -> list[Event]:
        """What is kept here and has not been given yet."""
        feed = self._feed
        events: list[Event] = []
        for number in range(max(self._position, feed.first), feed.end):
            seq, kind, data = feed.events[number - feed.first]
            if kind == "log":
                if seq > self._cursor:
                    events.append(self._line(seq, data))
            elif kind == "state" and is_over(data):
                self._cursor = max(self._cursor, seq)
                events.append(Event(self._cursor, kind, data))
            elif number >= self._joined:
                events.append(Event(self._cursor, kind, data))
        self._position = feed.end
        return events

    def _line(self, seq: int, data: Document) -> Event:
        self._cursor = max(self._cursor, seq)
        return Event(self._cursor, "log", data)

    async def _changed(self, timeout_s: float | None) -> bool:
        """Wait for something new; whether there is."""
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        await asyncio.wait((waiter,), timeout=timeout_s)
        self._waiter = None
        return waiter.done()


def _size(event: Event) -> int:
    """About as many characters as it takes when it is written."""
    return EVENT_BYTES_LEAST + sum(len(str(event.data.get(each) or "")) for each in ("message", "fault"))


def _without_stale_progress(events: list[Event]) -> list[Event]:
    """Leave out progress that has been overtaken: who reads slowly wants the last word of it."""
    last = max((number for number, event in enumerate(events) if event.kind == "progress"), default=-1)
    return [event for number, event in enumerate(events) if event.kind != "progress" or number == last]


async def _closed(told: AsyncIterator[Any]) -> None:
    close = getattr(told, "aclose", None)
    if close is not None:
        await close()
