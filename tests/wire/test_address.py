"""Addresses of native ingresses are read strictly, and what is wrong with one is told with what to write."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.address import NativeAddress, is_native, read_native


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///run/x.sock", NativeAddress("/run/x.sock")),
        ("unix:///run/with space%20.sock", NativeAddress("/run/with space%20.sock")),
        ("tcp+tls://localhost:8701", NativeAddress("", "localhost", 8701)),
        ("tcp+tls://[::1]:1", NativeAddress("", "::1", 1)),
    ],
)
def test_an_address_is_read_and_written_the_same(url: str, address: NativeAddress) -> None:
    assert read_native(url) == address
    assert str(address) == url
    assert is_native(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("unix://run/x.sock", "begins with a slash"),
        ("unix:///", "no file's"),
        ("unix:///run/", "no file's"),
        ("unix:///a\0b", "no file's"),
        ("unix:///" + "é" * 60, "121 bytes, and the system takes 107"),
        ("tcp://localhost:1", "TCP is spoken with TLS only"),
        ("tcp+tls://localhost", "needs a host and a port"),
        ("tcp+tls://:5", "needs a host and a port"),
        ("tcp+tls://localhost:0", "between 1 and 65535"),
        ("tcp+tls://localhost:65536", "out of range"),
        ("tcp+tls://localhost:1/path", "more in it"),
        ("tcp+tls://me@localhost:1", "more in it"),
        ("http://localhost", "does not begin with unix:// or tcp"),
    ],
)
def test_what_is_wrong_is_told(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match="is no address of a native ingress") as told:
        read_native(url)
    assert problem in str(told.value)


def test_the_system_may_choose_a_port_to_listen_on() -> None:
    assert read_native("tcp+tls://localhost:0", port_least=0).port == 0


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    for url in (text, "unix://" + text, "tcp+tls://" + text):
        with suppress(ValueError):
            assert str(read_native(url))
