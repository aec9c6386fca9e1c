"""Sources that are services: what is read from the file, and each contradiction told with both places."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.config.load import parse_project
from dragoman.config.problem import ConfigError
from dragoman.config.project import Source
from dragoman.config.upstreams import is_address, is_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "api.json").write_text("{}")
    (tmp_path / "api.yaml").touch()
    (tmp_path / "serve.sh").write_text("#!/bin/sh\n")
    (tmp_path / "serve.sh").chmod(0o755)
    (tmp_path / "plain").touch()
    (tmp_path / "a.py").touch()
    return tmp_path


def source(folder: Path, settings: str) -> Source:
    text = f"[sources.it]\n{settings}\n"
    return parse_project(folder / "dragoman.toml", text.encode()).sources["it"]


def refusal(folder: Path, settings: str) -> str:
    with pytest.raises(ConfigError) as raised:
        source(folder, settings)
    return str(raised.value)


def test_a_url_is_a_service_of_one_function(folder: Path) -> None:
    found = source(folder, 'url = "http://127.0.0.1:9000/do"\ndescription = "Does it."\ninput = { n = "integer" }')
    assert (found.kind, found.mode, found.language, found.alone) == ("upstream", "upstream", "http", True)
    assert found.upstream is not None
    assert (found.upstream.url, found.upstream.command) == ("http://127.0.0.1:9000/do", ())
    assert found.input is not None
    assert found.input["required"] == ["n"]
    assert found.pool.concurrency == 64


def test_a_service_that_is_started_has_its_program_in_the_folder(folder: Path) -> None:
    found = source(
        folder,
        """
        openapi = "api.json"
        url = "http://127.0.0.1:{port}/v1"
        command = ["./serve.sh"]
        env = { PORT = "{port}" }
        health = "/ready"
        headers = { X-Key = "k" }
        concurrency = 3
        start_timeout = "2s"
        limits = { files = 99 }
        """,
    )
    assert found.upstream is not None
    assert found.upstream.command == (str(folder / "serve.sh"),)
    assert (found.upstream.document, found.upstream.health) == (folder / "api.json", "/ready")
    assert not found.alone
    assert (found.pool.concurrency, found.pool.start_timeout_s, found.limits.files) == (3, 2.0, 99)
    assert "X-Key" not in repr(found)


def test_a_grpc_service_has_an_address_and_may_have_a_proto(folder: Path) -> None:
    found = source(folder, 'grpc = "grpcs://api.example.com:443"\nproto = "plain"\nheaders = { x-key = "k" }')
    assert (found.kind, found.language, found.alone) == ("upstream", "grpc", False)
    assert found.upstream is not None
    assert (found.upstream.address, found.upstream.proto) == ("grpcs://api.example.com:443", folder / "plain")
    assert source(folder, 'grpc = "unix:/run/shop.sock"').language == "grpc"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('url = "ftp://a"', "a URL such as"),
        ('url = "http://a:99999/"', "no address of a service"),
        ('url = "http://a:0/"', "no address of a service"),
        ('url = "http://user:pw@a/"', "without a user"),
        ('url = "http://a/?q=1"', "without a user, a query"),
        ('url = "http://{host}/"', "no address of a service"),
        ('url = "http://a"\npath = "a.py"', "code or a service"),
        ('openapi = "api.json"\nstreaming = true', "the document says what operations are"),
        ('openapi = "api.json"\ninput = { n = "integer" }', "the document says"),
        ('openapi = "no.json"', "no such file"),
        ('openapi = "a\\u0000"', "control"),
        ('openapi = "api.yaml"', "YAML"),
        ('openapi = "http://a:x/api"', "no address of a service"),
        ('url = "http://a"\nhealth = "/h"', "has no command beside it"),
        ('url = "http://a"\nenv = { A = 1 }', "has no command beside it"),
        ('url = "http://a"\nlimits = { files = 64 }', "has no command beside it"),
        ('url = "http://a:1"\ncommand = ["x"]\nhealth = "healthy"', "a path such as"),
        ('url = "http://a:{port}"', "add its command"),
        ('url = "http://a:{port}"\ncommand = ["x"]', "does not tell the service its port"),
        ('url = "http://a:1"\ncommand = ["x", "{port}"]', "says no {port}"),
        ('url = "http://a:{port}"\ncommand = ["{port}"]', "cannot be {port}"),
        ('url = "http://a:1"\ncommand = ["./plain"]', "executable"),
        ('openapi = "api.json"\ncommand = ["x"]', "add its url"),
        ('grpc = "127.0.0.1:1"', "a gRPC address such as"),
        ('grpc = "grpc://a"', "a gRPC address such as"),
        ('grpc = "grpc://a:99999"', "no address of a service"),
        ('grpc = "grpc://a:1"\nurl = "http://a"', "HTTP or gRPC"),
        ('grpc = "grpc://a:1"\nproto = "no.proto"', "no such file"),
        ('proto = "api.json"', "say where that is"),
        ('grpc = "grpc://a:1"\ninput = { n = "integer" }', "says what operations are"),
        ('grpc = "grpc://a:1"\ncommand = ["x"]\nhealth = "/h"', "has no paths"),
        ('url = "http://a:1"\ncommand = ["x"]\nhealth = "grpc"', "this is none"),
        ('grpc = "grpc://a:{port}"\ncommand = ["x"]', "does not tell the service its port"),
        ('grpc = "grpc://a:1"\nheaders = { "grpc-timeout" = "1S" }', "metadata of gRPC"),
        ('grpc = "grpc://a:1"\nheaders = { "key-bin" = "x" }', "metadata of gRPC"),
        ('url = "http://a"\nworkers = 2', "a service of its own"),
        ('url = "http://a"\nmode = "warm"', "a service of its own"),
        ('path = "a.py"\nheaders = { a = "b" }', "is for services"),
        ('path = "a.py"\nstreaming = true', "is for services"),
    ],
)
def test_what_contradicts_itself_is_refused_where_it_stands(folder: Path, settings: str, words: str) -> None:
    said = refusal(folder, settings)
    assert words in said
    assert "dragoman.toml:" in said


def test_addresses_and_urls_are_told_apart() -> None:
    assert is_address("http://[::1]:80/a")
    assert not is_address("http:///a")
    assert is_url("https://a/b.json")
    assert not is_url("https.json")
