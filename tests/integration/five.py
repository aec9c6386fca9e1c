"""The conformance service in five languages, served by one host: `python.echo`, `go.echo`, `node.echo` and so on."""

from __future__ import annotations

import contextlib
import http.client
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.process import Subject
from tests.integration.web import Answer, Web, eventually, serving

if TYPE_CHECKING:
    from collections.abc import Generator

REPOSITORY = Path(__file__).parents[2]
LANGUAGES = ("python", "go", "node", "rust", "java")
TOOLS = ("go", "node", "cargo", "javac")
CONCURRENCY = 16
START_S = 600.0
"""The first build of a checkout compiles what the Rust library depends on."""
MEDIA = {"json": "application/json", "msgpack": "application/msgpack"}
STARTING = b"it is still starting"
TOML = """
[defaults]
timeout = "30s"
workers = 1
concurrency = {concurrency}
[sources.python]
path = "{here}/conformance/guests/python/service.py"
[sources.go]
path = "{here}/sdk/go/conformance"
[sources.node]
path = "{here}/sdk/node/conformance/service.mjs"
[sources.rust]
path = "{rust}"
language = "wire"
[sources.java]
path = "{here}/sdk/java/conformance/Service.java"
"""


class Five:
    """The host, and calls in either codec."""

    def __init__(self, web: Web) -> None:
        self.web = web

    def ask(self, function: str, body: bytes, codec: str = "json", **headers: str) -> Answer:
        """A call with these bytes; the reply is asked for in the same codec."""
        media = MEDIA[codec]
        return self.web.ask("POST", f"/v1/call/{function}", body, **{"Content_Type": media, "Accept": media, **headers})

    def call(self, function: str, given: dict[str, Any], codec: str = "json", **headers: str) -> Any:
        """What a function returns."""
        answer = self.ask(function, encoded(given, codec), codec, **headers)
        assert answer.status == 200, (function, answer.status, answer.body)
        return decoded(answer)

    def lines(self, function: str, given: dict[str, Any]) -> list[Any]:
        """The items of a stream, and its fault at the end if it has one, after which the host breaks the answer off."""
        try:
            body = self.ask(function, encoded(given, "json"), Accept="application/jsonl").body
        except http.client.IncompleteRead as error:
            body = error.partial
        return [json.loads(line) for line in body.splitlines()]

    def refusal(self, function: str, body: bytes, codec: str = "json", **headers: str) -> dict[str, Any]:
        """The fault of a call."""
        answer = self.ask(function, body, codec, **headers)
        assert answer.status >= 400, (function, answer.body)
        return json.loads(answer.body)


def encoded(value: Any, codec: str) -> bytes:
    """A value's bytes."""
    return msgspec.msgpack.encode(value) if codec == "msgpack" else json.dumps(value).encode()


def decoded(answer: Answer) -> Any:
    """An answer's value, in whichever codec it is."""
    if answer.headers["content-type"] == MEDIA["msgpack"]:
        return msgspec.msgpack.decode(answer.body)
    return json.loads(answer.body)


@contextlib.contextmanager
def five_served(folder: Path) -> Generator[Five]:
    """Build and serve all five meanwhile."""
    rust = Subject.load(REPOSITORY / "sdk" / "rust" / "conformance", folder).command[0]
    with serving(
        cwd=folder, toml=TOML.format(here=REPOSITORY, concurrency=CONCURRENCY, rust=Path(rust).resolve())
    ) as web:
        eventually(lambda: STARTING not in web.ask("GET", "/health/ready").body, START_S)
        ready = web.ask("GET", "/health/ready")
        assert ready.status == 200, ready.body
        yield Five(web)
