"""Values of every kind, to Java and back and from Java to Python and back, in JSON and in MessagePack."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.conftest import until
from tests.integration.web import Answer, Web, serving

SOURCES = Path(__file__).parent / "sources"
PYTHON = """
from __future__ import annotations
import builtins
import datetime as dt
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
import msgspec

class Circle(msgspec.Struct, tag_field="kind", tag="circle"):
    radius: float

class Square(msgspec.Struct, tag_field="kind", tag="square"):
    side: int

class All(msgspec.Struct, omit_defaults=True):
    whole: int
    big: int
    real: float
    decimal: Decimal
    flag: bool
    text: str
    bytes: list[builtins.bytes]
    moment: dt.datetime
    date: dt.date
    time: dt.time
    duration: dt.timedelta
    uuid: UUID
    colour: Literal["red", "GREEN"]
    lists: list[list[str]]
    maps: dict[str, dict[str, int]]
    figures: list[Circle | Square]
    nullable: int | None
    inner: All | None = None

def everything(v: All) -> All: return v
def anything(v: Any) -> Any: return v
"""
TOML = '[sources.values]\npath = "Values.java"\n[sources.py]\npath = "py.py"\n'
ALL: dict[str, Any] = {
    "whole": -(2**63),
    "big": 2**63 - 1,
    "real": 5e-324,
    "decimal": "12.50",
    "flag": True,
    "text": "größe 😀 e\u0301 \x00",
    "bytes": ["AP8Q", ""],
    "moment": "2026-01-31T23:59:59.123456Z",
    "date": "2026-01-31",
    "time": "23:59:59",
    "duration": "PT1.5S",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "colour": "red",
    "lists": [[], ["", "a"]],
    "maps": {"": {}, "a": {"b": 2**53 + 1}},
    "figures": [{"kind": "circle", "radius": 1.0}, {"kind": "square", "side": 2}],
    "nullable": None,
}
PACKED = ALL | {"bytes": [b"\x00\xff\x10", b""]}
SAME: dict[str, list[Any]] = {
    "whole": [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)],
    "big": [0, 2**63, 2**64 - 1],
    "real": [1.5, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e16, 2e-3],
    "decimal": ["12.50", "0", "0.0000001", "100000000000000000000.000000000000000000001"],
    "text": ["", "😀 𐍈", "e\u0301 é", "a\x00b", "\u202eabc", "\ufeff"],
    "moment": ["2026-01-31T23:59:59.123456789Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"],
    "local": ["2026-01-31T23:59:59+05:30"],
    "date": ["0001-01-01", "9999-12-31"],
    "time": ["00:00:00", "23:59:59.5"],
    "duration": ["P1DT2H30M0.5S", "-PT1S", "PT0S", "PT0.000000001S", "P106751991167300D"],
    "colour": ["red", "GREEN"],
    "figure": [{"kind": "circle", "radius": 1.5}, {"kind": "square", "side": 3}],
    "any": [None, True, [], {}, 2**64 - 1, -(2**63), 0.1, {"a": [{"b": [[], {}]}], "": {"": None}}],
}
REFUSED = {
    "whole": ["9223372036854775808", "-9223372036854775809", "1.0", "1e3", '"1"', "null", "true"],
    "real": ["NaN", "Infinity", "1e999", "9007199254740993", '"1"'],
    "single": ["16777217", "1e300"],
    "decimal": ["12.5", '"NaN"', '"1,5"', '""', '"+1"'],
    "text": [r'"\ud800"', r'"\udc00\ud800"', "1"],
    "bytes": ['["AP8"]', '["A-_="]', '"AP8Q"'],
    "moment": ['"2026-01-31"', '"2026-02-30T00:00:00Z"', '"2026-01-31T23:59:59"', '"2026-01-31T23:59:59.1234567891Z"'],
    "date": ['"2026-02-30"', '"2026-1-1"'],
    "time": ['"24:00:00"', '"23:59"'],
    "duration": ['"P1Y"', '"P1W"', '"PT"', '"P-1D"', '"P99999999999999999999D"'],
    "colour": ['"RED"', "1"],
    "figure": ['{"radius": 1.5}', '{"kind": "cube"}', '{"kind": "circle", "radius": "x"}'],
    "any": ["[" * 501 + "]" * 501],
}

pytestmark = pytest.mark.needs("javac")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("values")
    shutil.copy(SOURCES / "java" / "Values.java", folder)
    (folder / "py.py").write_text(PYTHON)
    with serving(cwd=folder, toml=TOML) as served:
        until(lambda: said(served, "whole", b'{"v": 1}').status == 200, within_s=60.0)
        yield served


def said(web: Web, function: str, body: bytes, codec: str = "json") -> Answer:
    kind = f"application/{codec}"
    return web.ask("POST", f"/v1/call/values.{function}", body, Content_Type=kind, Accept=kind)


def given(answer: Answer) -> Any:
    """The value of a reply, in whatever codec it came."""
    assert answer.status == 200, answer.body
    return answer.json if "json" in answer.headers["content-type"] else msgspec.msgpack.decode(answer.body)


def code(answer: Answer) -> str:
    return answer.json["code"]


@pytest.mark.parametrize("function", SAME)
def test_a_value_comes_back_as_it_went(web: Web, function: str) -> None:
    for value in SAME[function]:
        for body, codec in (
            (json.dumps({"v": value}).encode(), "json"),
            (msgspec.msgpack.encode({"v": value}), "msgpack"),
        ):
            back = given(said(web, function, body, codec))
            assert (back, type(back)) == (value, type(value)), codec
            assert function != "real" or str(back) == str(value), "minus zero"


@pytest.mark.parametrize("function", REFUSED)
def test_what_would_be_rounded_or_is_no_such_value_is_refused(web: Web, function: str) -> None:
    for text in REFUSED[function]:
        answer = said(web, function, f'{{"v": {text}}}'.encode())
        assert (answer.status, code(answer)) == (400, "INVALID_ARGUMENT"), text


def test_integers_past_64_bits_come_in_json(web: Web) -> None:
    for number in (2**64, -(2**200), 10**4000):
        assert given(said(web, "big", b'{"v": %d}' % number)) == number
        assert given(said(web, "any", b'{"v": %d}' % number)) == number
        assert given(said(web, "any_through", b'{"v": %d}' % number)) == number


def test_bytes_are_base64_in_json_and_raw_in_messagepack(web: Web) -> None:
    assert given(said(web, "bytes", b'{"v": ["AP8Q", ""]}')) == ["AP8Q", ""]
    packed = msgspec.msgpack.encode({"v": [b"\x00\xff\x10", b""]})
    assert given(said(web, "bytes", packed, "msgpack")) == [b"\x00\xff\x10", b""]
    assert given(said(web, "any", msgspec.msgpack.encode({"v": b"\x00"}), "msgpack")) == b"\x00"


def test_an_extension_of_messagepack_is_a_moment(web: Web) -> None:
    moment = b"\xc7\x0c\xff" + struct.pack(">Iq", 5, -1)
    assert given(said(web, "moment", b"\x81\xa1v" + moment, "msgpack")) == "1969-12-31T23:59:59.000000005Z"


def test_null_and_absent_are_told_apart(web: Web) -> None:
    for value in ({"a": None}, {"a": None, "c": None}, {"a": 1, "b": 2, "c": 3}):
        assert given(said(web, "nulls", json.dumps(value).encode())) == value
        assert given(said(web, "nulls", msgspec.msgpack.encode(value), "msgpack")) == value
    for text in (b'{"a": 1, "b": null}', b'{"b": 1}', b"{}"):
        assert code(said(web, "nulls", text)) == "INVALID_ARGUMENT"


@pytest.mark.parametrize("function", ["all", "through"])
def test_a_record_of_everything_survives_java_and_python(web: Web, function: str) -> None:
    value, packed = ALL | {"inner": ALL}, PACKED | {"inner": PACKED}
    assert given(said(web, function, json.dumps(value).encode())) == value
    assert given(said(web, function, msgspec.msgpack.encode(packed), "msgpack")) == packed


@pytest.mark.parametrize("depth", [100, 498])
def test_deep_values_pass_through_both(web: Web, depth: int) -> None:
    text = b"[" * depth + b"]" * depth
    assert said(web, "any_through", b'{"v": %b}' % text).body == text


def test_what_java_cannot_say_names_its_place(web: Web) -> None:
    for function in ("not_a_number", "surrogate", "cycle"):
        assert code(said(web, function, b"{}")) == "OUT_OF_RANGE"
    assert code(said(web, "sends_surrogate", b"{}")) == "INVALID_ARGUMENT"
    assert str(given(said(web, "not_a_number", b"\x80", "msgpack"))) == "nan"
