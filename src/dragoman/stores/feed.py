"""What others publish: a connection of its own that listens, and listens again when it was lost.

Messages are not kept by the server: those of the time between are gone. Listeners are told, each time that the
connection (the first one too) begins to hear, that they may have missed some.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import RedisError

from dragoman.stores.connecting import LASTING_S, opened, transport_of
from dragoman.stores.lost import StoreLost

if TYPE_CHECKING:
    from dragoman.stores.connecting import Connector, Wired
    from dragoman.stores.options import StoreOptions


class Listener(NamedTuple):
    """Who listens to a channel: `heard` gets each message, `missed` is told when some may have been lost."""

    heard: Callable[[bytes], object]
    missed: Callable[[], object]


class Feed:
    """The channels of a host, and who listens to them. Connects when the first is asked for."""

    def __init__(self, connect: Connector, options: StoreOptions, pause_s: Callable[[int], float]) -> None:
        """`pause_s` says how long to wait after so many failures."""
        self._connect = connect
        self._options = options
        self._pause_s = pause_s
        self._channels: dict[bytes, list[Listener]] = {}
        self._connection: Wired | None = None
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._known: set[bytes] = set()
        self.up = False

    def subscribe(self, channel: bytes, listener: Listener) -> Callable[[], None]:
        """Have a listener hear a channel, until what is returned is called."""
        self._channels.setdefault(channel, []).append(listener)
        self._changed.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._listen())

        def leave() -> None:
            listeners = self._channels.get(channel, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners and self._channels.pop(channel, None) is not None:
                self._changed.set()

        return leave

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    async def _listen(self) -> None:
        failures, clock = 0, asyncio.get_running_loop().time
        while True:
            began_at = clock()
            with suppress(StoreLost, OSError, RedisError, EOFError):
                await self._hear(await opened(self._connect, self._options.connect_s))
            # However it ended: nothing else has this connection end than trouble.
            failures = 0 if clock() - began_at >= LASTING_S else failures + 1
            await asyncio.sleep(self._pause_s(failures))

    async def _hear(self, connection: Wired) -> None:
        self._known.clear()
        self._changed.set()
        transport = transport_of(connection)
        keeping = asyncio.get_running_loop().create_task(self._keep(connection))
        silences = 0
        try:
            while silences < 2:  # noqa: PLR2004 - the second is that of a PING without an answer
                message = await connection.read_response(disable_decoding=True, timeout=self._options.idle_s)
                silences = silences + 1 if message is None else 0
                if message is None:
                    await connection.send_command("PING")
                else:
                    self._told(message)
        finally:
            self.up = False
            keeping.cancel()
            transport.abort()
            await connection.disconnect(nowait=True)

    async def _keep(self, connection: Wired) -> None:
        """Have the server know which channels are listened to."""
        with suppress(OSError, RedisError):  # the reading side hears of it too
            while True:
                await self._changed.wait()
                self._changed.clear()
                wanted = set(self._channels)
                for command, channels in (("SUBSCRIBE", wanted - self._known), ("UNSUBSCRIBE", self._known - wanted)):
                    if channels:
                        await connection.send_command(command, *channels)
                self._known = wanted

    def _told(self, message: Any) -> None:
        match message:
            case [b"message", bytes() as channel, bytes() as body]:
                for listener in tuple(self._channels.get(channel, ())):
                    listener.heard(body)
            case [b"subscribe", bytes() as channel, _]:
                self.up = True
                for listener in tuple(self._channels.get(channel, ())):
                    listener.missed()
            case _:
                pass  # the answers to PING and UNSUBSCRIBE
