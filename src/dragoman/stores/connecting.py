"""Connections to a server, as redis-py makes them: it reads the URL, opens, encrypts, signs in, packs and parses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from redis.asyncio.connection import Connection, parse_url
from redis.exceptions import AuthenticationError, RedisError

from dragoman.stores.lost import StoreDenied, StoreLost

if TYPE_CHECKING:
    from dragoman.stores.options import StoreOptions


LASTING_S = 10.0
"""A connection that is lost sooner counts as one that could not be made: a server that comes and goes is let rest."""


class Wired(Protocol):
    """The part of redis-py's `Connection` that is used here."""

    _writer: asyncio.StreamWriter | None

    async def connect(self) -> None:
        """Open, and sign in."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Close."""
        ...

    async def send_command(self, *args: Any) -> None:
        """Write one command."""
        ...

    async def read_response(
        self,
        disable_decoding: bool = False,  # noqa: FBT001, FBT002 - redis-py's signature
        timeout: float | None = None,  # noqa: ASYNC109 - redis-py's signature
    ) -> Any:
        """Read one answer, or raise it where it is an error; None where there was none in time."""
        ...

    def pack_command(self, *args: Any) -> list[bytes]:
        """One command as bytes."""
        ...


Connector: TypeAlias = Callable[[], Wired]


def connector(options: StoreOptions) -> Connector:
    """What makes connections, each not open yet. Raises `ValueError` for a URL that cannot be one."""
    said: dict[str, Any] = {**parse_url(options.url)}
    kind: Callable[..., Wired] = said.pop("connection_class", Connection)
    # Operations have their own clock, and one that only listens waits as long as it takes: whatever the URL says.
    ours = {"socket_timeout": None, "socket_connect_timeout": options.connect_s, "protocol": 2}

    def connect() -> Wired:
        return kind(**{**said, **ours})

    try:
        connect()
    except TypeError as error:
        raise ValueError(f"a part of the store's URL is not known to redis-py: {error}") from None
    return connect


async def opened(connect: Connector, within_s: float) -> Wired:
    """A new connection, signed in. Raises `StoreLost`, also where the server takes longer than it may."""
    connection = connect()
    try:
        async with asyncio.timeout(within_s):
            await connection.connect()
    except TimeoutError:
        raise StoreLost(f"no answer within {within_s:g}s") from None
    except AuthenticationError as error:
        raise StoreDenied(str(error)) from None
    except (OSError, RedisError) as error:
        raise StoreLost(str(error)) from None
    return connection


def transport_of(connection: Wired) -> asyncio.WriteTransport:
    """Where to write without waiting, and what to cut at once: redis-py offers neither."""
    writer = connection._writer  # noqa: SLF001 - as it says above # pyright: ignore[reportPrivateUsage] - and above
    assert writer is not None, "only of a connection that is open"
    return writer.transport


def take_over(connection: Wired) -> asyncio.StreamWriter:
    """Have a connection that is signed in for oneself: redis-py is done with it, and would else close it some day."""
    writer = connection._writer  # noqa: SLF001 - as above # pyright: ignore[reportPrivateUsage] - as above
    assert writer is not None, "only of a connection that is open"
    connection._writer = None  # noqa: SLF001 - as above # pyright: ignore[reportPrivateUsage] - as above
    return writer


def address(url: str) -> str:
    """Where a URL leads to, without the secrets that are in it."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
