"""One request to one address, for an answer of which only the head matters.

Each has a connection to itself. The address was chosen by whoever asks, for a name that stands in the headers and, with
TLS, in the certificate: `server_name` goes out in the handshake, and the certificate must be its.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE = httpx2.Limits(max_connections=1, max_keepalive_connections=0)
READ_BYTES_MAX = 16 * 1024
READ_S_MAX = 1.0
"""So much of the body, for so long, is read and thrown away: it spares a server that answers a few words a broken
connection, and is all that one which sends a gigabyte, or a byte a minute, gets."""
REASON_CHARS_MAX = 300


class Posting:
    """Posts. Reading the certificates takes 10 ms, so that is done once, and only where TLS is spoken."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is what servers' certificates are checked by; the system's own where it is None."""
        self._tls = tls
        self._plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def __call__(
        self, url: str, headers: Mapping[str, str], body: bytes, server_name: str, connect_s: float, /
    ) -> tuple[int, Mapping[str, str]]:
        """The status and the headers of the answer.

        Raises:
            ConnectionRefusedError: Nothing has been sent; another address may be tried.
            OSError: It broke later.
        """
        transport = httpx2.AsyncHTTPTransport(verify=self._context(url), trust_env=False, limits=ONE)
        timeout = {"connect": connect_s, "pool": None, "read": None, "write": None}
        extensions = {"timeout": timeout, "sni_hostname": server_name}
        try:
            request = httpx2.Request("POST", url, headers=dict(headers), content=body, extensions=extensions)
            response = await transport.handle_async_request(request)
            with contextlib.suppress(TimeoutError, httpx2.HTTPError, httpx2.StreamError, OSError):
                async with asyncio.timeout(READ_S_MAX):
                    await _skip(response)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as error:
            raise ConnectionRefusedError(f"cannot connect to {_place(url, server_name)}: {_why(error)}") from error
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            raise OSError(f"the connection to {_place(url, server_name)} broke: {_why(error)}") from error
        else:
            return response.status_code, response.headers
        finally:
            await transport.aclose()

    def _context(self, url: str) -> ssl.SSLContext:
        if not url.startswith("https:"):
            return self._plain
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


async def _skip(response: httpx2.Response) -> None:
    stream = response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)
    size = 0
    chunks = aiter(stream)
    while size <= READ_BYTES_MAX:
        try:
            size += len(await anext(chunks))
        except StopAsyncIteration:
            return


def _place(url: str, name: str) -> str:
    at = httpx2.URL(url)
    return f"{name} ({at.host})" if name != at.host else name


def _why(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:REASON_CHARS_MAX]
