import pytest

from dragoman.client.address import read_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8700", "http://127.0.0.1:8700"),
        ("http://127.0.0.1:8700/", "http://127.0.0.1:8700"),
        ("https://host/some/path/", "https://host/some/path"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_an_address_is_what_paths_are_put_behind(url: str, address: str) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("127.0.0.1:8700", "does not begin with http"),
        ("localhost", "does not begin with http"),
        ("", "does not begin with http"),
        ("ftp://host", "does not begin with http"),
        ("http://", "names no host"),
        ("http://:80", "names no host"),
        ("http://host:0", "its port"),
        ("http://host:70000", "Port"),
        ("http://host:x", "Port"),
        ("http://host/?a=1", "a query"),
        ("http://host/#x", "a fragment"),
        ("http://ho st", "characters"),
        ("http://host/\n", "characters"),
        ("http://[::1", "IPv6"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_address(url)
