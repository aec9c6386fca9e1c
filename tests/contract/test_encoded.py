"""Text in base64 is refused where it is none, by schemas that are strict about it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.check import Checker
from dragoman.contract.encoded import strict

BYTES = {"type": "string", "contentEncoding": "base64"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "data": BYTES,
        "more": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]}},
    },
    "$defs": {"B": BYTES},
}
CHECKER = Checker(strict(SCHEMA))


@given(st.binary())
def test_what_is_base64_passes(data: bytes) -> None:
    text = b64encode(data).decode()
    assert CHECKER.valid({"data": text, "more": [None, text]})
    assert CHECKER.valid({"data": data}), "raw bytes are no text"


@pytest.mark.parametrize("text", ["\x84", "a", "ab", "abc", "ab=c", "a===", "ab==\n", "-_-_", "ä==="])
def test_what_is_none_is_refused_at_its_place(text: str) -> None:
    assert Checker(SCHEMA).valid({"data": text}), "JSON Schema by itself does not mind"
    (breach,) = CHECKER.breaches({"data": text})
    assert (breach.path, breach.message) == ("/data", "is not a valid base64")
    assert not CHECKER.valid({"more": [text]})


def test_data_in_a_schema_is_left_alone() -> None:
    schema = {"default": {"contentEncoding": "base64"}, "enum": [BYTES], "properties": {"x": True, "y": BYTES}}
    made = strict(schema)
    assert (made["default"], made["enum"], made["properties"]["x"]) == (schema["default"], schema["enum"], True)
    assert made["properties"]["y"] == {"format": "base64", **BYTES}


@pytest.mark.parametrize("name", ["default", "enum", "const", "examples", "properties", "contentEncoding"])
def test_a_parameter_may_be_called_like_a_keyword(name: str) -> None:
    checker = Checker(strict({"type": "object", "properties": {name: BYTES}}))
    assert checker.valid({name: "YWJj"})
    assert not checker.valid({name: "???"})


def test_a_format_that_is_there_stays() -> None:
    assert strict({"contentEncoding": "base64", "format": "uuid"})["format"] == "uuid"
