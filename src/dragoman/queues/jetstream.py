"""NATS JetStream: a durable pull consumer, and messages that are published with an id, so that none is kept twice.

Messages are pulled by requests of our own to one inbox: what the server has sent is never lost with who waited for it.
Acknowledgements go to the reply subject of a delivery, which outlives connections.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig
from nats.js.errors import APIError, Error, NotFoundError

from dragoman.core.fault import Started
from dragoman.core.units import format_size
from dragoman.queues.address import address
from dragoman.queues.broker import BrokerLost
from dragoman.queues.cloudevents import PREFIX
from dragoman.queues.headers import misfit
from dragoman.queues.message import NO_HEADERS, Message
from dragoman.queues.sender import Sender, seconds_for
from dragoman.queues.within import within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nats.aio.msg import Msg

    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.queues.broker import Done, Unfit
    from dragoman.queues.message import Outgoing
    from dragoman.queues.options import QueueOptions

PORT = 4222
CONNECT_S = 5
ANSWER_S = 5.0
"""A server that has not answered by then hangs, or is cut off."""
PING_S = 5
PINGS_MAX = 2
WAIT_S = 1.0
"""How long the server is waited for at a time where it has nothing."""
LATE_S = 1.0
"""How much later it may say so."""
DELIVERIES_MORE = 16
"""Past the attempts: so often a host may die in making a dead letter, before the server lets the message rest."""
PENDING_MAX = 100_000
"""Messages that all hosts together may have, as the server bounds it; each of them bounds its own to much less."""
MSG_ID = "nats-msg-id"
HEAD = "NATS/1.0\r\n\r\n"
"""What stands around headers."""
TOO_LARGE = 10054
"""The code of a server whose stream bounds its messages to less than the server does."""
SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""What attributes of events may be in headers; the rest is percent-encoded (CloudEvents, HTTP binding, 3.1.3.2)."""
ERRORS = (nats.errors.Error, OSError, TimeoutError, ValueError, RuntimeError)
"""What nats-py raises; the last is of a transport that was closed under it."""

Answer = TypeVar("Answer")


class JetStream:
    """A `Broker`. `consumer` names this host to the server."""

    delays = True

    def __init__(self, options: QueueOptions, consumer: str, clock: Clock) -> None:
        self._options = options
        self._name = consumer
        self._now = clock.monotonic
        self._where = address(options.url, PORT)
        self._client: Client | None = None
        self._next = ""
        self._inbox = ""
        self._listening: Any = None
        self._arrived: deque[Message] = deque()
        self._wanted = 0
        self._asked_again = False
        self._sender = Sender(self._publish)
        self._told = asyncio.Event()

    async def open(self) -> None:
        """Connect, and make the stream and the consumer where they are missing. Raises `BrokerLost`."""
        await self._close()
        client = self._client = Client()
        await self._within(
            client.connect(
                self._options.url.split(","),
                name=self._name,
                allow_reconnect=False,
                connect_timeout=CONNECT_S,
                ping_interval=PING_S,
                max_outstanding_pings=PINGS_MAX,
                closed_cb=self._lost,
                error_cb=self._failed,
            ),
            CONNECT_S * 2.0,
        )
        options = self._options
        for place in dict.fromkeys((options.to, options.faults, options.dead)):
            if place:
                await self._stream(place, StreamConfig(max_msgs=options.keep or -1))
        if options.source:
            await self._consume(client)

    async def receive(self, count: int) -> list[Message]:
        """What has been pulled; else it is. Raises `BrokerLost`."""
        while not self._arrived:
            # All that there is at once, or else the next one as it comes.
            if not self._wanted:
                await self._pull(count, wait=False)
                await self._hear()
            if not self._arrived and not self._wanted:
                await self._pull(1, wait=True)
            if not self._arrived:
                await self._hear()
        return [self._arrived.popleft() for _ in range(min(count, len(self._arrived)))]

    async def hold(self) -> None:
        """Ask for nothing more, and give back what has come. Raises `BrokerLost`."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await self._within(listening.unsubscribe())
        await self.give_back(tuple(self._arrived))
        self._arrived.clear()

    async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
        """Publish, have it confirmed, then acknowledge. Raises `BrokerLost`."""
        client = self._open(Started.NO)
        sent = await self._within(self._sender.send(done), ANSWER_S * 2 + seconds_for(done))
        for each in sent.done:
            if each.message is not None:
                await self._tell(each.message, b"+ACK")
        await self._reach(client)
        if sent.why:
            raise BrokerLost(f"{self._where}: {sent.why}")
        return sent.unfit

    async def give_back(self, messages: Sequence[Message], delay_s: float = 0.0) -> None:
        """Have messages delivered again, after the delay. Raises `BrokerLost`."""
        no = b"-NAK" if delay_s <= 0 else b'-NAK {"delay":%d}' % round(delay_s * 1e9)
        for message in messages:
            await self._tell(message, no)
        await self._reach(self._open())

    async def extend(self, messages: Sequence[Message]) -> None:
        """Say that messages are worked on, or will be: those that have come and nobody has asked for yet."""
        for message in (*messages, *self._arrived):
            await self._tell(message, b"+WPI")
        await self._reach(self._open())

    async def close(self) -> None:
        """Give back what has been pulled and nobody has, and let go."""
        if self._client is not None and self._client.is_connected:
            with suppress(BrokerLost):
                await self.hold()
        await self._close()

    async def cut(self) -> None:
        """Let go without a word, as a host that dies would."""
        await self._close()

    # The server

    async def _consume(self, client: Client) -> None:
        options = self._options
        retention = RetentionPolicy.INTEREST if options.trim else RetentionPolicy.LIMITS
        stream = await self._stream(options.source, StreamConfig(retention=retention))
        durable = plain(f"{options.group}-{options.source}")
        config = ConsumerConfig(
            durable_name=durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=options.lease_s,
            max_deliver=options.attempts + DELIVERIES_MORE,
            max_ack_pending=PENDING_MAX,
            filter_subject=options.source,
        )
        await self._within(context(client).add_consumer(stream, config))
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._inbox = client.new_inbox()
        inbox: Any = client  # as in `context`
        self._listening = await self._within(inbox.subscribe(self._inbox, cb=self._heard))

    async def _stream(self, subject: str, config: StreamConfig) -> str:
        """The stream that keeps a subject, made if there is none."""
        found = context(self._open())
        try:
            return await self._within(found.find_stream_name_by_subject(subject))
        except Missing:
            config = replace(config, name=plain(subject), subjects=[subject])
            await self._within(found.add_stream(config))
            return plain(subject)

    async def _pull(self, count: int, *, wait: bool) -> None:
        asked = {"batch": count, **({"expires": round(WAIT_S * 1e9)} if wait else {"no_wait": True})}
        self._wanted = count
        await self._within(self._open().publish(self._next, json.dumps(asked).encode(), self._inbox))

    async def _hear(self) -> None:
        """Wait until something has come: messages, or that there are none. Raises `BrokerLost`.

        A server may forget what it was asked, and with it a delivery until its lease has ended: nats-server 2.9 does,
        where the asking ends just as a message is due again. So it is asked once more before it is given up.
        """
        wait_s = WAIT_S + (ANSWER_S if self._asked_again else LATE_S)
        try:
            async with asyncio.timeout(wait_s):
                await self._told.wait()
        except TimeoutError:
            if self._asked_again:
                raise BrokerLost(f"{self._where}: no answer within {wait_s:g}s") from None
            self._asked_again, self._wanted = True, 0
        else:
            self._asked_again = False
            self._told.clear()
        self._open()

    async def _heard(self, found: Msg) -> None:
        if not found.reply:
            # No delivery, but why: 404, 408: no, or no more messages; 409: no consumer, or too much in hand.
            self._wanted = 0
        else:
            self._wanted = max(self._wanted - 1, 0)
            self._arrived.append(message_of(found))
        self._told.set()

    async def _publish(self, place: str, outgoing: Outgoing) -> Fault | str:
        client = self._open(Started.NO)
        headers = headers_of(outgoing)
        size = len(outgoing.body) + sum(len(name) + len(value) + 4 for name, value in headers.items()) + len(HEAD)
        if size > client.max_payload:
            size, most = format_size(size), format_size(client.max_payload)
            return misfit(f"a message of {size} is more than the {most} that the server takes (max_payload)")
        try:
            await context(client).publish(place, outgoing.body, headers=headers or None)
        except nats.errors.BadHeaderError as error:
            return misfit(f"NATS has no form for a header: {error}")
        except Error as error:
            if isinstance(error, APIError) and error.err_code == TOO_LARGE:
                return misfit(f"{format_size(size)} are more than the stream of {place} takes (max_msg_size)")
            return str(error)
        return ""

    async def _tell(self, message: Message, verdict: bytes) -> None:
        await self._within(self._open().publish(str(message.token), verdict))

    async def _reach(self, client: Client) -> None:
        """Wait until the server has all that was said, by having it answer. Raises `BrokerLost`."""
        # Shielded: where the one who waits for that answer is cancelled, nats-py stops reading when it comes.
        await self._within(asyncio.shield(client.flush(int(ANSWER_S))))

    def _open(self, started: Started = Started.UNKNOWN) -> Client:
        client = self._client
        if client is None or not client.is_connected:
            raise BrokerLost(f"{self._where}: the connection was lost", started=started)
        return client

    async def _within(self, work: Awaitable[Answer], within_s: float = ANSWER_S * 2) -> Answer:
        """Wait for something that the server is to do. Raises `BrokerLost`."""
        try:
            async with within(within_s):
                return await work
        except NotFoundError as error:
            raise Missing(f"{self._where}: {error}") from None
        except ERRORS as error:
            raise BrokerLost(f"{self._where}: {str(error) or type(error).__name__}") from None

    async def _lost(self) -> None:
        self._told.set()

    async def _failed(self, _: Exception) -> None:
        """Errors are those of operations, or end the connection: nothing more is to be done here."""

    async def _close(self) -> None:
        client, self._client = self._client, None
        self._listening = None
        self._arrived.clear()
        self._wanted, self._asked_again = 0, False
        if client is not None:
            with suppress(*ERRORS):
                async with asyncio.timeout(ANSWER_S):
                    await client.close()


class Missing(BrokerLost):
    """The server does not have it."""


def context(client: Client) -> Any:
    """JetStream on a connection; nats-py's types of it are not whole."""
    return JetStreamContext(client, timeout=ANSWER_S)


def plain(subject: str) -> str:
    """A name for a stream or a consumer: neither dots nor wildcards, and yet another one for another subject."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", subject)
    return name if name == subject else f"{name}-{hashlib.sha256(subject.encode()).hexdigest()[:8]}"


def message_of(found: Msg) -> Message:
    """A delivery as a message."""
    told = found.metadata
    name = f"{told.sequence.stream}-{round(told.timestamp.timestamp() * 1e6)}"
    headers: Mapping[str, str] = NO_HEADERS
    if found.headers:
        headers = {key.lower(): value for key, value in found.headers.items() if key.lower() != MSG_ID}
        for key, value in headers.items():
            if key.startswith(PREFIX) and "%" in value:
                headers = {**headers, key: unquote(value)}
    return Message(name, found.data, headers, told.num_delivered, token=found.reply)


def headers_of(outgoing: Outgoing) -> dict[str, Any]:
    """The headers of a message that is published."""
    headers = {
        name: quote(value, safe=SAFE) if name.startswith(PREFIX) else value for name, value in outgoing.headers.items()
    }
    if outgoing.id:
        headers["Nats-Msg-Id"] = outgoing.id
    return headers
