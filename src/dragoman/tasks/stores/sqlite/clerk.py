"""A thread that does what the loop hands it, and tells of it by one call to the loop for all that was done at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from dragoman.tasks.store import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.tasks.task import Change


class Asked(Protocol):
    """Something that was asked for, and what tells of it."""

    @property
    def future(self) -> asyncio.Future[Any]:
        """Where somebody waits for what becomes of it."""
        ...


T = TypeVar("T", bound=Asked)
T_contra = TypeVar("T_contra", contravariant=True)

WAITING_MAX = 20_000
"""What may wait for one thread: more than a busy host has connections. Past it, whoever asks is refused."""


class Landing(NamedTuple):
    """What became of one thing that was asked for."""

    future: asyncio.Future[Any]
    value: Any
    error: BaseException | None = None


class Craft(Protocol[T_contra]):
    """What the thread can do. All of it is called there."""

    def open(self) -> None:
        """Get ready. Raises `StoreFailed`."""
        ...

    def work(self, items: Sequence[T_contra]) -> tuple[list[Landing], list[Change]]:
        """Do it all; none where there was nothing to do for a while."""
        ...

    def patience_s(self) -> float | None:
        """How long to sleep at most where there is nothing to do; None to sleep until there is."""
        ...

    def rest(self) -> None:
        """What was done is being told of: a moment for what nobody waits for."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class Clerk(Generic[T]):
    """The thread, and what waits for it. Lives on the loop on which it is opened."""

    def __init__(self, name: str, craft: Craft[T], most: int, heard: Callable[[Sequence[Change]], object]) -> None:
        """It does at most `most` things at once. `heard` is told of changes, on the loop."""
        self._name = name
        self._craft = craft
        self._most = most
        self._heard = heard
        self._gathered: list[T] = []
        self._items: deque[T] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._asleep = False
        self._stopping = False
        self._opened = False
        self._ended: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Start. Raises `StoreFailed`."""
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        opened, self._ended = self._loop.create_future(), self._loop.create_future()
        Thread(target=self._run, args=(opened, self._ended), name=self._name, daemon=True).start()
        await asyncio.shield(opened)
        self._opened = True

    async def close(self) -> None:
        """Finish what waits, and end. Harmless where it is closed, and where it is only about to be open."""
        if self._ended is None:
            return
        self._opened = False
        self._hand_over()
        self._stopping = True
        self._bell.put(None)
        await asyncio.shield(self._ended)

    def future(self) -> asyncio.Future[Any]:
        """What the next thing is to be told by. Raises `StoreFailed` where nothing more is taken."""
        if not self._opened:
            raise StoreFailed("the tasks' store is closed: open it first")
        if len(self._items) + len(self._gathered) >= WAITING_MAX:
            raise StoreFailed(f"{WAITING_MAX} operations wait for the tasks' store already: try again later")
        return self._loop.create_future()

    def put(self, item: T) -> None:
        """Have it done. What comes in one turn of the loop is handed over together."""
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(item)

    def _hand_over(self) -> None:
        self._items.extend(self._gathered)
        self._gathered.clear()
        if self._asleep:
            self._asleep = False
            self._bell.put(None)

    def _run(self, opened: asyncio.Future[None], ended: asyncio.Future[None]) -> None:
        try:
            self._craft.open()
        except BaseException as error:  # noqa: BLE001 - whoever opens is told of it
            self._call(_land, [Landing(opened, None, error), Landing(ended, None)])
            return
        self._call(_land, [Landing(opened, None)])
        while self._take():
            pass
        self._craft.close()
        self._call(_land, [Landing(ended, None)])

    def _take(self) -> bool:
        """Do what is there; False where that was all, for ever."""
        items = self._items
        if not items and not self._stopping:
            self._asleep = True
            # What came before the bell was listened for did not ring it.
            if not items and not self._stopping:
                with suppress(Empty):
                    self._bell.get(timeout=self._craft.patience_s())
            self._asleep = False
        taken = [items.popleft() for _ in range(min(self._most, len(items)))]
        if not taken and self._stopping:
            return False
        try:
            landings, changes = self._craft.work(taken)
        except Exception as error:  # noqa: BLE001 - a mistake of ours, after which nobody may wait for ever
            landings, changes = [Landing(each.future, None, error) for each in taken], []
        if landings or changes:
            self._call(self._tell, landings, changes)
        if taken:
            self._craft.rest()
        return True

    def _tell(self, landings: list[Landing], changes: list[Change]) -> None:
        _land(landings)
        if changes:
            self._heard(changes)

    def _call(self, told: Callable[..., object], *values: object) -> None:
        # A loop that is closed has nobody left to tell.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(told, *values)


def _land(landings: list[Landing]) -> None:
    for future, value, error in landings:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
