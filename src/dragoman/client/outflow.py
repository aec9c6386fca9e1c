"""The input stream of a call as its Python caller gives it: an iterator of values in, encoded items out.

An ordinary iterator may block, so it runs in a thread of its own, a few items ahead of what the function has taken; an
asynchronous one is asked for an item when the function wants one.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self, cast

from dragoman.client.value import encode_input
from dragoman.core.fault import Fault, InvalidArgument, Started

if TYPE_CHECKING:
    from dragoman.core.call import Codec

AHEAD_MAX = 64
"""Items that an ordinary iterator may be ahead: enough that a thread is not woken for each, and few to lose."""


def take_stream(value: Any, name: str) -> tuple[Any, Iterator[Any] | AsyncIterable[Any] | None]:
    """The input without the iterator that stands for its property `name`, and that iterator; `None` where it is none.

    A list is no iterator: it travels whole.
    """
    if not name or not isinstance(value, dict):
        return value, None
    given = cast("dict[str, Any]", value)
    items = given.get(name)
    if not isinstance(items, Iterator | AsyncIterable):
        return given, None
    return {key: each for key, each in given.items() if key != name}, cast("Iterator[Any]", items)


class Given:
    """The iterator of a call. Once it is `begun`, what it gave cannot be had again: the call goes to no other host."""

    __slots__ = ("_items", "begun")

    def __init__(self, items: Iterator[Any] | AsyncIterable[Any]) -> None:
        self.begun = False
        self._items = items

    @property
    def awaited(self) -> bool:
        """Whether its items must be awaited."""
        return isinstance(self._items, AsyncIterable)

    def begin(self) -> Iterator[Any] | AsyncIterable[Any]:
        """The iterator, to be iterated over now."""
        self.begun = True
        return self._items


class Outflow:
    """The encoded items. `error` is what the caller's own iterator raised, which ended it."""

    def __init__(self, items: Iterator[Any] | AsyncIterable[Any]) -> None:
        self.error: BaseException | None = None
        self._items = items
        self._pump: _Pump | None = None

    async def __aiter__(self) -> AsyncIterator[tuple[Codec, bytes]]:
        values = self._values()
        try:
            async for value in values:
                body, codec = encode_input(value, alone=True)
                yield codec, body
        except InvalidArgument:
            raise
        except Exception as error:  # noqa: BLE001 - the caller's own iterator may raise anything
            self.error = error
            raise InvalidArgument(f"the input broke off: {type(error).__name__}: {error}", started=Started.NO) from None
        finally:
            close = getattr(values, "aclose", None)
            if close is not None:
                await close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, raised: BaseException | None, __: object) -> None:
        """The call is over: ask for no more. Raises what the caller's own iterator raised in place of the fault."""
        self.close()
        if self.error is not None and isinstance(raised, Fault):
            raise self.error from None

    def close(self) -> None:
        """Ask for no more."""
        if self._pump is not None:
            self._pump.close()

    def _values(self) -> AsyncIterable[Any]:
        if isinstance(self._items, AsyncIterable):
            return self._items
        self._pump = _Pump(self._items)
        return self._pump


def values_of(items: Iterator[Any] | AsyncIterable[Any]) -> AsyncIterable[Any]:
    """The values to await: of an ordinary iterator, from a thread of its own, whose `close` ends it."""
    return items if isinstance(items, AsyncIterable) else _Pump(items)


class _Pump:
    """A thread that runs an iterator for a loop."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Any] = deque()
        self._room = threading.Semaphore(AHEAD_MAX)
        self._came = asyncio.Event()
        self._error: BaseException | None = None
        self._ended = self._closed = self._told = False
        threading.Thread(target=self._run, name="dragoman input", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            await self._came.wait()
            self._came.clear()
            self._told = False
            ended = self._ended
            while self._ready:
                value = self._ready.popleft()
                self._room.release()
                yield value
            if ended:
                if self._error is not None:
                    raise self._error
                return

    def close(self) -> None:
        """Take no further item; one that is being made is dropped."""
        self._closed = True
        self._room.release()

    def _run(self) -> None:
        try:
            while self._room.acquire() and not self._closed:
                try:
                    value = next(self._items)
                except StopIteration:
                    break
                self._ready.append(value)
                self._tell()
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are read
            self._error = error
        finally:
            if self._closed and (close := getattr(self._items, "close", None)) is not None:
                with contextlib.suppress(Exception):
                    close()
            self._ended = True
            self._told = False
            self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody reads
                self._loop.call_soon_threadsafe(self._came.set)
