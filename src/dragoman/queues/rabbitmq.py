"""RabbitMQ: publisher confirms, manual acknowledgement, quorum queues, dead letters through an exchange.

Queues that are not there are made: quorum queues, which survive the loss of a node. One that is there is taken as it
is. What a queue of ours drops by itself (expired, or delivered too often) goes to the same dead letters.

The server sends ahead. How much follows what `receive` has room for: each time that this grows, a consumer is added to
the channel, whose own bound is the difference.

The server writes down which quorum queues it has about a second after it has made them. One that is made a moment
before a crash is still there by name, and confirms nothing ever after; so what we make is not used before that.
"""

from __future__ import annotations

import asyncio
import logging
import re
import struct
from collections import deque
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import aio_pika
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelClosed,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
)

from dragoman.core.fault import Fault, Started
from dragoman.core.units import format_size
from dragoman.queues.address import address
from dragoman.queues.amqp import DELIVERIES, SHORT_BYTES_MAX, Tag, place_of, read, written
from dragoman.queues.broker import BrokerLost, Done
from dragoman.queues.frames import read_all
from dragoman.queues.headers import misfit, size_of
from dragoman.queues.message import Outgoing, Sending
from dragoman.queues.sender import Sender, seconds_for
from dragoman.queues.within import within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aio_pika.abc import AbstractChannel, AbstractConnection

    from dragoman.core.clock import Clock
    from dragoman.queues.broker import Unfit
    from dragoman.queues.message import Message
    from dragoman.queues.options import QueueOptions

ANSWER_S = 10.0
"""Longer than a quorum queue takes to choose a new leader; past it the server is taken for lost."""
CLOSE_S = 1.0
SECURE_S = 1.5
"""The server writes its list of quorum queues when that has not changed for up to a second; half a one more."""
GROWTH = 4
"""The window grows by at least a quarter, so that there are few consumers."""
HEARTBEAT_S_MAX = 60.0
"""What RabbitMQ itself proposes. Two that are missed end a connection, on either side."""
HEADER_BYTES_MAX = 120 * 1024
"""All headers have to fit into one frame: 128 KiB, unless its configuration says otherwise."""
SIZE_MAX = 128 * 1024 * 1024
"""What RabbitMQ takes at most, unless its configuration says less: then it says so, and closes the channel."""
SIZE_SAFE = 64 * 1024
"""Nobody configures less."""
DELIVERIES_MAX = 20
"""RabbitMQ 4 drops what was delivered so often; where more attempts are wanted, the queue is told."""
TOO_LARGE = re.compile(r"message size \d+ .*max size (\d+)")
read_all()
logging.getLogger("aiormq").addHandler(logging.NullHandler())  # else what we tell is printed a second time
UNWRITABLE = (TypeError, ValueError, OverflowError, struct.error)
"""What AMQP's encoding of headers says of those that it has no form for."""


class RabbitMq:
    """One queue on one RabbitMQ server."""

    delays = False

    def __init__(self, options: QueueOptions, consumer: str, clock: Clock) -> None:  # noqa: ARG002 - it tells no time
        self._options = options
        self._consumer = consumer
        self._address = address(options.url, 5672)
        self._source = place_of(options.source).queue if options.source else ""
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._outlet: AbstractChannel | None = None
        self._size_max, self._size_known = SIZE_MAX, SIZE_SAFE
        self._window = 0
        self._consuming: list[str] = []
        self._widening: asyncio.Task[None] | None = None
        self._arrived: deque[Message] = deque()
        self._unsettled: set[Tag] = set()
        self._sender = Sender(self._publish)
        self._made: set[str] = set()
        self._opening = asyncio.Lock()
        self._wake = asyncio.Event()
        self._up, self._why = False, "not connected"

    async def open(self) -> None:
        """Connect, and make queues that are missing. One that is whole stays as it is, with what it has delivered."""
        if not self._up:
            await self.close()
            async with self._asking():
                await self._connect()
        async with self._asking():
            await self._prepare()
        if self._made:
            await asyncio.sleep(SECURE_S)
            if not self._up:
                raise BrokerLost(self._why, started=Started.NO)
            self._made.clear()

    async def receive(self, count: int) -> list[Message]:
        """Wait for messages."""
        more = len(self._unsettled) + count - len(self._arrived) - self._window
        if more > 0 and self._widening is None:
            # Past a caller who gives up: a question that is not waited for would end the channel.
            self._widening = asyncio.ensure_future(self._widen(more))
        while not self._arrived:
            if not self._up:
                raise BrokerLost(self._why)
            self._wake.clear()
            await self._wake.wait()
        return [self._arrived.popleft() for _ in range(min(count, len(self._arrived)))]

    async def hold(self) -> None:
        """Have the server send nothing more, and give back what it has sent ahead: it would count that."""
        if self._widening is not None:
            await asyncio.wait((self._widening,))
        async with self._asking():
            channel = await self._underlay()
            while self._consuming:
                await channel.basic_cancel(self._consuming.pop())
            self._window = 0
        await self.give_back(tuple(self._arrived))
        self._arrived.clear()

    async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
        """Send, each confirmed, and acknowledge."""
        live = [each for each in done if each.message is None or each.message.token in self._unsettled]
        if live and not self._up:
            raise BrokerLost(self._why, started=Started.NO)
        async with self._asking(ANSWER_S + seconds_for(live)):
            sent = await self._sender.send(live)
            for each in sent.done:
                if each.message is not None:
                    await self._acknowledge(each.message)
        if sent.why:
            raise BrokerLost(f"{self._address}: {sent.why}")
        return sent.unfit

    async def give_back(self, messages: Sequence[Message], delay_s: float = 0.0) -> None:
        """Have messages delivered again, at once."""
        anew: list[Done] = []
        same: list[Message] = []
        for message in messages:
            if (tag := cast("Tag", message.token)) in self._unsettled:
                # The server counts what it delivers again; only a message of its own says how many of those count.
                counted = message.deliveries if delay_s else message.deliveries - 1
                if counted == tag.deliveries:
                    same.append(message)
                else:
                    anew.append(Done(message, (self._again(message, counted),)))
        async with self._asking(ANSWER_S + seconds_for(anew)):
            sent = await self._sender.send(anew)
            for each in sent.done:
                await self._acknowledge(cast("Message", each.message))
            for message in (*same, *(cast("Message", each.done.message) for each in sent.unfit)):
                self._unsettled.discard(tag := cast("Tag", message.token))
                await (await self._underlay()).basic_nack(tag.number, wait=False)
        if sent.why:
            raise BrokerLost(f"{self._address}: {sent.why}")

    async def extend(self, messages: Sequence[Message]) -> None:
        """Do nothing: a message is ours for as long as the connection is."""

    async def close(self) -> None:
        """Let go; the server delivers again what was not acknowledged."""
        if self._consuming and self._up:
            with suppress(BrokerLost):
                await self.hold()
        if self._widening is not None:
            self._widening.cancel()
            await asyncio.wait((self._widening,))
        connection, self._connection = self._connection, None
        self._channel = self._outlet = None
        self._up, self._window = False, 0
        self._consuming.clear()
        self._arrived.clear()
        self._unsettled.clear()
        if connection is not None:
            with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
                async with within(CLOSE_S):
                    await connection.close()

    # The connection

    async def _connect(self) -> None:
        options = self._options
        connection = self._connection = await aio_pika.connect(
            options.url,
            timeout=ANSWER_S,
            client_properties={"connection_name": f"dragoman {options.name} {self._consumer}"},
            heartbeat=max(int(min(options.lease_s / 2, HEARTBEAT_S_MAX)), 1),
        )
        connection.close_callbacks.add(self._lost)
        channel = self._channel = await connection.channel(publisher_confirms=False)
        channel.close_callbacks.add(self._lost)
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(self._cancelled)
        self._up = True

    def _lost(self, _: object, error: BaseException | None) -> None:
        told = error is not None and any(error.args)
        self._fail(str(error) if told else "the connection was lost")

    def _cancelled(self, _: object) -> None:
        self._fail(f"the server reads {self._source} to us no more; was it deleted?")

    def _fail(self, why: str) -> None:
        if self._up or self._channel is None:
            self._why = f"{self._address}: {why}"
        self._up = False
        self._wake.set()

    @asynccontextmanager
    async def _asking(self, within_s: float = ANSWER_S) -> AsyncGenerator[None]:
        """Whatever goes wrong with the server here is `BrokerLost`."""
        try:
            async with within(within_s):
                yield
        except BrokerLost:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._fail("the connection was lost")  # its futures are cancelled then, and nobody was
            raise BrokerLost(self._why) from None
        except TimeoutError:
            self._fail(f"no answer within {within_s:.0f}s")
            raise BrokerLost(self._why) from None
        except (*CONNECTION_EXCEPTIONS, ValueError) as error:  # which is a part of the URL that cannot be read
            self._fail(str(error) or repr(error))
            raise BrokerLost(self._why) from None

    async def _underlay(self) -> Any:
        if not self._up or self._channel is None:
            raise BrokerLost(self._why)
        return await self._channel.get_underlay_channel()

    # Queues

    async def _prepare(self) -> None:
        """Make the queues that are not there."""
        options = self._options
        if self._source:
            await self._declare(self._source, self._source_arguments())
        for text in filter(None, (options.to, options.faults, options.dead)):
            if place := place_of(text).queue:
                bound = {"x-max-length": options.keep} if options.keep else {}
                await self._declare(place, {"x-queue-type": "quorum", **bound})

    def _source_arguments(self) -> dict[str, Any]:
        options = self._options
        arguments: dict[str, Any] = {"x-queue-type": "quorum"}
        if options.attempts >= DELIVERIES_MAX:
            arguments["x-delivery-limit"] = options.attempts + 1
        if options.dead:
            place = place_of(options.dead)
            arguments |= {
                "x-dead-letter-exchange": place.exchange,
                "x-dead-letter-routing-key": place.key,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
        return arguments

    async def _declare(self, queue: str, arguments: dict[str, Any]) -> None:
        assert self._connection is not None, "only what is connected prepares"
        # One for each question: a channel that has asked for what is not there is closed.
        async with self._connection.channel() as channel:
            with suppress(ChannelNotFoundEntity):
                await channel.declare_queue(queue, passive=True)
                return
        async with self._connection.channel() as channel:
            await channel.declare_queue(queue, durable=True, arguments=arguments)
        self._made.add(queue)

    async def _widen(self, count: int) -> None:
        try:
            async with self._asking():
                await self._consume(count)
        except BrokerLost:
            self._wake.set()  # whoever receives is told there
        finally:
            self._widening = None

    async def _consume(self, count: int) -> None:
        channel = await self._underlay()
        count = max(count, self._window // GROWTH)
        await channel.basic_qos(prefetch_count=count)
        self._window += count
        begun = await channel.basic_consume(self._source, partial(self._delivered, self._channel))
        self._consuming.append(begun.consumer_tag)

    async def _delivered(self, channel: object, delivered: Any) -> None:
        if channel is not self._channel:
            return  # one that was closed, and delivers what will be delivered again
        message = read(delivered.body, delivered.header.properties, delivered.delivery_tag)
        self._unsettled.add(cast("Tag", message.token))
        self._arrived.append(message)
        self._wake.set()

    # Settling

    async def _acknowledge(self, message: Message) -> None:
        tag = cast("Tag", message.token)
        self._unsettled.discard(tag)
        await (await self._underlay()).basic_ack(tag.number, wait=False)

    def _again(self, message: Message, counted: int) -> Sending:
        """A message as it goes behind all others, with what counts of its deliveries."""
        headers = {**message.headers, DELIVERIES: str(counted)}
        return Sending(f"/queues/{quote(self._source, safe='')}", Outgoing(message.body, headers, message.id))

    async def _publish(self, to: str, outgoing: Outgoing) -> Fault | str:
        place = place_of(to)
        properties, headers = written(outgoing)
        if fault := self._unfit(outgoing, headers):
            return fault
        try:
            message = aio_pika.Message(
                outgoing.body,
                headers=cast("Any", headers),
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                **properties,
            )
            async with self._publishing(len(outgoing.body)) as channel:
                exchange = await channel.get_exchange(place.exchange, ensure=False)
                await exchange.publish(message, place.key, mandatory=bool(place.queue))
        except UNWRITABLE as error:
            return misfit(f"RabbitMQ has no form for a header of {outgoing.id}: {error}")
        except DeliveryError as error:
            return f"{place.queue or place.exchange} takes no message now: {error}"
        except ChannelPreconditionFailed as error:
            if told := TOO_LARGE.search(str(error)):
                self._size_max = int(told[1])
            return str(error)
        except ChannelClosed as error:
            return str(error)
        return ""

    def _unfit(self, outgoing: Outgoing, headers: dict[str, str]) -> Fault | None:
        if len(outgoing.body) > self._size_max:
            size, most = format_size(len(outgoing.body)), format_size(self._size_max)
            return misfit(f"a body of {size} is more than the {most} that RabbitMQ takes (max_message_size)")
        if size_of(headers) > HEADER_BYTES_MAX:
            size, most = format_size(size_of(headers)), format_size(HEADER_BYTES_MAX)
            return misfit(f"headers of {size} are more than the {most} that fit into a frame of AMQP")
        if any(len(name.encode()) > SHORT_BYTES_MAX for name in headers):
            return misfit(f"a header's name is longer than the {SHORT_BYTES_MAX} bytes that AMQP takes")
        return None

    @asynccontextmanager
    async def _publishing(self, size: int) -> AsyncGenerator[AbstractChannel]:
        """The channel to publish on.

        One for all, opened anew where the server has closed it. A message that is larger than any before has one of its
        own: the server may close that for its size, and confirms nothing more on it.
        """
        if self._connection is None:
            raise BrokerLost(self._why)
        if size > self._size_known:
            async with self._connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
                yield channel
            self._size_known = max(self._size_known, size)
            return
        async with self._opening:
            if self._outlet is None or self._outlet.is_closed:
                self._outlet = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        yield self._outlet
