"""What both faces of a remote host share: its address, how to reach it, and what it has told of its functions."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from dragoman.client.address import read_address
from dragoman.client.exchange import CONNECT_S_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.client.exchange import Request
    from dragoman.client.listing import Listed

CONNECTIONS_MAX = 256
"""Calls in flight to one host; further ones wait for a connection, within their timeout."""
IDLE_CONNECTIONS_MAX = 64
IDLE_S_MAX = 30.0
"""Less than a host keeps an idle connection (75 s), so that none is used in the moment in which it is closed."""

LISTED_MAX = 10_000
"""Functions remembered; as many as one source may have."""
LISTED_S = 60.0
"""How long: a host that reloads a source may change what its functions take and give."""

HEADERS = {"user-agent": "dragoman-python", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One remote host. `listed` remembers what it told of the functions that were called."""

    address: str
    headers: Mapping[str, str]
    verify: ssl.SSLContext | bool
    reply_bytes_max: int
    listed: dict[str, tuple[float, Listed]] = field(default_factory=dict[str, "tuple[float, Listed]"])

    def options(self) -> dict[str, Any]:
        """How to build an HTTP client for it."""
        return {
            # Reading certificates takes 10 ms, and plain HTTP has no use for them.
            "verify": self.verify if self.address.startswith("https:") else False,
            "headers": {**HEADERS, **self.headers},
            "trust_env": False,
            "follow_redirects": False,
            "timeout": None,
            "limits": httpx2.Limits(
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=IDLE_CONNECTIONS_MAX,
                keepalive_expiry=IDLE_S_MAX,
            ),
        }

    def sending(self, request: Request, left_s: float | None) -> dict[str, Any]:
        """One request as the HTTP client takes it; `left_s` bounds each of its waits."""
        connect_s = CONNECT_S_MAX if left_s is None else min(CONNECT_S_MAX, left_s)
        return {
            "method": request.method,
            "url": self.address + request.path,
            "headers": dict(request.headers),
            "content": request.body or None,
            "timeout": httpx2.Timeout(left_s, connect=connect_s),
        }

    def known(self, function: str, now: float) -> Listed | None:
        """What the host told of a function lately; None where it must be asked."""
        until, listed = self.listed.get(function, (0.0, None))
        return listed if now < until else None

    def remember(self, function: str, listed: Listed, now: float) -> None:
        """Keep what the host told of a function."""
        if len(self.listed) < LISTED_MAX or function in self.listed:
            self.listed[function] = (now + LISTED_S, listed)

    def forget(self, function: str) -> None:
        """Ask again next time: the function is gone, or another one."""
        self.listed.pop(function, None)


def endpoint(
    url: str,
    *,
    headers: Mapping[str, str] | None,
    verify: ssl.SSLContext | str | Path | bool,
    reply_bytes_max: int,
) -> Endpoint:
    """Check what a user gave. Raises `ValueError` for an address that is none, `OSError` for certificates."""
    address = read_address(url)
    context = verify
    if isinstance(verify, str | Path):
        try:
            context = ssl.create_default_context(cafile=str(verify))
        except ssl.SSLError as error:
            message = f"{verify} holds no certificates that can be read (PEM is expected): {error}"
            raise OSError(message) from None
    assert not isinstance(context, str | Path)
    return Endpoint(address, dict(headers or {}), context, reply_bytes_max)
