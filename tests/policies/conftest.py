"""A server for the layers that hosts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.valkey import Server


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """Whole, and empty."""
    with shared_server.client() as client:
        client.flushall()
    return shared_server
