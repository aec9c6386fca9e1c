"""Ways for a message to get where it is to go: what a courier asks of them, and which one a callback needs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Fault, InvalidArgument, Started
from dragoman.tasks.callback import CallbackError, Outlet, dump, load
from dragoman.tasks.verdict import Verdict

if TYPE_CHECKING:
    from dragoman.tasks.callback import Callback
    from dragoman.tasks.message import Message
    from dragoman.tasks.webhook import Webhooks

PUBLISH_S = 15.0
"""How long a broker may take to have a message safe."""


class Queues(Protocol):
    """The queues of the project that messages can be published to."""

    def __contains__(self, name: object, /) -> bool:
        """Whether there is one of this name."""
        ...

    async def publish(self, name: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish, and return when the broker has it safe. Raises a `Fault`."""
        ...


class Carriers:
    """The ways that there are."""

    def __init__(self, webhooks: Webhooks, queues: Queues | None = None) -> None:
        self._webhooks = webhooks
        self._queues = queues

    async def admit(self, callback: bytes) -> bytes:
        """A callback as it is kept, of one as it was asked for. Raises `InvalidArgument` with the reason why not."""
        if not callback:
            return b""
        try:
            read = load(callback)
        except CallbackError as error:
            raise InvalidArgument(f"this is no callback: {error}", started=Started.NO) from None
        if isinstance(read, Outlet):
            why = "" if self._has(read) else f"there is no queue {read.name!r} in this project to publish to"
        else:
            why = await self._webhooks.check(read)
        if why:
            raise InvalidArgument(f"this callback is refused: {why}", started=Started.NO)
        return dump(read)

    async def __call__(self, callback: Callback, message: Message) -> Verdict:
        """Carry a message, in bounded time."""
        if not isinstance(callback, Outlet):
            return await self._webhooks(callback, message)
        if self._queues is None or not self._has(callback):
            return Verdict(f"there is no queue {callback.name!r} in this project to publish to")
        try:
            async with asyncio.timeout(PUBLISH_S):
                marked = {"correlation-id": callback.correlation_id} if callback.correlation_id else {}
                await self._queues.publish(callback.name, message.body, {**message.headers, **marked})
        except TimeoutError:
            return Verdict(f"{callback} had not taken the message after {PUBLISH_S:g}s")
        except Fault as fault:
            return Verdict(f"{callback}: {fault.detail}")
        return Verdict()

    def _has(self, outlet: Outlet) -> bool:
        return self._queues is not None and outlet.name in self._queues
