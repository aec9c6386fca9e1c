"""HELLO and READY, beyond what the vectors say."""

from __future__ import annotations

import pytest

from dragoman.wire.fault import ProtocolFault
from dragoman.wire.handshake import (
    FUNCTIONS_MAX,
    Hello,
    Limits,
    Ready,
    dump_hello,
    dump_ready,
    load_hello,
    load_ready,
    negotiate,
)


def test_what_a_host_says_is_what_a_guest_reads() -> None:
    hello = Hello("h", "ab", "stats", 4, True, Limits(70_000, 1000, 7), (1, 3))  # noqa: FBT003 - every field in its place
    assert load_hello(dump_hello(hello)) == hello


def test_what_a_guest_says_is_what_a_host_reads() -> None:
    ready = Ready("go", "1.25", "lib", ("revoke",), ({"name": "f"},), "token")
    assert load_ready(dump_ready(ready)) == ready


def test_the_token_is_the_first_key() -> None:
    assert dump_ready(Ready("go", token="t0")).startswith(b'{"token":"t0"')
    assert b"token" not in dump_ready(Ready("go"))


def test_the_public_id_of_a_call_has_at_least_eight_digits() -> None:
    hello = Hello("h", "ab-")
    assert hello.call_id(255) == "ab-000000ff"
    assert hello.call_id(1 << 40) == "ab-10000000000"


@pytest.mark.parametrize(
    "hello",
    [Hello("h", concurrency=0), Hello("h", limits=Limits(frame_bytes_max=1000)), Hello("h", limits=Limits(2**33))],
)
def test_a_host_does_not_say_what_a_guest_would_refuse(hello: Hello) -> None:
    with pytest.raises(ValueError, match=r"at least|past"):
        dump_hello(hello)


def test_a_manifest_has_bounds() -> None:
    with pytest.raises(ValueError, match="functions"):
        dump_ready(Ready("sh", functions=({},) * (FUNCTIONS_MAX + 1)))
    with pytest.raises(ValueError, match="bytes"):
        dump_ready(Ready("sh", functions=({"description": "x" * (17 << 20)},)))
    body = b'{"version": 1, "language": "sh", "functions": [' + b",".join([b"{}"] * (FUNCTIONS_MAX + 1)) + b"]}"
    with pytest.raises(ProtocolFault, match="functions"):
        load_ready(body)


@pytest.mark.parametrize(
    ("offered", "spoken", "version"), [((1, 1), (1, 1), 1), ((1, 9), (1, 1), 1), ((2, 5), (1, 3), 3)]
)
def test_the_highest_common_version_is_chosen(offered: tuple[int, int], spoken: tuple[int, int], version: int) -> None:
    assert negotiate(offered, spoken) == version


def test_no_common_version_names_both_ranges() -> None:
    with pytest.raises(ProtocolFault, match="2 to 3, this guest 1 to 1"):
        negotiate((2, 3))
