"""The address says which way a host is called, and options for the other way are refused."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from dragoman.client.connecting import connect, tls_of
from dragoman.client.native_remote import NativeRemote
from dragoman.client.remote import Remote
from tests.certificates import pair


def test_the_address_decides() -> None:
    with connect("unix:///nowhere/x.sock") as native, connect("http://localhost:1") as http:
        assert isinstance(native, NativeRemote)
        assert isinstance(http, Remote)
        assert repr(native) == "<remote unix:///nowhere/x.sock>"


@pytest.mark.parametrize("url", ["unix://x.sock", "tcp://localhost:1", "tcp+tls://localhost", "ftp://x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        connect(url)


def test_options_of_the_other_way_are_refused() -> None:
    with pytest.raises(ValueError, match="headers are for http"):
        connect("unix:///x", headers={"a": "b"})
    with pytest.raises(ValueError, match="token is for"):
        connect("http://localhost", token="t")


@pytest.mark.needs("openssl")
def test_certificates_are_checked_unless_that_is_switched_off(tmp_path: Path) -> None:
    cert, _ = pair(tmp_path)
    for verify in (True, cert, str(cert)):
        assert tls_of(verify).verify_mode is ssl.CERT_REQUIRED
    unchecked = tls_of(verify=False)
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_NONE, False)
    assert tls_of(unchecked) is unchecked
    (tmp_path / "notes").write_text("hello")
    with pytest.raises(OSError, match="holds no certificates"):
        tls_of(tmp_path / "notes")
