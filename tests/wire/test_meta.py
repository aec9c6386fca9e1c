"""The meta of a CALL, beyond what the vectors say."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Priority, Trace
from dragoman.wire import meta
from dragoman.wire.fault import ProtocolFault

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128)


@given(PRINTABLE, PRINTABLE, st.integers(1, 255))
def test_entries_survive_the_way(call_id: str, function: str, depth: int) -> None:
    entries = meta.decode(meta.encode(None, call_id, function, depth))
    assert entries == meta.Entries(None, call_id, function, depth)


def test_a_trace_survives_the_way() -> None:
    trace = meta.decode(meta.encode(Trace(b"t" * 16, b"s" * 8, 1, "vendor=1"))).trace
    assert trace is not None
    assert (trace.trace_id, trace.span_id, trace.flags, trace.state) == (b"t" * 16, b"s" * 8, 1, "vendor=1")


@pytest.mark.parametrize("state", ["x" * 513, "grüße", "a=1,\tb=2"])
def test_a_trace_state_that_cannot_travel_is_dropped_and_not_the_call(state: str) -> None:
    trace = meta.decode(meta.encode(Trace(b"t" * 16, b"s" * 8, 1, state))).trace
    assert trace is not None
    assert trace.state == ""


@pytest.mark.parametrize("fields", [{"call_id": "x" * 129}, {"call_id": "é"}, {"function": "x" * 257}, {"depth": 256}])
def test_a_value_that_cannot_travel_is_refused_where_it_is_sent(fields: dict[str, str | int]) -> None:
    with pytest.raises(ValueError, match=r"bytes|range|ascii"):
        meta.encode(**fields)  # pyright: ignore[reportArgumentType] - one field at a time, of its own type


@given(st.binary(max_size=80))
def test_any_bytes_are_entries_or_a_protocol_fault(data: bytes) -> None:
    with contextlib.suppress(ProtocolFault):
        assert isinstance(meta.decode(data), meta.Entries)


def test_only_what_has_been_read_and_names_a_function_is_known_to() -> None:
    named, nameless = meta.encode(function="known.for.this_test"), meta.encode(depth=3)
    assert not meta.names_function(named)
    for data in (named, nameless, b""):
        meta.decode(data)
    assert meta.names_function(named)
    assert not meta.names_function(nameless)
    assert not meta.names_function(b"")


def test_text_that_the_other_side_would_refuse_is_not_sent() -> None:
    with pytest.raises(ValueError, match="unprintable"):
        meta.encode(call_id="a\nb")
    with pytest.raises(ValueError, match="unprintable"):
        meta.encode(function="a.b\t")


@given(st.sampled_from([None, *Priority]), st.one_of(st.just(""), PRINTABLE))
def test_marks_survive_the_way_behind_the_other_entries(priority: Priority | None, key: str) -> None:
    entries = meta.decode(meta.encode(function="s.f") + meta.encode_marks(priority, key))
    assert (entries.function, entries.priority, entries.idempotency_key) == ("s.f", priority, key)


@pytest.mark.parametrize(
    "data", [b"\x08\x00\x00", b"\x08\x01\x00\x03", b"\x08\x02\x00\x00\x00", b"\x09\x00\x00", b"\x09\x01\x00\n"]
)
def test_marks_that_break_their_rule_are_a_protocol_fault(data: bytes) -> None:
    with pytest.raises(ProtocolFault):
        meta.decode(data)


def test_a_key_that_cannot_travel_is_refused_where_it_is_sent() -> None:
    for key in ("x" * 256, "é", "a\n"):
        with pytest.raises(ValueError, match=r"bytes|ascii|unprintable"):
            meta.encode_marks(None, key)


def test_a_meta_with_a_key_is_not_kept() -> None:
    data = meta.encode(function="kept.not") + meta.encode_marks(None, "k")
    meta.decode(data)
    assert not meta.names_function(data)
