"""Programs of other people beside hosts, on the brokers' own clients: they send, read, and see what is unhandled."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any, Protocol, cast

import aio_pika
from nats.aio.client import Client
from nats.js import JetStreamContext
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from dragoman.queues.jetstream import plain
from tests.integration.queue_history import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

SEND_S = 10.0
"""A broker that has not confirmed by then may have the message, and may not."""


class Outsider(Protocol):
    """A client of one broker, which connects anew after trouble, and sends nothing twice."""

    async def send(self, place: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send, and return when it is confirmed. Raises whatever its client does."""
        ...

    async def read(self, place: str) -> list[Row]:
        """All that is in a place; it may be read once only."""
        ...

    async def unhandled(self, place: str) -> int:
        """Messages that nobody has acknowledged. RabbitMQ does not tell of those that a host has."""
        ...

    async def close(self) -> None: ...


class RedisOutsider:
    """On redis-py, without its own repetitions."""

    def __init__(self, url: str) -> None:
        self._client: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - untyped options
            url, retry=Retry(NoBackoff(), 0), socket_timeout=SEND_S, socket_connect_timeout=SEND_S
        )

    async def send(self, place: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        _ = key
        await self._client.xadd(place, {"body": body, **headers})

    async def read(self, place: str) -> list[Row]:
        rows: list[Row] = []
        for _, fields in await self._client.xrange(place):
            headers = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
            del headers["body"]
            rows.append(Row(fields[b"body"], headers))
        return rows

    async def unhandled(self, place: str) -> int:
        (group,) = await self._client.xinfo_groups(place)
        left = await self._client.xrange(place, min=f"({group['last-delivered-id'].decode()}", count=1)
        return group["pending"] + len(left)

    async def close(self) -> None:
        await self._client.aclose()


class NatsOutsider:
    """On nats-py, which connects anew by itself and yet publishes nothing twice."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client | None = None

    async def _streams(self) -> Any:
        if self._client is None or not self._client.is_connected:
            await self.close()
            client = Client()
            await client.connect(self._url, allow_reconnect=False, connect_timeout=2)
            self._client = client
        return JetStreamContext(self._client, timeout=SEND_S)

    async def send(self, place: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        _ = key
        await (await self._streams()).publish(place, body, headers=dict(headers))

    async def read(self, place: str) -> list[Row]:
        streams, name = await self._streams(), plain(place)
        state = (await streams.stream_info(name)).state
        rows: list[Row] = []
        for number in range(max(state.first_seq, 1), state.last_seq + 1):
            found = await streams.get_msg(name, number)
            told: dict[str, str] = found.headers or {}
            headers = {key.lower(): value for key, value in told.items()}
            rows.append(Row(found.data or b"", headers, headers.get("nats-msg-id", "")))
        return rows

    async def unhandled(self, place: str) -> int:
        info = await (await self._streams()).consumer_info(plain(place), plain(f"storm-{place}"))
        return info.num_ack_pending + info.num_pending

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), 2)


class RabbitOutsider:
    """On aio-pika, with publisher confirms."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._channel: Any = None

    async def _open(self) -> Any:
        if self._channel is None or self._channel.is_closed or self._connection.is_closed:
            await self.close()
            self._connection = await aio_pika.connect(self._url, timeout=5)
            self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        return self._channel

    async def send(self, place: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        names = {name: re.sub("^ce-", "cloudEvents:", name) for name in headers}
        rest: Any = {names[name]: value for name, value in headers.items() if name not in PROPERTIES}
        own: Any = {name.replace("-", "_"): value for name, value in headers.items() if name in PROPERTIES}
        message = aio_pika.Message(
            body, headers=rest, message_id=key, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, **own
        )
        channel = await self._open()
        try:
            await asyncio.wait_for(channel.default_exchange.publish(message, place, mandatory=True), SEND_S)
        except BaseException:
            await self.close()
            raise

    async def read(self, place: str) -> list[Row]:
        queue = await (await self._open()).get_queue(place)
        rows: list[Row] = []
        while (found := await queue.get(no_ack=True, fail=False)) is not None:
            headers = {name.replace("cloudEvents:", "ce-"): str(value) for name, value in found.headers.items()}
            if found.correlation_id:
                headers["correlation-id"] = found.correlation_id
            rows.append(Row(found.body, headers, found.message_id or ""))
        return rows

    async def unhandled(self, place: str) -> int:
        queue = await (await self._open()).declare_queue(place, passive=True)
        return cast("int", queue.declaration_result.message_count)

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), 2)


PROPERTIES = frozenset({"content-type", "correlation-id"})
