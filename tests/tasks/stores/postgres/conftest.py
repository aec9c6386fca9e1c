"""A server for all of these tests, a schema for each, and stores in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from typing import Any, cast

import pytest

from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.driver import Wire
from dragoman.tasks.task import Claimed, Runner, Submission, Want
from tests.postgres import Server, servers

Make = Callable[..., Submission]
Open = Callable[..., Awaitable[PostgresStore]]
_SCHEMAS = count(1)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One that no test harms for good."""
    yield from servers()


@pytest.fixture
def doomed() -> Iterator[Server]:
    """One for the test alone, to be killed."""
    yield from servers()


@pytest.fixture
def url(shared_server: Server) -> str:
    """Where nothing is yet."""
    return f"{shared_server.url}?schema=t{next(_SCHEMAS)}"


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens stores, which are hosts of their own, and closes them."""
    stores: list[PostgresStore] = []

    async def open_(url: Any) -> PostgresStore:
        store = PostgresStore(url)
        await store.open()
        stores.append(store)
        return store

    yield open_
    for store in stores:
        await store.close()


@pytest.fixture
async def store(url: str, opened: Open) -> PostgresStore:
    """An empty one, which knows the runner `r`."""
    store = await opened(url)
    await store.enlist(Runner("r"))
    return store


@pytest.fixture
def make() -> Make:
    """Submissions of function `f`, each with an id that sorts behind those before."""
    numbers = count(1)

    def made(**fields: Any) -> Submission:
        number = next(numbers)
        plain = {"id": id_of(number), "function": "f", "version": "1", "body": b"{}", "submitted_at": 1}
        given: dict[str, Any] = {**plain, **fields}
        return Submission(**given)

    return made


def id_of(number: int) -> str:
    """The id of the so manieth submission."""
    return f"01a1fed9-3b8c-7000-8000-{number:012x}"


async def claim(
    store: PostgresStore, count: int = 1, now: int = 1, *, function: str = "f", limit: int = 0
) -> list[Claimed]:
    """Take tasks for the runner `r`."""
    return await store.claim("r", [Want(function, count, limit)], now)


class Losing:
    """A connection that is lost once, as the answer to its first statement is read: the server has done it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    async def fetch(self, query: str, *args: Any) -> Any:
        await self._wire.fetch(query, *args)
        raise ConnectionResetError


def lose_an_answer(store: PostgresStore) -> None:
    """Have the answer to the next statement of a store lost."""
    connect = store.pool.connect

    async def losing() -> Wire:
        store.pool.connect = connect
        return cast("Wire", Losing(await connect()))

    store.pool.drop()
    store.pool.connect = losing
