from __future__ import annotations

from dragoman.stores.connecting import connector
from dragoman.stores.feed import Feed, Listener
from dragoman.stores.options import StoreOptions
from dragoman.stores.valkey import Valkey
from tests.stores.clients import client
from tests.valkey import Server, proxied, until


async def test_messages_reach_those_who_listen(store: Valkey, server: Server) -> None:
    heard: list[bytes] = []
    missed: list[int] = []
    leave = store.subscribe("news", heard.append, lambda: missed.append(1))
    await until(lambda: missed)
    assert await store.publish("news", b"1") == 1
    await until(lambda: heard)
    leave()

    with server.client() as other:
        await until(lambda: other.pubsub_numsub("t:news") == [(b"t:news", 0)])
    assert await store.publish("news", b"2") == 0
    assert heard == [b"1"]


async def test_listeners_are_told_of_what_they_may_have_missed(server: Server) -> None:
    async with proxied(server.port) as proxy, client(f"redis://127.0.0.1:{proxy.port}") as store:
        missed: list[int] = []
        heard: list[bytes] = []
        store.subscribe("news", heard.append, lambda: missed.append(1))
        await until(lambda: len(missed) == 1)
        proxy.cut()
        await until(lambda: len(missed) == 2)
        with server.client() as other:
            other.publish("dragoman:news", b"x")
        await until(lambda: heard == [b"x"])


async def test_listening_notices_a_silent_network(server: Server) -> None:
    async with proxied(server.port) as proxy, client(f"redis://127.0.0.1:{proxy.port}") as store:
        missed: list[int] = []
        store.subscribe("news", lambda _: None, lambda: missed.append(1))
        await until(lambda: missed)
        proxy.partition()
        await until(lambda: not store.state()["listening"])
        proxy.heal()
        await until(lambda: len(missed) >= 2)


async def test_a_server_that_refuses_to_be_listened_to_is_asked_ever_less(server: Server) -> None:
    failures: list[int] = []

    def pause_s(count: int) -> float:
        failures.append(count)
        return 0.0

    with server.client() as other:
        other.execute_command("ACL", "SETUSER", "deaf", "on", ">key", "allkeys", "+@all", "-subscribe")
        options = StoreOptions(f"redis://deaf:key@127.0.0.1:{server.port}")
        feed = Feed(connector(options), options, pause_s)
        feed.subscribe(b"news", Listener(list[bytes]().append, lambda: None))
        try:
            await until(lambda: len(failures) >= 3)
        finally:
            await feed.close()
            other.execute_command("ACL", "DELUSER", "deaf")
    assert failures[:3] == [1, 2, 3]
    assert not feed.up
