"""A result is given in its own codec, or in one that says the same."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.core.call import Codec, Reply
from dragoman.ingress.http.results import Unacceptable, laid_out

JSON, MSGPACK = b"application/json", b"application/msgpack"
VALUE = {"n": 2**63 - 1, "text": "ä"}
WRITTEN = {Codec.JSON: msgspec.json.encode(VALUE), Codec.MSGPACK: msgspec.msgpack.encode(VALUE)}


@pytest.mark.parametrize(
    ("stored", "accept", "given"),
    [
        (Codec.JSON, b"", Codec.JSON),
        (Codec.JSON, b"*/*", Codec.JSON),
        (Codec.JSON, b"application/msgpack", Codec.MSGPACK),
        (Codec.JSON, b"application/*;q=0.5, application/x-msgpack", Codec.MSGPACK),
        (Codec.MSGPACK, b"", Codec.MSGPACK),
        (Codec.MSGPACK, b"application/json", Codec.JSON),
        (Codec.MSGPACK, b"text/html, */*;q=0.1", Codec.MSGPACK),
    ],
)
def test_json_and_messagepack_stand_for_each_other(stored: Codec, accept: bytes, given: Codec) -> None:
    content_type, body = laid_out(Reply(WRITTEN[stored], stored), accept)
    assert content_type == (JSON if given is Codec.JSON else MSGPACK)
    assert body == WRITTEN[given]


@pytest.mark.parametrize("codec", [Codec.BYTES, Codec.ARROW])
def test_raw_results_are_given_as_they_are_or_not_at_all(codec: Codec) -> None:
    content_type, body = laid_out(Reply(b"\x00\xff", codec), b"")
    assert (content_type.startswith(b"application/"), body) == (True, b"\x00\xff")
    with pytest.raises(Unacceptable, match="it is application/"):
        laid_out(Reply(b"\x00\xff", codec), b"application/json")


def test_nothing_is_null() -> None:
    assert laid_out(Reply(b"", Codec.NONE), b"") == (JSON, b"null")


def test_what_json_cannot_say_is_not_given_in_json() -> None:
    reply = Reply(msgspec.msgpack.encode(float("nan")), Codec.MSGPACK)
    with pytest.raises(Unacceptable, match="cannot be written as application/json: NaN"):
        laid_out(reply, JSON)
