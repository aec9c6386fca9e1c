"""Every kind of value, between every pair of languages, in both codecs: what arrives is what went, or is refused.

The caller holds the value as its own dynamic types, the callee as its own static ones; back it goes the same way.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.integration.five import LANGUAGES, MEDIA, TOOLS, encoded

if TYPE_CHECKING:
    from tests.integration.five import Five

pytestmark = [*(pytest.mark.needs(tool) for tool in TOOLS), pytest.mark.timeout(600)]

PAIRS = list(itertools.product(LANGUAGES, LANGUAGES))
CODECS = tuple(MEDIA)
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
ALL_BYTES = bytes(range(256))

PLAIN: dict[str, Any] = {
    "int": 1,
    "big": 1,
    "float": 0.5,
    "decimal": "1.0",
    "flag": True,
    "text": "a",
    "bytes": b"a",
    "moment": "2026-01-31T23:59:59Z",
    "date": "2026-01-31",
    "duration": "PT1S",
    "uuid": "12345678-1234-5678-1234-567812345678",
    "colour": "red",
    "tags": ["a"],
    "scores": {"a": 1},
    "shape": {"kind": "circle", "radius": 0.5},
    "nullable": None,
}


def nested(depth: int) -> dict[str, Any]:
    """Records within records."""
    inner = PLAIN
    for _ in range(depth):
        inner = {**PLAIN, "inner": inner}
    return inner


KEPT: dict[str, list[Any]] = {
    "int": [0, -1, 2**31, -(2**31) - 1, 2**53 + 1, -(2**53) - 1, INT64_MAX, INT64_MIN],
    "big": [0, 2**63, 2**64, -(2**64) - 1, 10**40 + 1, -(7**100)],
    "float": [0.0, 0.1, -1.5, 1e300, 5e-324, 1.7976931348623157e308, 2.0, 3],
    "decimal": ["0", "-0.10", "12.50", "123456789012345678901234567890.123456789", "0.000000000000000000001"],
    "flag": [True, False],
    "text": ["", "\0", "ü e\u0301 \u00e9", "😀\U00010348", "\u202eabc", "\ufeff\uffff", "a" * 70_000, '"\\/\b\f\n\r\t'],
    "bytes": [b"", b"\0", ALL_BYTES, ALL_BYTES * 300],
    "moment": ["2026-01-31T23:59:59.123456Z", "1969-12-31T23:59:59+00:00", "2024-02-29T12:00:00+05:30"],
    "date": ["0001-01-01", "1582-10-15", "2024-02-29", "9999-12-31"],
    "duration": ["PT0S", "P1DT2H30M0.5S", "-PT1S", "PT36H", "P400D"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "colour": ["red", "green"],
    "tags": [[], [""], ["ü", "😀"] * 100],
    "scores": [{}, {"": 0}, {"ü😀": INT64_MAX, "b": INT64_MIN}, {str(each): each for each in range(300)}],
    "shape": [{"kind": "circle", "radius": 1e-9}, {"kind": "square", "side": 2.5}],
    "nullable": [None, 0, INT64_MIN],
    "maybe": [0, INT64_MAX],
    "inner": [nested(1), nested(60)],
}
"""What each property may be. Whole bodies travel as JSON where an integer is past 64 bits, as MessagePack has none."""

NO_UNICODE = {
    "json": [rb"\ud800", rb"a\udc00", rb"\ud83d\u0041", b"\xff\xfe~", b"\xed\xa0\x80"],
    "msgpack": [b"\xed\xa0\x80", b"\xff~~", b"~\xc0\x80"],
}
NULL_AS_ABSENT = {"go", "rust"}
"""Their optional values, a pointer and an `Option`, take null as well, as absent."""
SHAPES: list[Any] = [
    [],
    {},
    [[], {}],
    {"": {"": None}},
    [None, True, 1, 1.5, "x", {"a": [{}]}],
    {"__proto__": 1, "a.b": 2, "constructor": {}, "toString": None},
    functools.reduce(lambda inner, each: [inner] if each % 2 else {"": inner, "x": 1}, range(90), list[Any]()),
]

REFUSED: dict[str, list[Any]] = {
    "int": [INT64_MAX + 1, INT64_MIN - 1, 1.5, "1", True, None],
    "big": [1.5, "1", None],
    "float": ["0.5", None, True],
    "decimal": ["one", "", "1,5", 0.1],
    "flag": [0, "true", None],
    "text": [1, None, ["a"]],
    "bytes": ["no base64!", "YQ", 5],
    "moment": ["yesterday", "2026-02-30T00:00:00Z", "2026-01-31"],
    "date": ["2023-02-29", "2026-1-1", 20260131],
    "duration": ["one hour", "PT", 5],
    "uuid": ["12345678", 5],
    "colour": ["blue", "RED", "", None, 0],
    "tags": ["a", {"a": 1}, [1], [None]],
    "scores": [[], {"a": "1"}, {"a": INT64_MAX + 1}, {"a": None}],
    "shape": [{"kind": "triangle"}, {"radius": 1.0}, {"kind": "circle"}, {"kind": "square", "side": "2"}, None],
    "nullable": ["1", 1.5],
    "maybe": [None, "1"],
    "inner": [{}, None, {**PLAIN, "int": "1"}],
}


def told(record: Any) -> Any:
    """A record so that two that mean the same are equal: bytes as base64, numbers, times, durations by their value."""
    return {name: _told(name, value) for name, value in record.items()}


def _told(name: str, value: Any) -> Any:
    readers: dict[str, Any] = {"decimal": Decimal, "moment": datetime.fromisoformat, "duration": duration}
    if name == "inner":
        return told(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):  # MessagePack's own
        return value
    return readers[name](value) if name in readers else value


def duration(text: str) -> timedelta:
    """ISO 8601's days, hours, minutes and seconds."""
    found = re.fullmatch(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?", text)
    assert found, text
    sign, days, hours, minutes, seconds = found.groups()
    length = timedelta(int(days or 0), float(seconds or 0), 0, 0, int(minutes or 0), int(hours or 0))
    return -length if sign else length


def fits(value: Any) -> bool:
    """Whether MessagePack can hold it."""
    try:
        msgspec.msgpack.encode(value)
    except OverflowError:
        return False
    return True


def ways(kinds: dict[str, list[Any]]) -> list[tuple[str, str, str]]:
    return [(kind, *pair) for kind in kinds for pair in PAIRS]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("kind", "caller", "callee"), ways(KEPT))
def test_what_arrives_is_what_went(five: Five, kind: str, caller: str, callee: str, codec: str) -> None:
    for value in KEPT[kind]:
        record = {**PLAIN, kind: value}
        given: dict[str, Any] = {"function": f"{callee}.typed", "input": record}
        way = codec if fits(given) else "json"
        returned = five.call(f"{caller}.call", json_ready(given) if way == "json" else given, way)
        assert told(returned) == told(record), value


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("kind", "caller", "callee"), ways(REFUSED))
def test_what_is_no_such_value_is_refused_by_name(five: Five, kind: str, caller: str, callee: str, codec: str) -> None:
    for value in REFUSED[kind]:
        if value is None and kind in {"maybe", "inner"} and callee in NULL_AS_ABSENT:
            continue
        given: dict[str, Any] = {"function": f"{callee}.typed", "input": {**PLAIN, kind: value}}
        way = codec if fits(given) else "json"
        fault = five.refusal(f"{caller}.call", encoded(json_ready(given) if way == "json" else given, way), way)
        assert fault["code"] == "INVALID_ARGUMENT", (value, fault)
        assert all(each["path"].startswith(f"/{kind}") for each in fault["errors"]), (value, fault["errors"])
        assert fault["errors"], value


@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_what_is_absent_stays_absent_and_what_is_null_null(five: Five, caller: str, callee: str) -> None:
    for codec in CODECS:
        returned = five.call(f"{caller}.call", json_ready({"function": f"{callee}.typed", "input": PLAIN}), codec)
        assert set(returned) == set(PLAIN)
        assert returned["nullable"] is None


@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_floats_without_a_number_travel_in_messagepack_alone(five: Five, caller: str, callee: str) -> None:
    for text in ("NaN", "Infinity", "-Infinity"):
        given = {"function": f"{callee}.echo", "input": {"value": float(text)}}
        fault = five.refusal(f"{caller}.call", json.dumps(given).encode())
        assert fault["code"] == "INVALID_ARGUMENT", fault
        answer = five.ask(f"{caller}.call", encoded(given, "msgpack"), "msgpack")
        if answer.status == 200:
            assert repr(msgspec.msgpack.decode(answer.body)) == repr(float(text))
        else:
            assert json.loads(answer.body)["code"] in {"INVALID_ARGUMENT", "OUT_OF_RANGE"}, answer.body


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_text_that_is_no_unicode_is_refused(five: Five, language: str, codec: str) -> None:
    whole = encoded({"value": "~~~"}, codec)
    for bad in NO_UNICODE[codec]:
        fault = five.refusal(f"{language}.echo", whole.replace(b"~~~", bad), codec)
        assert fault["code"] == "INVALID_ARGUMENT", fault


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_any_shape_of_value_goes_through(five: Five, caller: str, callee: str, codec: str) -> None:
    for value in SHAPES:
        given: dict[str, Any] = {"function": f"{callee}.echo", "input": {"value": value}}
        assert five.call(f"{caller}.call", given, codec) == value


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_moment_of_messagepack_is_a_moment_to_each(five: Five, language: str) -> None:
    moment = datetime(2026, 1, 31, 23, 59, 59, 123456, UTC)
    returned = five.call(f"{language}.typed", {**PLAIN, "moment": moment}, "msgpack")["moment"]
    assert returned == moment or datetime.fromisoformat(returned) == moment


def json_ready(value: Any) -> Any:
    """The same with base64 for bytes."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: json_ready(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType] - any value
    if isinstance(value, list):
        return [json_ready(each) for each in value]  # pyright: ignore[reportUnknownVariableType] - any value
    return value
