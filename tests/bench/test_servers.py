"""Every peer over HTTP serves the same functions with the same answers."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from bench import servers
from bench.load import ask
from bench.peers.http_body import HEADERS, PATH
from bench.system import Missing
from bench.workload import ADD, BLOB, PRICE, Request

if TYPE_CHECKING:
    from bench.servers import Command

GATEWAYS = (servers.gateway, servers.gateway_bare)
PEERS: list[Command] = [servers.fastapi, servers.raw_asgi, *GATEWAYS]


def needs(peer: Command) -> None:
    if peer in GATEWAYS:
        try:
            servers.build_gateway()
        except Missing as missing:
            if os.environ.get("CI") == "true":
                pytest.fail(str(missing), pytrace=False)
            pytest.skip(str(missing))


@pytest.mark.parametrize("peer", PEERS)
def test_peer_gives_the_answers(peer: Command) -> None:
    needs(peer)
    with servers.on_free_port(peer) as server:
        for request in (ADD, PRICE):
            assert ask(server.url, request) == request.answer
        post = urllib.request.Request(server.url + PATH, BLOB, HEADERS)
        with urllib.request.urlopen(post, timeout=10) as answer:
            assert answer.read() == BLOB


def test_gateway_is_a_real_gateway() -> None:
    needs(servers.gateway_bare)
    with servers.on_free_port(servers.gateway_bare) as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(server.url, Request("functions.nothing", b"{}", None))
        refused.value.close()
        assert refused.value.code == 404
        assert refused.value.headers["Content-Type"] == "application/problem+json"
        post = urllib.request.Request(server.url + ADD.path, ADD.body, {"Dragoman-Timeout": "never"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(post, timeout=10)
        refused.value.close()
        assert refused.value.code == 400
        with urllib.request.urlopen(server.url + "/metrics", timeout=10) as metrics:
            assert 'gateway_calls_total{function="add",code="OK"} 1' in metrics.read().decode()


def test_a_server_with_wrong_answers_is_refused() -> None:
    wrong = Request(ADD.function, ADD.body, 4)
    with (
        pytest.raises(RuntimeError, match=r"answered 3\.75, not 4"),
        servers.serve(servers.raw_asgi(port := servers.free_port()), port, wrong),
    ):
        pass


def test_a_missing_go_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_: str) -> None:
        return None

    monkeypatch.setattr(shutil, "which", nowhere)
    with pytest.raises(Missing, match="apt-get install golang-go"):
        servers.build_gateway()
