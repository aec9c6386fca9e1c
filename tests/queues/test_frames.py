import struct
from datetime import UTC, datetime

import pytest
from pamqp import commands, decode, encode, header

from dragoman.queues.frames import read_all, table
from tests.queues.around import Odd


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"correlation_id": Odd(b"\xff\x00a")}, {"correlation_id": "\\xff\x00a"}),
        ({"message_id": "ü"}, {"message_id": "ü"}),
        ({"headers": {Odd(b"k\xfe"): "v", "m": {Odd(b"\xfd"): 1}}}, {"headers": {"k\\xfe": "v", "m": {"\\xfd": 1}}}),
    ],
)
def test_texts_that_are_no_utf_8_are_read(properties: dict[str, object], expected: dict[str, object]) -> None:
    read_all()
    made = commands.Basic.Properties()
    for name, value in properties.items():
        setattr(made, name, value)
    whole = header.ContentHeader(body_size=0, properties=made).marshal()
    found = header.ContentHeader()
    found.unmarshal(whole)
    assert {name: getattr(found.properties, name) for name in expected} == expected


def test_a_moment_that_no_calendar_has_is_none() -> None:
    read_all()
    for kind in (decode.METHODS["timestamp"], decode.TABLE_MAPPING[b"T"]):
        assert kind(struct.pack(">Q", 1_767_225_600)) == (8, datetime(2026, 1, 1, tzinfo=UTC))
        assert kind(struct.pack(">Q", 1_767_225_600_000_000)) == (8, None)
        assert kind(b"\xff" * 8) == (8, None)


def test_a_table_that_is_cut_off_is_told() -> None:
    whole = encode.field_table({"a": "b", "c": 1})
    assert table(whole + b"more") == (len(whole), {"a": "b", "c": 1})
    for size in range(len(whole)):
        with pytest.raises(ValueError):  # noqa: PT011 - of pamqp's, or of ours
            table(whole[:size])
