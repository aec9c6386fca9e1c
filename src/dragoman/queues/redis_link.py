"""One connection to Redis or Valkey: redis-py opens it and signs in, then bytes are read and written without it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from dragoman.core.fault import Code, Fault, Started
from dragoman.queues.broker import BrokerLost
from dragoman.queues.resp import Decoder, Malformed, RespError
from dragoman.stores.connecting import address, connector, opened, take_over
from dragoman.stores.lost import StoreDenied, StoreLost
from dragoman.stores.options import StoreOptions

if TYPE_CHECKING:
    from dragoman.queues.resp import Reply
    from dragoman.stores.connecting import Wired

CONNECT_S = 5.0
ANSWER_S = 5.0
"""A server that has not answered by then hangs, or is cut off."""
UNSENT_BYTES_MAX = 64 * 1024 * 1024
"""What may wait to be sent: beyond any batch."""


CODES = {
    "NOAUTH": Code.UNAUTHENTICATED,
    "WRONGPASS": Code.UNAUTHENTICATED,
    "NOPERM": Code.PERMISSION_DENIED,
    "OOM": Code.RESOURCE_EXHAUSTED,
    **dict.fromkeys(("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS"), Code.UNAVAILABLE),
    **dict.fromkeys(("READONLY", "TRYAGAIN"), Code.UNAVAILABLE),
}
"""What a server's refusal is to whoever sends, by its first word; any other is FAILED_PRECONDITION."""


class Asked:
    """Commands that were sent together: how many replies they have yet to get, and who waits for them."""

    __slots__ = ("future", "left", "replies")

    def __init__(self, count: int, future: asyncio.Future[list[Reply]]) -> None:
        self.left = count
        self.future = future
        self.replies: list[Reply] = []


class RedisLink(asyncio.Protocol):
    """Sends commands and gets their replies, in order."""

    def __init__(self, connection: Wired, where: str) -> None:
        """Take over a connection that is signed in."""
        self._writer = take_over(connection)  # held, since it closes itself where nobody does
        self._transport = self._writer.transport
        self._where = where
        self._decoder = Decoder()
        self._asked: deque[Asked] = deque()
        self._why = ""
        self._loop = asyncio.get_running_loop()
        self._transport.set_protocol(self)

    @classmethod
    async def open(cls, url: str) -> RedisLink:
        """Connect. Raises `BrokerLost`."""
        options = StoreOptions(url, connect_s=CONNECT_S)
        try:
            return cls(await opened(connector(options), CONNECT_S), address(url))
        except (StoreLost, ValueError) as error:
            code = Code.UNAUTHENTICATED if isinstance(error, StoreDenied) else Code.UNAVAILABLE
            raise BrokerLost(f"no connection to {address(url)}: {error}", code=code, started=Started.NO) from None

    async def ask(self, commands: bytes, count: int = 1, more_s: float = 0.0) -> list[Reply]:
        """Send packed commands, and wait for the `count` replies to them, for `ANSWER_S` and `more_s`.

        Raises `BrokerLost`, and never a reply.
        """
        within_s = ANSWER_S + more_s
        if self._why:
            raise BrokerLost(self._why, started=Started.NO)
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self.lose("it takes nothing more")
            raise BrokerLost(self._why, started=Started.NO)
        asked = Asked(count, self._loop.create_future())
        self._asked.append(asked)
        self._transport.write(commands)
        try:
            async with asyncio.timeout(within_s):
                return await asked.future
        except TimeoutError:
            self.lose(f"no answer within {within_s:g}s")
            raise BrokerLost(self._why) from None

    async def one(self, command: bytes, more_s: float = 0.0) -> Reply:
        """The reply to one command. Raises `BrokerLost`, also where it is an error."""
        (reply,) = await self.ask(command, 1, more_s)
        if isinstance(reply, RespError):
            raise BrokerLost(f"{self._where}: {reply}")
        return reply

    def refusal(self, reply: RespError) -> Fault:
        """What the server would not do, as a fault: nothing was done."""
        code = CODES.get(reply.code, Code.FAILED_PRECONDITION)
        return Fault.of(code, f"{self._where}: {reply}", started=Started.NO)

    def lose(self, why: str) -> None:
        """Cut it: whatever is owed fails."""
        if self._why:
            return
        self._why = f"{self._where}: {why}"
        self._transport.abort()
        owed, self._asked = self._asked, deque()
        for asked in owed:
            if not asked.future.done():
                asked.future.set_exception(BrokerLost(self._why))
                asked.future.exception()

    # What the transport tells

    def data_received(self, data: bytes) -> None:
        """Replies have come."""
        try:
            replies = self._decoder.feed(data)
        except Malformed as error:
            self.lose(f"does not speak RESP2: {error}")
            return
        for reply in replies:
            if not self._asked:
                self.lose("answers what was not asked")
                return
            asked = self._asked[0]
            asked.replies.append(reply)
            asked.left -= 1
            if not asked.left:
                self._asked.popleft()
                if not asked.future.done():
                    asked.future.set_result(asked.replies)

    def eof_received(self) -> bool:
        """The server has closed it."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.lose("the connection was lost" if exc is None else str(exc) or type(exc).__name__)
