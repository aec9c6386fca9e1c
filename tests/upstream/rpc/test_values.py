from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import InvalidArgument, OutOfRange
from dragoman.upstream.rpc.values import from_message, is_wrapped, to_bytes
from tests.upstream.rpc.shops import message, pool


def through(value: Any) -> Any:
    kind = message("Everything")
    return from_message(kind.FromString(to_bytes(value, kind, pool(), "it")), pool(), "it")


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1), st.binary(), st.text(st.characters(codec="utf-8")))
def test_values_survive(signed: int, unsigned: int, raw: bytes, text: str) -> None:
    import base64  # noqa: PLC0415 - of this test alone

    value = {"i64": signed, "u64": unsigned, "raw": base64.b64encode(raw).decode(), "s": text, "many": [signed]}
    answer = through(value)
    assert {key: answer[key] for key in value} == value


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_json_is_not_told(number: str) -> None:
    for name in ("d", "f"):
        made = message("Everything")(**{name: float(number)})
        with pytest.raises(OutOfRange, match=number):
            from_message(made, pool(), "it")


def test_a_message_that_nests_too_deep_is_refused() -> None:
    value: dict[str, Any] = {}
    for _ in range(150):
        value = {"self": value}
    with pytest.raises(InvalidArgument):
        through(value)


@pytest.mark.parametrize(
    "value", [{"raw": "?"}, {"s": 1}, {"many": [None]}, {"counts": []}, {"s": "\ud800"}, {"at": 7}, 7]
)
def test_what_is_no_such_message_is_the_callers_fault(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="Everything"):
        through(value)


def test_messages_with_a_form_of_their_own_are_wrapped_unless_objects() -> None:
    found = pool()
    wrapped = {
        name: is_wrapped(found.FindMessageTypeByName(f"google.protobuf.{name}"))
        for name in ("Duration", "Timestamp", "StringValue", "ListValue", "Struct", "Empty", "Any")
    }
    assert [name for name, yes in wrapped.items() if yes] == ["Duration", "Timestamp", "StringValue", "ListValue"]
