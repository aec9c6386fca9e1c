"""What a call sends, and what its answer means, without a connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from dragoman.client import wired
from dragoman.client.wired import MS_MAX, ask, checked, fault_of, lost, may_go_again, milliseconds, value_of
from dragoman.core.call import Codec
from dragoman.core.fault import Code, DataLoss, InvalidArgument, OutOfRange, Started, Unavailable
from dragoman.wire import meta
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.report import dump_fault

MSGPACK = Codec.MSGPACK | Codec.ARROW << 4


@pytest.mark.parametrize(
    ("value", "codec", "body"),
    [
        (None, MSGPACK, b"\x80"),
        ({"a": b"\xff"}, MSGPACK, b"\x81\xa1a\xc4\x01\xff"),
        (b"raw", Codec.BYTES | Codec.ARROW << 4, b"raw"),
        ({"a": 2**70}, Codec.JSON | Codec.ARROW << 4, b'{"a":1180591620717411303424}'),
    ],
)
def test_an_input_is_written_in_what_can_say_it(value: Any, codec: int, body: bytes) -> None:
    asked = ask("fn.f", value)
    assert (asked.codec, asked.body, meta.decode(asked.entries).function) == (codec, body, "fn.f")


def test_a_reply_is_wanted_in_a_form_that_can_be_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wired, "has_pyarrow", lambda: False)
    assert ask("fn.f", {"a": 1}).codec >> 4 == Codec.MSGPACK
    assert ask("fn.f", {"a": 2**70}).codec >> 4 == Codec.JSON
    assert ask("fn.f", b"raw").codec >> 4 == Codec.MSGPACK


@pytest.mark.parametrize("name", ["", "x" * 300, "a\nb", "\ud800"])
def test_a_name_that_no_function_has_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        ask(name, {})


def test_a_value_that_cannot_travel_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        ask("fn.f", {"a": object()})


def test_time_left_is_never_said_to_be_none() -> None:
    assert [milliseconds(left) for left in (None, 0.0001, 1.5, 1e12)] == [0, 1, 1500, MS_MAX]


def test_values_are_read_by_their_codec() -> None:
    assert value_of(b"\x01", Codec.MSGPACK, "f") == 1
    assert value_of(b"1", Codec.JSON, "f") == 1
    assert value_of(b"\xff", Codec.BYTES, "f") == b"\xff"
    assert value_of(b"", Codec.NONE, "f") is None
    for body, codec in ((b"\xc1", Codec.MSGPACK), (b"{", Codec.JSON)):
        with pytest.raises(DataLoss, match="cannot be read"):
            value_of(body, codec, "f")


def test_a_fault_keeps_its_code_and_learns_its_function() -> None:
    sent = Unavailable("gone", started=Started.NO)
    fault = fault_of(Frame(Kind.FAULT, codec=1, call=1, body=dump_fault(sent)), "fn.f")
    assert (fault.code, fault.detail, fault.function, fault.remote) == (Code.UNAVAILABLE, "gone", "fn.f", True)
    assert may_go_again(fault, ask("fn.f", {}))
    assert not may_go_again(lost("fn.f", "unix:///x", "it died"), ask("fn.f", {}))
    assert isinstance(fault_of(Frame(Kind.FAULT, codec=1, call=1, body=b"["), "f"), DataLoss)


def test_what_an_iterator_gave_goes_nowhere_else() -> None:
    asked, fault = ask("fn.f", {"numbers": iter([1]), "start": 2}), Unavailable("gone", started=Started.NO)
    assert may_go_again(fault, asked)
    assert asked.given is not None
    assert list(cast("Iterator[int]", asked.given.begin())) == [1]
    assert not may_go_again(fault, asked)


def test_a_reply_past_the_bound_is_refused() -> None:
    assert checked(b"123", 3, "f") == b"123"
    with pytest.raises(OutOfRange, match="larger than 2 bytes"):
        checked(b"123", 2, "f")
