import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.queues.broker import BrokerLost
from dragoman.queues.redis_link import RedisLink
from dragoman.queues.resp import RespError, pack
from tests.certificates import pair
from tests.valkey import Server, proxied


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


async def test_commands_sent_together_get_their_replies_in_order(server: Server) -> None:
    link = await RedisLink.open(server.url)
    first = link.ask(pack(b"SET", b"a", b"1") + pack(b"GET", b"a") + pack(b"NONSENSE"), 3)
    second = link.ask(pack(b"ECHO", b"x"))
    (replies, others) = await asyncio.gather(first, second)
    assert replies[:2] == [b"OK", b"1"]
    assert isinstance(replies[2], RespError)
    assert others == [b"x"]
    with pytest.raises(BrokerLost, match="unknown command"):
        await link.one(pack(b"NONSENSE"))
    link.lose("closed")


async def test_a_link_that_is_cut_fails_what_it_owes_and_all_that_follows(server: Server) -> None:
    async with proxied(server.port) as proxy:
        link = await RedisLink.open(f"redis://127.0.0.1:{proxy.port}")
        asking = asyncio.ensure_future(link.one(pack(b"BLPOP", b"nothing", b"0"), 60.0))
        await asyncio.sleep(0)
        proxy.cut()
        with pytest.raises(BrokerLost, match=f"127.0.0.1:{proxy.port}"):
            await asking
        with pytest.raises(BrokerLost):
            await link.one(pack(b"PING"))


async def test_a_link_that_nobody_answers_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.queues.redis_link.ANSWER_S", 0.1)
    async with proxied(server.port) as proxy:
        link = await RedisLink.open(f"redis://127.0.0.1:{proxy.port}")
        proxy.partition()
        with pytest.raises(BrokerLost, match="no answer within"):
            await link.one(pack(b"PING"))
        proxy.heal()


async def test_who_does_not_speak_resp_is_lost() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(b"HTTP/1.1 400\r\n" if b"PING" in data else b"+OK\r\n" * data.count(b"*"))
        writer.close()
        ended.set()

    ended = asyncio.Event()

    other = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = await RedisLink.open(f"redis://127.0.0.1:{other.sockets[0].getsockname()[1]}")
    with pytest.raises(BrokerLost, match="does not speak RESP2"):
        await link.one(pack(b"PING"))
    await ended.wait()
    other.close()


@pytest.mark.needs("openssl")
async def test_it_speaks_over_tls(server: Server, tmp_path: Path) -> None:
    made = pair(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    async with proxied(server.port, context) as proxy:
        link = await RedisLink.open(f"rediss://localhost:{proxy.port}?ssl_ca_certs={made.cert}")
        body = bytes(1_000_000)
        assert await link.ask(pack(b"SET", b"large", body) + pack(b"GET", b"large"), 2) == [b"OK", body]
        link.lose("closed")
        with pytest.raises(BrokerLost, match="certificate"):
            await RedisLink.open(f"rediss://localhost:{proxy.port}")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis://127.0.0.1:1?nonsense=1"])
async def test_a_server_that_is_not_there_is_told_by_its_address(url: str) -> None:
    with pytest.raises(BrokerLost, match=r"127\.0\.0\.1"):
        await RedisLink.open(url)


async def test_a_password_stays_untold(server: Server) -> None:
    with pytest.raises(BrokerLost) as caught:
        await RedisLink.open("redis://user:s3cret@127.0.0.1:1")
    assert "s3cret" not in str(caught.value)
