from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from dragoman.stores.connecting import address
from dragoman.stores.options import StoreOptions
from dragoman.stores.valkey import Valkey
from tests.certificates import pair
from tests.valkey import Server, proxied, until


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@there:1234/2", "there:1234"),
        ("rediss://there", "there:6379"),
        ("redis://", "localhost:6379"),
        ("unix://user:secret@/run/valkey.sock", "/run/valkey.sock"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert address(url) == shown


@pytest.mark.needs("openssl")
async def test_a_server_is_spoken_to_over_tls_and_must_be_who_it_says(server: Server, tmp_path: Path) -> None:
    made = pair(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    async with proxied(server.port, context) as proxy:
        trusting = Valkey(StoreOptions(f"rediss://localhost:{proxy.port}?ssl_ca_certs={made.cert}", timeout_s=5.0))
        trusting.start()
        assert await trusting.ready(10.0)
        await trusting.set("a", b"1", 60.0)
        assert await trusting.get("a") == b"1"
        await trusting.close()
        doubting = Valkey(StoreOptions(f"rediss://localhost:{proxy.port}", timeout_s=5.0))
        doubting.start()
        assert not await doubting.ready(0.3)
        assert "certificate" in str(doubting.state()["why"]).lower()
        await doubting.close()


async def test_a_url_cannot_have_a_silent_listener_time_out(server: Server) -> None:
    store = Valkey(StoreOptions(f"{server.url}?socket_timeout=0.01", timeout_s=5.0, idle_s=0.1))
    store.start()
    assert await store.ready(10.0)
    await until(lambda: store.counts["beats"] > 3)
    await store.close()
