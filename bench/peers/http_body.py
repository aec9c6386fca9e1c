"""A blocking HTTP client on one kept connection, for bodies too large for a load generator's script."""

from __future__ import annotations

import contextlib
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from bench import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PATH, JSON_PATH = "/v1/call/functions.echo", "/v1/call/functions.mirror"
HEADERS = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
JSON_HEADERS = {"Content-Type": "application/json"}


@contextlib.contextmanager
def http_body(
    command: Callable[[int], list[str]], body: bytes, path: str = PATH, headers: dict[str, str] = HEADERS
) -> Generator[Callable[[], bytes]]:
    """Post a body and read it back."""
    with servers.on_free_port(command) as server:
        connection = HTTPConnection(server.url.removeprefix("http://"), timeout=30)

        def call() -> bytes:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            got = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {got[:200]!r}")
            return got

        with contextlib.closing(connection):
            yield call
