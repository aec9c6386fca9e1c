"""The pages, asked over a real socket."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import uvicorn

from dragoman.core.fault import Code
from dragoman.ingress.http.routes import build
from dragoman.telemetry.metrics import Metrics

from .shelf import TAIL, Shelf, full

PAGES = [
    "/v1/functions",
    "/v1/functions/logs.tail",
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/metrics",
    "/health/live",
    "/health/ready",
]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


class Site:
    """A server with a catalogue and metrics that a test may change."""

    def __init__(self, port: int, shelf: Shelf, metrics: Metrics) -> None:
        self.port = port
        self.shelf = shelf
        self.metrics = metrics

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


class BrokenHealth:
    """A host whose health cannot be found out."""

    def ready(self) -> tuple[bool, dict[str, str]]:
        raise RuntimeError


def served(shelf: Shelf, health: Any = None) -> Iterator[Site]:
    metrics = Metrics("0.1.0")
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        build(shelf, metrics, health or shelf), log_config=None, log_level="critical", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Site(listener.getsockname()[1], shelf, metrics)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture
def site() -> Iterator[Site]:
    yield from served(full())


def test_functions_are_listed_with_their_contracts(site: Site) -> None:
    answer = site.ask("/v1/functions")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json["functions"]) == 6


def test_one_function_is_described(site: Site) -> None:
    answer = site.ask("/v1/functions/stats.correlation")
    assert answer.json["language"] == "python"
    assert answer.json["idempotent"] is True
    assert answer.json["input"]["required"] == ["data"]


def test_an_unknown_function_is_a_problem(site: Site) -> None:
    answer = site.ask("/v1/functions/stats.corelation%20%0A")
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "NOT_FOUND"
    assert answer.json["instance"] == "/v1/functions/stats.corelation%20%0A"
    assert answer.json["service"] == "shop"


@pytest.mark.parametrize("path", ["/", "/nope", "/docs/", "/v1/functions/", "/v1/functions/a/b", "//evil.example/docs"])
def test_an_unknown_path_is_a_problem_and_never_a_redirect(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND")
    assert "/docs" in answer.json["detail"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"])
def test_a_method_that_a_page_does_not_take_is_a_problem_that_names_those_it_takes(
    site: Site, path: str, method: str
) -> None:
    answer = site.ask(path, method)
    assert (answer.status, answer.json["code"]) == (405, "UNIMPLEMENTED")
    assert {each.strip() for each in answer.headers["allow"].split(",")} == {"GET", "HEAD"}
    assert answer.json["title"] == "Method Not Allowed"


@pytest.mark.parametrize("path", PAGES)
def test_a_head_is_a_get_without_its_body(site: Site, path: str) -> None:
    answer, full_answer = site.ask(path, "HEAD"), site.ask(path)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == full_answer.headers["content-type"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/v1/functions", "/v1/functions/logs.tail", "/openapi.json", "/asyncapi.json", "/docs"]
)
def test_who_has_a_document_already_is_told_so(site: Site, path: str) -> None:
    etag = site.ask(path).headers["etag"]
    answer = site.ask(path, If_None_Match=f'"other", W/{etag}')
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)


def test_a_change_of_the_functions_is_seen_at_once(site: Site) -> None:
    before = site.ask("/openapi.json")
    site.shelf.entries = (TAIL,)
    site.shelf.version += 1
    answer = site.ask("/openapi.json", If_None_Match=before.headers["etag"])
    assert answer.status == 200
    assert "/v1/call/logs.tail" in answer.json["paths"]
    assert "/v1/call/stats.correlation" not in answer.json["paths"]


def test_the_page_for_people_comes_with_its_policy(site: Site) -> None:
    answer = site.ask("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"alert(1)" not in answer.body


def test_metrics_are_those_of_the_moment(site: Site) -> None:
    meter = site.metrics.meter("logs.tail")
    meter.in_flight += 1
    meter.finished(Code.UNAVAILABLE, 0.2)
    answer = site.ask("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert b'dragoman_calls_total{code="UNAVAILABLE",function="logs.tail",ingress="http"} 1.0' in answer.body
    openmetrics = site.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")


def test_a_host_that_runs_is_live_whatever_its_sources_do(site: Site) -> None:
    site.shelf.reasons = {"stats": "cannot start"}
    assert site.ask("/health/live").json == {"live": True}


def test_a_host_is_ready_when_all_its_sources_are(site: Site) -> None:
    answer = site.ask("/health/ready")
    assert (answer.status, answer.json) == (200, {"ready": True, "reasons": {}})
    site.shelf.reasons = {"stats": "SyntaxError: invalid syntax (stats.py, line 3)"}
    answer = site.ask("/health/ready")
    assert answer.status == 503
    assert answer.json == {"ready": False, "reasons": site.shelf.reasons}


def test_an_error_of_the_host_is_a_problem_without_its_insides() -> None:
    for site in served(Shelf(), BrokenHealth()):
        answer = site.ask("/health/ready")
        assert (answer.status, answer.json["code"]) == (500, "INTERNAL")
        assert b"Traceback" not in answer.body
