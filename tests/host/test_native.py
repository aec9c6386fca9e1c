"""A host serves native clients: its functions as they are now, on sockets that strangers cannot reach."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.config.load import load
from dragoman.core.fault import Code
from dragoman.host.assemble import Parts, launch_confinement, parts
from dragoman.host.journal import SilentJournal
from dragoman.host.native import TOKEN_BYTES_MAX, Native, read_token
from dragoman.host.serving import Ingresses, Serving
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.native.options import NativeOptions
from dragoman.telemetry.log import Log, LogOptions
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Ready
from tests.certificates import pair
from tests.ingress.native.booth import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from tests.host.conftest import Write

SHOP = "def double(n: int) -> int:\n    return 2 * n\n"


@pytest.fixture
def made(write: Write) -> Iterator[Parts]:
    confinement = launch_confinement()
    yield parts(load([write(shop__py=SHOP) / "shop.py"]), lambda _: SilentJournal(), confinement)
    confinement.close()


@asynccontextmanager
async def serving(made: Parts, http: HttpOptions | None = None, **options: Any) -> AsyncGenerator[Serving]:
    log = Log(LogOptions(level="error"))
    ingresses = Ingresses(http or HttpOptions(enabled=False), NativeOptions(**options))
    served = Serving(made, ingresses, log, "9.9")
    await served.start()
    try:
        yield served
    finally:
        await served.stop()
        log.close()


async def test_a_host_is_called_and_describes_itself(made: Parts, tmp_path: Path) -> None:
    path = tmp_path / "n.sock"
    async with serving(made, listen=(f"unix://{path}",)) as served:
        assert (served.url, served.urls) == (None, [f"unix://{path}"])
        caller = await Caller.connect(path)
        assert (await caller.call("shop.double", b'{"n":4}')).body == b"8"
        assert (await caller.fault("shop.nothing")).code is Code.NOT_FOUND
        listed = json.loads((await caller.call("dragoman.functions")).body)
        assert [each["name"] for each in listed["functions"]] == ["shop.double"]
        one = json.loads((await caller.call("dragoman.function", b'{"name":"shop.double"}')).body)
        assert one == listed["functions"][0]
        assert (await served.host.reload("shop")) is None
        assert (await caller.call("shop.double", b'{"n":5}')).body == b"10"
        await caller.close()
    assert not path.exists()


async def test_calls_of_both_ways_in_are_counted_apart(made: Parts, tmp_path: Path) -> None:
    path = tmp_path / "n.sock"
    async with serving(made, HttpOptions(port=0), listen=(f"unix://{path}",)) as served:
        caller = await Caller.connect(path)
        await caller.call("shop.double", b'{"n":4}')
        assert served.url is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        page = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        await caller.close()
    assert 'dragoman_calls_total{code="OK",function="shop.double",ingress="native"} 1.0' in page
    assert 'dragoman_calls_total{code="OK",function="shop.double",ingress="http"} 0.0' in page
    assert "dragoman_native_connections 1.0" in page


@pytest.mark.needs("openssl")
async def test_over_tls_a_client_shows_the_token(made: Parts, tmp_path: Path) -> None:
    cert, key = pair(tmp_path)
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    listen = ("tcp+tls://127.0.0.1:0",)
    async with serving(
        made, listen=listen, tls_cert=str(cert), tls_key=str(key), token_file=str(token), debug=True
    ) as served:
        port = int(served.urls[0].rpartition(":")[2])
        trust = ssl.create_default_context(cafile=str(cert))
        for shown, kind in (("s3cret", Kind.END), ("s3creT", Kind.FAULT), ("", Kind.FAULT)):
            caller = Caller(*await asyncio.open_connection("127.0.0.1", port, ssl=trust))
            assert (await caller.next()).kind == Kind.HELLO
            caller.writer.write(caller.connection.ready(Ready("test", token=shown)))
            caller.begin("shop.double", b'{"n":4}')
            answer = await caller.next()
            assert answer.kind == kind
            assert (answer.call == 0) is (kind == Kind.FAULT)
            await caller.close()


@pytest.mark.needs("openssl")
def test_a_port_needs_a_certificate_and_away_from_this_machine_a_token(made: Parts, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="needs a certificate"):
        Native(made, NativeOptions(("tcp+tls://127.0.0.1:0",)), "9")
    cert, key = map(str, pair(tmp_path))
    with pytest.raises(OSError, match="needs a token"):
        Native(made, NativeOptions(("tcp+tls://0.0.0.0:0",), tls_cert=cert, tls_key=key), "9")
    Native(made, NativeOptions(("tcp+tls://127.0.0.1:0",), tls_cert=cert, tls_key=key), "9").close()


def test_where_one_address_cannot_be_had_the_others_are_left(made: Parts, tmp_path: Path) -> None:
    path = tmp_path / "n.sock"
    with pytest.raises(OSError, match="nowhere"):
        Native(made, NativeOptions((f"unix://{path}", f"unix://{tmp_path}/nowhere/n.sock")), "9")
    assert not path.exists()


@pytest.mark.parametrize("content", ["", " \n", "a\nb", "é", "x" * (TOKEN_BYTES_MAX + 1)])
def test_a_token_is_one_line_of_plain_characters(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(OSError, match="must hold one token"):
        read_token(str(tmp_path / "token"))
    with pytest.raises(OSError, match="cannot read"):
        read_token(str(tmp_path))
