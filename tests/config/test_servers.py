"""The tables of the servers: every option, its files and addresses checked where they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.config.load import parse_project
from dragoman.config.problem import ConfigError
from dragoman.config.servers import with_certificate
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.native.options import NativeOptions


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name in ("a.py", "cert.pem", "key.pem", "token"):
        (tmp_path / name).touch()
    return tmp_path


def native(shop: Path, text: str, http: str = "") -> NativeOptions:
    content = f'[sources.a]\npath = "a.py"\n{http}\n[native]\n{text}'
    return parse_project(shop / "dragoman.toml", content.encode()).native


def refusals(shop: Path, text: str) -> str:
    with pytest.raises(ConfigError) as told:
        native(shop, text)
    return str(told.value)


def test_every_option_is_taken(shop: Path) -> None:
    text = """
        listen = ["unix:///run/a.sock", "tcp+tls://127.0.0.1:0"]
        users = ["web", "1001"]
        group = "web"
        token_file = "token"
        tls_cert = "cert.pem"
        tls_key = "key.pem"
        body_max = "1MB"
        connections_max = 3
        calls_max = 4
        handshake_timeout = "1s"
        frame_timeout = "2s"
        write_timeout = "3s"
    """
    assert native(shop, text) == NativeOptions(
        ("unix:///run/a.sock", "tcp+tls://127.0.0.1:0"),
        ("web", "1001"),
        "web",
        str(shop / "token"),
        str(shop / "cert.pem"),
        str(shop / "key.pem"),
        1 << 20,
        3,
        4,
        1.0,
        2.0,
        3.0,
    )


def test_the_certificate_is_that_of_http_where_there_is_no_other(shop: Path) -> None:
    found = native(shop, "", '[http]\ntls_cert = "cert.pem"\ntls_key = "key.pem"')
    assert (found.tls_cert, found.tls_key) == (str(shop / "cert.pem"), str(shop / "key.pem"))
    own = NativeOptions(tls_cert="a", tls_key="b")
    assert with_certificate(own, HttpOptions(tls_cert="c", tls_key="d")) is own


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('listen = ["http://x"]', "native.listen[0]: 'http://x' is no address"),
        ('listen = "unix:///x"', "expected a list"),
        ("listen = [3]", "native.listen[0]: expected an address"),
        ('users = ["two words"]', "native.users[0]: expected a user's name"),
        ('token_file = "nothing"', "native.token_file: no such file"),
        ('tls_cert = "cert.pem"', "native.tls_cert: needs tls_key beside it"),
        ("calls_max = 0", "native.calls_max: expected a whole number"),
    ],
)
def test_what_is_wrong_is_named(shop: Path, text: str, said: str) -> None:
    assert said in refusals(shop, text)


def test_http_may_be_off(shop: Path) -> None:
    content = b'[sources.a]\npath = "a.py"\n[http]\nenabled = false'
    assert not parse_project(shop / "dragoman.toml", content).http.enabled


def test_no_source_has_the_hosts_own_name(shop: Path) -> None:
    with pytest.raises(ConfigError, match="the host's own name"):
        parse_project(shop / "dragoman.toml", b'[sources.dragoman]\npath = "a.py"')
