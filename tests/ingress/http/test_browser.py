"""Names that a page could have registered are told from those that programs of this machine use."""

from __future__ import annotations

import pytest

from dragoman.ingress.http.browser import rebound

PORT = 8700
ORIGIN = (b"origin", b"http://evil.example:8700")


@pytest.mark.parametrize("host", [b"evil.example:8700", b"EVIL.example.:8700", b"localhost.evil.example:8700"])
def test_a_registered_name_with_the_port_of_this_server_is_foreign(host: bytes) -> None:
    assert rebound(b"GET", [(b"host", host)], PORT)
    assert rebound(b"HEAD", [(b"host", host)], PORT)
    assert rebound(b"POST", [(b"host", host), ORIGIN], PORT)


@pytest.mark.parametrize(
    "host",
    [
        b"localhost:8700",
        b"LOCALHOST:8700",
        b"app.localhost:8700",
        b"127.0.0.1:8700",
        b"[::1]:8700",
        b"laptop:8700",
        b"laptop.local:8700",
        b"host.docker.internal:8700",
        b"api.example.com",
        b"api.example.com:443",
        b"",
        b":",
    ],
)
def test_local_names_addresses_and_proxies_are_not(host: bytes) -> None:
    assert not rebound(b"GET", [(b"host", host), ORIGIN], PORT)


def test_tools_may_name_this_machine_as_they_like() -> None:
    assert not rebound(b"POST", [(b"host", b"dev.example.com:8700")], PORT)
