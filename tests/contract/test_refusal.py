"""A refused body is read again: for every breach, and with patience."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.contract.choice import decode_hook
from dragoman.contract.refusal import Patient
from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument

SCHEMA: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}


def patient() -> Patient:
    """Reads objects of integers."""
    return Patient("f", SCHEMA, dict[str, int], decode_hook)


def test_every_breach_is_named() -> None:
    with pytest.raises(
        InvalidArgument, match=r"the input of f breaks its contract: /. must be .* \(and 1 more\)"
    ) as caught:
        patient().read(b'{"a": "x", "b": 1, "c": []}', Codec.JSON)
    assert {breach.path for breach in caught.value.errors} == {"/a", "/c"}
    assert caught.value.function == "f"


def test_a_whole_float_is_an_integer() -> None:
    assert patient().read(b'{"a": 1.0, "b": 1e3}', Codec.JSON) == {"a": 1, "b": 1000}


def test_a_malformed_body_is_one_breach_of_the_whole() -> None:
    with pytest.raises(InvalidArgument, match="not valid JSON") as caught:
        patient().read(b"{", Codec.JSON)
    assert [breach.path for breach in caught.value.errors] == [""]


def test_what_only_the_decoder_refuses_is_said_in_its_words() -> None:
    reader = Patient("f", {}, dict[str, bytes], decode_hook)
    with pytest.raises(InvalidArgument, match="base64"):
        reader.read(b'{"a": "###"}', Codec.JSON)


def test_a_check_passes_or_names_every_breach() -> None:
    patient().check(b'{"a": 1}', Codec.JSON)
    with pytest.raises(InvalidArgument):
        patient().check(b'{"a": null}', Codec.JSON)
