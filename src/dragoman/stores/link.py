"""One connection to a server: commands are sent as they come, together where they come together, and answered in order.

Nothing waits to write, and one timer watches all that is asked: answers come in the order of the questions, so the
oldest is the first to be late. What was late is still answered some day, and that answer is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError

from dragoman.stores.connecting import transport_of
from dragoman.stores.lost import StoreLost, StoreRefused

if TYPE_CHECKING:
    from dragoman.stores.connecting import Wired
    from dragoman.stores.options import StoreOptions

GRACE_S = 0.005
"""What has come while the loop was busy with something else is read before anything is called late."""
STALL_TIMEOUTS = 4
"""A connection that has owed an answer for so many timeouts is lost, however few operations there were to notice."""


class Slot(NamedTuple):
    """A place for an answer, and the moment on the loop's clock by which it should be there."""

    answer: asyncio.Future[Any]
    due: float


class Link:
    """A connection that is open. `on_lost` is called once, with the reason, when it is no more."""

    def __init__(
        self, connection: Wired, options: StoreOptions, counts: dict[str, int], on_lost: Callable[[str], object]
    ) -> None:
        """Begin to read. `connection` is signed in; `counts` are kept for the link's owner."""
        self._connection = connection
        self._transport = transport_of(connection)
        self._pack = connection.pack_command
        self._options = options
        self._counts = counts
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._slots: deque[Slot] = deque()
        self._late = 0
        self.doubted = False
        """Whether an answer was late, and none has been in time since."""
        self._failures = 0
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._alive = True
        self._graced = False
        self._reader = self._loop.create_task(self._read())

    @property
    def in_flight(self) -> int:
        """How many answers are owed."""
        return len(self._slots)

    def ask(self, *command: bytes | str | float) -> asyncio.Future[Any]:
        """Send a command in this turn of the loop, with all others of the turn. The answer fails with `StoreLost`."""
        options = self._options
        if len(self._slots) >= options.in_flight_max or self._transport.get_write_buffer_size() > (
            options.unsent_bytes_max
        ):
            self._counts["crowded"] += 1
            return failed(StoreLost("too many operations are in flight already"))
        answer: asyncio.Future[Any] = self._loop.create_future()
        due = self._loop.time() + options.timeout_s
        self._slots.append(Slot(answer, due))
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent += self._pack(*command)
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._watch)
        return answer

    async def close(self) -> None:
        """End it at once; what is owed fails."""
        self._lose("closed")
        await asyncio.wait((self._reader,))

    def _flush(self) -> None:
        if self._alive:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    async def _read(self) -> None:
        read = self._connection.read_response
        try:
            while True:
                try:
                    answer = await read(disable_decoding=True)
                except ResponseError as error:
                    answer = error
                self._answered(answer)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever stops the reading, the connection is lost
            self._lose(str(error) or type(error).__name__)
        finally:
            await self._connection.disconnect(nowait=True)

    def _answered(self, value: Any) -> None:
        if not self._slots:
            self._lose("the server answers what was not asked")
            return
        answer, _ = self._slots.popleft()
        if self._late:
            self._late -= 1
            if not self._slots:
                self.ask(b"PING")  # nobody else asks while it is doubted
        else:
            self._failures, self.doubted = 0, False
        if answer.done():
            return
        if isinstance(value, NoScriptError):
            fail(answer, Lacking(str(value)))
        elif isinstance(value, ResponseError):
            self._counts["full" if isinstance(value, OutOfMemoryError) else "refused"] += 1
            fail(answer, StoreRefused(str(value)))
        else:
            answer.set_result(value)

    def _watch(self) -> None:
        """Let go of what is late, and of a connection that is late too often, or has answered nothing for long."""
        self._timer = None
        if not self._slots:
            return
        now, slots, timeout_s = self._loop.time(), self._slots, self._options.timeout_s
        due = self._next_due()
        self._graced = due <= now and not self._graced
        if self._graced or due > now:
            self._timer = self._loop.call_at(max(due, now + GRACE_S), self._watch)
            return
        while self._late < len(slots) and slots[self._late].due <= now:
            answer = slots[self._late].answer
            self._late += 1
            self._failures += 1
            self.doubted = True
            self._counts["timeouts"] += 1
            if not answer.done():
                fail(answer, StoreLost(f"no answer within {timeout_s:g}s"))
        if self._failures >= self._options.failures_max or slots[0].due + (STALL_TIMEOUTS - 1) * timeout_s <= now:
            self._lose(f"no answer within {timeout_s:g}s to {self._failures} operations in a row")
        else:
            self._timer = self._loop.call_at(self._next_due(), self._watch)

    def _next_due(self) -> float:
        """When something will be late, or has been for too long."""
        stalled_at = self._slots[0].due + (STALL_TIMEOUTS - 1) * self._options.timeout_s
        return min(self._slots[self._late].due, stalled_at) if self._late < len(self._slots) else stalled_at

    def _lose(self, why: str) -> None:
        if not self._alive:
            return
        self._alive = False
        if self._timer is not None:
            self._timer.cancel()
        # Cut, not closed: what cannot be sent any more would keep the connection for minutes.
        self._transport.abort()
        self._reader.cancel()
        owed, self._slots = self._slots, deque()
        for answer, _ in owed:
            if not answer.done():
                fail(answer, StoreLost(why))
        self._on_lost(why)


class Lacking(StoreRefused):
    """The server does not have the script of that name."""


def failed(error: StoreLost) -> asyncio.Future[Any]:
    """An answer that never was."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    fail(answer, error)
    return answer


def fail(answer: asyncio.Future[Any], error: StoreLost) -> None:
    """Fail an answer, which nobody need look at: what is written in passing may be lost."""
    answer.set_exception(error)
    answer.exception()
