from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from dragoman.client.posting import Posting
from tests.certificates import pair
from tests.tasks.endpoints import Asked, endpoint, says


async def test_the_certificate_must_be_that_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    made = pair(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(made.cert, made.key)
    names: list[str | None] = []
    server.sni_callback = lambda _, name, __: names.append(name)
    post = Posting(ssl.create_default_context(cafile=str(made.cert)))
    async with endpoint(says(200), server) as there:
        url = f"https://127.0.0.1:{there.port}/x"
        status, _ = await post(url, {"host": "localhost"}, b"{}", "localhost", 5.0)
        assert status == 200
        with pytest.raises(ConnectionRefusedError, match="certificate"):
            await post(url, {"host": "shop.example"}, b"{}", "shop.example", 5.0)
        with pytest.raises(ConnectionRefusedError, match="certificate"):
            await Posting()(url, {"host": "localhost"}, b"{}", "localhost", 5.0)
    assert names == ["localhost", "shop.example", "localhost"]
    assert [asked.headers["host"] for asked in there.asked] == ["localhost"]


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with endpoint(says(200)) as there:
        status, _ = await Posting()(there.url, {"host": "a"}, b"", "a", 5.0)
    assert status == 200


async def test_a_body_that_trickles_is_left_soon() -> None:
    left = asyncio.Event()

    async def trickles(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            left.set()

    async with endpoint(trickles) as there:
        async with asyncio.timeout(5):
            status, _ = await Posting()(there.url, {"host": "a"}, b"{}", "a", 5.0)
            await left.wait()
    assert status == 200


async def test_cancelling_closes_the_connection() -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def holds(_: Asked, writer: asyncio.StreamWriter) -> None:
        begun.set()
        try:
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            left.set()

    async with endpoint(holds) as there:
        posting = asyncio.ensure_future(Posting()(there.url, {"host": "a"}, b"{}", "a", 5.0))
        await begun.wait()
        posting.cancel()
        async with asyncio.timeout(5):
            await left.wait()
