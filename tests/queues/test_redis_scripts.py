"""What scripts do is shown by `test_redis_streams`; here, that a server takes each of them."""

from collections.abc import Iterator

import pytest

from dragoman.queues import redis_scripts
from dragoman.queues.redis_scripts import Script
from tests.valkey import Server

SCRIPTS = [each for each in vars(redis_scripts).values() if isinstance(each, Script)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name.decode()[:8])
def test_the_server_knows_a_script_by_the_name_that_it_has_here(server: Server, script: Script) -> None:
    with server.client() as client:
        assert client.script_load(script.text) == script.name.decode()
