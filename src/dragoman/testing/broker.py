"""A broker that lives in the memory of a test: as the port says it, and lost whenever the test wants that."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from dragoman.core.fault import InvalidArgument
from dragoman.queues.broker import BrokerLost, Done, Unfit
from dragoman.queues.message import NO_HEADERS, Message, Outgoing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MemoryBroker:
    """A `Broker`. `places` holds what was sent, by place; `pending` what was received and is not settled, by id."""

    def __init__(self, *, delays: bool = False, body_bytes_max: int = 1_000_000, headers_max: int = 100) -> None:
        self.delays = delays
        self.places: dict[str, list[Outgoing]] = {}
        self.pending: dict[str, Message] = {}
        self.handled: list[str] = []
        self.returned: list[tuple[str, float]] = []
        self.extended = 0
        self.is_open = False
        self.holding = False
        self.opened = 0
        self.lost = ""
        """Why every operation fails; empty: none does."""
        self._queue: deque[Message] = deque()
        self._body_bytes_max = body_bytes_max
        self._headers_max = headers_max
        self._told = asyncio.Event()
        self._count = 0

    def send(self, body: bytes, headers: Mapping[str, str] = NO_HEADERS, deliveries: int = 1, *, lane: str = "") -> str:
        """Have a message delivered; its id."""
        self._count += 1
        message = Message(str(self._count), body, headers, deliveries, lane=lane)
        self._queue.append(message)
        self._told.set()
        return message.id

    def lose(self, why: str) -> None:
        """Be lost, for this reason, until told otherwise by an empty one."""
        self.lost = why
        self._told.set()

    @property
    def waiting(self) -> int:
        """Messages that nobody has received."""
        return len(self._queue)

    async def open(self) -> None:
        """Connect."""
        self._check()
        self.is_open, self.holding = True, False
        self.opened += 1

    async def receive(self, count: int) -> list[Message]:
        """Wait for messages."""
        self._check()
        while not self._queue:
            self._told.clear()
            await self._told.wait()
            self._check()
        messages = [self._queue.popleft() for _ in range(min(count, len(self._queue)))]
        self.pending |= {message.id: message for message in messages}
        return messages

    async def hold(self) -> None:
        """Note it: what was not received is nobody's yet."""
        self._check()
        self.holding = True

    async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
        """Send, then acknowledge."""
        self._check()
        unfit: list[Unfit] = []
        for each in done:
            if any(
                len(sending.outgoing.body) > self._body_bytes_max or len(sending.outgoing.headers) > self._headers_max
                for sending in each.sendings
            ):
                unfit.append(
                    Unfit(each, InvalidArgument(f"more than {self._body_bytes_max} bytes, or too many headers"))
                )
                continue
            if each.message is not None:
                if self.pending.pop(each.message.id, None) is None:
                    continue
                self.handled.append(each.message.id)
            for sending in each.sendings:
                self.places.setdefault(sending.place, []).append(sending.outgoing)
        return unfit

    async def give_back(self, messages: Sequence[Message], delay_s: float = 0.0) -> None:
        """Have messages delivered again."""
        self._check()
        for message in messages:
            if self.pending.pop(message.id, None) is not None:
                self.returned.append((message.id, delay_s))
                again = Message(message.id, message.body, message.headers, message.deliveries + 1, lane=message.lane)
                self._queue.append(again)
        self._told.set()

    async def extend(self, messages: Sequence[Message]) -> None:
        """Count that it was said."""
        self._check()
        self.extended += len(messages)

    async def close(self) -> None:
        """Let go."""
        self.is_open = False
        self._queue.extend(self.pending.values())
        self.pending.clear()

    def _check(self) -> None:
        if self.lost:
            raise BrokerLost(self.lost)
