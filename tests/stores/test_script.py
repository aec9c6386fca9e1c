from __future__ import annotations

from dragoman.stores.script import Script
from dragoman.stores.valkey import Valkey
from tests.valkey import Server


async def test_a_script_is_given_to_a_server_that_lacks_it(store: Valkey, server: Server) -> None:
    script = "return {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}"
    assert await store.evaluate(script, ["n"], [2, b"x"]) == [2, b"x"]
    with server.client() as other:
        other.script_flush()
    assert await store.evaluate(script, ["n"], [2, b"y"]) == [4, b"y"]
    with server.client() as other:
        assert other.get("t:n") == b"4"


async def test_a_name_is_the_one_that_servers_give(server: Server) -> None:
    text = "return 'é'"
    with server.client() as other:
        assert other.script_load(text) == Script(text).name
