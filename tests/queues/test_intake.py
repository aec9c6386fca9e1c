import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Codec, Priority
from dragoman.core.fault import InvalidArgument
from dragoman.queues.cloudevents import STRUCTURED
from dragoman.queues.intake import HEADERS, read
from dragoman.queues.message import Message

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def test_a_body_without_headers_is_the_input() -> None:
    asked = read(Message("1", b'{"n":1}'))
    assert (asked.body, asked.codec, asked.timeout_s, asked.event) == (b'{"n":1}', Codec.NONE, 0.0, None)


def test_headers_say_the_rest() -> None:
    headers = {
        "content-type": "application/msgpack",
        "traceparent": PARENT,
        "tracestate": "a=b",
        "dragoman-timeout": "1.5s",
        "dragoman-deadline": "2026-01-31T12:00:00+01:00",
        "dragoman-priority": "Batch",
        "dragoman-function": "shop.price",
        "idempotency-key": "k",
        "correlation-id": "c",
        "x-other": "left alone",
    }
    asked = read(Message("1", b"\x80", headers))
    assert asked.codec is Codec.MSGPACK
    assert (asked.traceparent, asked.tracestate) == (PARENT, "a=b")
    assert (asked.timeout_s, asked.deadline_at) == (1.5, 1769857200.0)
    assert (asked.priority, asked.function) == (Priority.BATCH, "shop.price")
    assert (asked.key, asked.correlation) == ("k", "c")


def test_an_event_says_it_by_its_attributes_and_headers_beside_it_come_first() -> None:
    body = (
        b'{"specversion":"1.0","id":"7","source":"/s","type":"t","data":{"n":1},"expirytime":"2026-01-31T11:00:00Z",'
        b'"dragomantimeout":"2s","correlationid":"c","traceparent":"' + PARENT.encode() + b'"}'
    )
    asked = read(Message("1", body, {"content-type": STRUCTURED, "dragoman-timeout": "3s"}))
    assert asked.body == b'{"n":1}'
    assert (asked.deadline_at, asked.timeout_s) == (1769857200.0, 3.0)
    assert (asked.key, asked.correlation, asked.traceparent) == ("/s 7", "c", PARENT)


def test_an_event_whose_name_is_no_key_leaves_that_to_its_message() -> None:
    body = b'{"specversion":"1.0","id":"7","source":"/' + b"s" * 300 + b'","type":"t"}'
    assert read(Message("1", body), events=True).key == ""


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-type", "text/html"),
        ("dragoman-timeout", "5"),
        ("dragoman-timeout", "0s"),
        ("dragoman-timeout", "31d"),
        ("dragoman-deadline", "tomorrow"),
        ("dragoman-deadline", "2026-01-31T12:00:00"),
        ("dragoman-deadline", "9" * 100),
        ("dragoman-priority", "urgent"),
        ("dragoman-function", "x" * 300),
        ("idempotency-key", "x" * 300),
        ("idempotency-key", "ü"),
        ("correlation-id", "x" * 2000),
    ],
)
def test_a_header_that_is_wrong_is_refused_by_its_name(header: str, value: str) -> None:
    with pytest.raises(InvalidArgument, match=header) as caught:
        read(Message("1", b"{}", {header: value}))
    assert caught.value.errors[0].path == f"/headers/{header}"


@given(
    st.dictionaries(
        st.sampled_from([*HEADERS, "content-type", "ce-specversion", "ce-id", "ce-source", "ce-type"]), st.text()
    ),
    st.binary(max_size=100),
    st.booleans(),
)
def test_whatever_comes_is_read_or_refused(
    headers: dict[str, str],
    body: bytes,
    events: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    try:
        asked = read(Message("1", body, headers), events=events)
    except InvalidArgument:
        return
    assert asked.timeout_s >= 0
    assert asked.deadline_at >= 0
    assert len(asked.key) <= 255
