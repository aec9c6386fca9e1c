"""The server has its port before anything else, says where it is, and ends at once when nothing is in progress."""

from __future__ import annotations

import re
import socket
import ssl
import time

import pytest

from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.http.server import bind, is_loopback
from tests.certificates import Pair, pair

from .site import Site, Wire, post

BODY = b'{"a":1,"b":2}'


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return pair(tmp_path_factory.mktemp("tls"))


def test_a_port_that_is_taken_is_named() -> None:
    with bind(HttpOptions(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=re.escape(f"cannot listen on 127.0.0.1 port {port}")):
            bind(HttpOptions(port=port))


@pytest.mark.parametrize("host", ["256.0.0.1", "no.such.host.invalid", ":::"])
def test_a_host_that_is_none_is_named(host: str) -> None:
    with pytest.raises(OSError, match=re.escape(f"cannot listen on {host}")):
        bind(HttpOptions(host=host, port=0))


def test_a_port_out_of_range_is_named() -> None:
    with pytest.raises(OSError, match="port 70000"):
        bind(HttpOptions(port=70_000))


def test_it_serves_on_ipv6() -> None:
    with Site(host="::1") as site:
        assert site.server.url == f"http://[::1]:{site.port}"
        assert site.call("fn.add", BODY).body == b"3"


def test_any_address_means_both_kinds() -> None:
    with bind(HttpOptions(host="::", port=0)) as sock:
        port = sock.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), 5).close()


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_what_only_this_machine_reaches(address: str, loopback: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert is_loopback(address) is loopback


def test_an_idle_server_ends_at_once() -> None:
    with Site() as site, site.connect() as idle:
        idle.post("fn.add", BODY)
        idle.response()
        began = time.monotonic()
        assert site.drain().result(10)
        assert idle.at_end()
    assert time.monotonic() - began < 0.5


def test_it_ends_though_a_client_reads_nothing() -> None:
    with Site() as site, site.connect() as wire:
        for _ in range(40):
            wire.send(post("fn.echo", b"x" * 1_000_000, b"Content-Type: application/octet-stream")[:-1])
            site.do(lambda: None)
            wire.send(b"x")
            site.do(lambda: None)
            if any(each.flow.write_paused for each in site.server.connections):
                break


@pytest.mark.needs("openssl")
def test_it_speaks_tls(keys: Pair) -> None:
    with Site(tls_cert=str(keys.cert), tls_key=str(keys.key)) as site:
        assert site.server.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(keys.cert))
        with Wire(trusting.wrap_socket(site.connect().sock, server_hostname="localhost")) as wire:
            for _ in range(3):
                wire.post("fn.add", BODY)
                assert wire.response().body == b"3"
            body = bytes(range(256)) * 5000
            wire.send(post("fn.echo", body, b"Content-Type: application/octet-stream"))
            assert wire.response().body == body
            wire.send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert wire.response().json == {"live": True}
            wire.post("fn.nope", BODY, b"Expect: 100-continue")
            assert wire.response().status == 404
            assert wire.at_end()


@pytest.mark.needs("openssl")
def test_a_client_that_goes_away_from_tls_cancels_its_call(keys: Pair) -> None:
    with Site(tls_cert=str(keys.cert), tls_key=str(keys.key)) as site:
        trusting = ssl.create_default_context(cafile=str(keys.cert))
        with Wire(trusting.wrap_socket(site.connect().sock, server_hostname="localhost")) as wire:
            wire.post("fn.held")
            site.held.wait()
        assert site.held.cancelled.wait(10)


@pytest.mark.needs("openssl")
def test_a_handshake_that_never_comes_is_not_waited_for(keys: Pair) -> None:
    with Site(tls_cert=str(keys.cert), tls_key=str(keys.key), header_timeout_s=0.2) as site, site.connect() as wire:
        assert wire.at_end()


def test_many_who_come_at_once_are_all_let_in_though_the_host_is_busy(site: Site) -> None:
    wires = [site.connect() for _ in range(300)]
    for wire in wires:
        wire.post("fn.add", BODY)
    assert {wire.response().body for wire in wires} == {b"3"}
    for wire in wires:
        wire.close()


def test_connections_that_wait_are_let_in_with_the_next_one(site: Site) -> None:
    wires: list[Wire] = []
    counted: list[int] = []

    def crowd() -> None:
        wires.extend(site.connect() for _ in range(20))

    site.do(crowd)
    assert site.settled(lambda: counted.append(len(site.server.connections)) or counted[-1] == 20)
    assert len(set(counted)) < 10, "they do not come in one by one"
    for wire in wires:
        wire.close()
