import json
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import InvalidArgument
from dragoman.queues.cloudevents import STRUCTURED, close_event, open_event
from dragoman.queues.message import Message

ATTRIBUTES: dict[str, Any] = {"id": "7", "source": "/shop", "type": "order", "specversion": "1.0", "tenant": "a"}
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20).filter(
    lambda name: name not in {"data", "id", "source", "type", "specversion", "datacontenttype", "dataschema", "time"}
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=50)


def message(body: bytes, **headers: str) -> Message:
    return Message("1", body, {name.replace("_", "-"): value for name, value in headers.items()})


def structured(**members: Any) -> Message:
    return message(json.dumps({**ATTRIBUTES, **members}).encode(), content_type=STRUCTURED)


def lowered(event: HTTPMessage) -> dict[str, str]:
    return {name.lower(): value for name, value in event.headers.items()}


def test_a_structured_event_of_somebody_elses_is_read() -> None:
    sent = to_structured_event(CloudEvent(ATTRIBUTES | {"datacontenttype": "application/json"}, {"n": 1}))
    opened = open_event(Message("1", sent.body, lowered(sent)), required=False)
    assert opened is not None
    assert json.loads(opened.data) == {"n": 1}
    assert opened.event.structured
    assert opened.event.attributes["tenant"] == "a"


def test_a_binary_event_of_somebody_elses_is_read() -> None:
    sent = to_binary_event(CloudEvent(ATTRIBUTES | {"datacontenttype": "application/json"}, {"n": 1}))
    opened = open_event(Message("1", sent.body, lowered(sent)), required=False)
    assert opened is not None
    assert (json.loads(opened.data), opened.content_type) == ({"n": 1}, "application/json")
    assert not opened.event.structured
    assert (opened.event.id, opened.event.attributes["tenant"]) == ("7", "a")


@given(st.dictionaries(NAMES, TEXTS), st.booleans(), st.sampled_from(["application/json", "image/png"]))
def test_what_is_written_is_read_as_the_same_by_us_and_by_others(
    extra: dict[str, str],
    mode: bool,  # noqa: FBT001 - hypothesis gives it
    content_type: str,
) -> None:
    attributes = {**extra, "id": "7", "source": "/shop", "type": "order"}
    data = b'{"n": 1.50}' if content_type == "application/json" else bytes(range(256))
    closed = close_event(attributes, content_type, data, structured=mode)
    headers = {**closed.event.attributes, "content-type": closed.content_type}
    opened = open_event(Message("1", closed.data, headers), required=True)
    assert opened is not None
    assert (opened.data, opened.content_type, opened.event.structured) == (data, content_type, mode)
    assert attributes.items() <= opened.event.attributes.items()
    if mode:  # what is in headers of HTTP is percent-encoded, which is the broker's to do
        judged = from_http_event(HTTPMessage(headers, closed.data))
        assert judged.get_id() == "7"
        assert all(judged.get_attributes()[name] == value for name, value in extra.items())


def test_data_stay_the_bytes_that_they_were() -> None:
    body = b'{"specversion":"1.0","id":"7","source":"/s","type":"t","data": {"n" : 1.10, "n2":123456789012345678901} }'
    opened = open_event(message(body, content_type=STRUCTURED), required=False)
    assert opened is not None
    assert opened.data == b'{"n" : 1.10, "n2":123456789012345678901}'


def test_data_that_are_no_json_are_text_or_base64() -> None:
    opened = open_event(structured(datacontenttype="text/plain", data="naïve"), required=False)
    assert opened is not None
    assert opened.data == "naïve".encode()
    opened = open_event(structured(datacontenttype="image/png", data_base64="AAH/"), required=False)
    assert opened is not None
    assert opened.data == b"\0\1\xff"


def test_attributes_that_are_no_strings_are_told_as_their_words() -> None:
    opened = open_event(structured(sequence=3, sampled=True, nothing=None), required=False)
    assert opened is not None
    assert opened.event.attributes["sequence"] == "3"
    assert opened.event.attributes["sampled"] == "true"
    assert "nothing" not in opened.event.attributes


def test_a_message_that_is_no_event_is_none_unless_it_must_be() -> None:
    assert open_event(message(b"{}"), required=False) is None
    with pytest.raises(InvalidArgument, match="specversion"):
        open_event(message(b"{}"), required=True)
    with pytest.raises(InvalidArgument, match="text/html"):
        open_event(message(b"{}", content_type="text/html"), required=True)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"specversion": "0.3"}, "specversion expected '1.0', found '0.3'"),
        ({"id": None}, "id is required"),
        ({"source": ""}, "source is required"),
        ({"type": None}, "type is required"),
        ({"id": 1.5}, "id expected a string"),
        ({"id": ["x"]}, "id expected a string"),
        ({"data": 1, "data_base64": ""}, "not both"),
        ({"data_base64": 1}, "base64"),
        ({"data_base64": "*"}, "base64"),
        ({"datacontenttype": "text/plain", "data": 1}, "are a string"),
        ({f"a{n}": 1 for n in range(300)}, "at most 256"),
    ],
)
def test_an_event_that_is_wrong_is_refused_with_the_reason(members: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        open_event(structured(**members), required=False)


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b'{"a":', b"\xff", b"[" * 100_000])
def test_a_structured_event_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidArgument, match="CloudEvent"):
        open_event(message(body, content_type=STRUCTURED), required=False)


def test_batches_and_other_formats_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="cloudevents-batch"):
        open_event(message(b"[]", content_type="application/cloudevents-batch+json"), required=False)


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_event_or_refused(body: bytes) -> None:
    try:
        opened = open_event(message(body, content_type=STRUCTURED), required=True)
    except InvalidArgument:
        return
    assert opened is not None
