from types import SimpleNamespace
from typing import Any

from dragoman.queues.message import Outgoing
from dragoman.queues.records import connecting, read, written

RECORD: dict[str, Any] = {"topic": "t", "partition": 1, "offset": 2, "key": None, "value": b"v", "headers": ()}


def record(**said: Any) -> Any:
    return SimpleNamespace(
        **{"topic": "t", "partition": 1, "offset": 2, "key": None, "value": b"v", "headers": (), **said}
    )


def test_a_record_is_told_by_where_it_stands_or_by_its_own_id() -> None:
    assert read(record()).id == "t/1/2"
    message = read(record(headers=(("message-id", b"m"),)))
    assert (message.id, dict(message.headers)) == ("m", {})


def test_its_key_is_its_lane_whatever_bytes_that_has() -> None:
    assert read(record()).lane == ""
    lane = read(record(key=b"\xff\x00k")).lane
    assert written(Outgoing(b"", key=lane))[0] == b"\xff\x00k"


def test_a_record_without_a_value_is_an_empty_body() -> None:
    assert read(record(value=None)).body == b""


def test_attributes_of_events_have_kafkas_prefix() -> None:
    message = read(record(headers=(("ce_id", b"1"), ("Other", b"o"))))
    assert dict(message.headers) == {"ce-id": "1", "other": "o"}
    _, headers = written(Outgoing(b"", {"ce-id": "1", "other": "ö"}, "m"))
    assert dict(headers) == {
        "ce_id": b"1",
        "other": "ö".encode(),
        "content-type": b"application/json",
        "message-id": b"m",
    }


def test_the_count_of_deliveries_is_not_known() -> None:
    assert read(record()).deliveries == 0


def test_a_url_says_how_to_sign_in() -> None:
    said = connecting("kafka://us%40er:p%3Aw@one,two:7?mechanism=SCRAM-SHA-512")
    assert said == {
        "bootstrap_servers": ["one:9092", "two:7"],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "us@er",
        "sasl_plain_password": "p:w",
    }
    assert connecting("kafka://one") == {"bootstrap_servers": ["one:9092"], "security_protocol": "PLAINTEXT"}
    assert connecting("kafkas://one")["security_protocol"] == "SSL"
