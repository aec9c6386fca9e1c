"""Servers, and clients of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from dragoman.stores.options import StoreOptions
from dragoman.stores.valkey import Valkey
from tests.valkey import Server


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    """One that no test harms for good."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """Whole, and empty."""
    with shared_server.client() as client:
        client.flushall()
        client.script_flush()
    return shared_server


@pytest.fixture
def doomed() -> Iterator[Server]:
    """One for the test alone, to be killed."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Valkey]:
    """A client that is connected, and patient enough for a busy machine."""
    store = Valkey(StoreOptions(server.url, prefix="t", timeout_s=5.0))
    store.start()
    assert await store.ready(10.0)
    yield store
    await store.close()
