from types import SimpleNamespace
from typing import Any

import pytest

from dragoman.queues.amqp import Place, Tag, place_of, read, written
from dragoman.queues.message import Outgoing


def properties(**said: Any) -> Any:
    return SimpleNamespace(
        **{"headers": None, "content_type": None, "correlation_id": None, "reply_to": None, "message_id": None, **said}
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("orders", Place("", "orders", "orders")),
        ("/queues/a%2Fb", Place("", "a/b", "a/b")),
        ("/exchanges/events/order.done", Place("events", "order.done", "")),
        ("/exchanges/events", Place("events", "", "")),
        ("/exchanges/a%2Fb/c/d", Place("a/b", "c/d", "")),
    ],
)
def test_a_place_is_a_queue_or_an_exchange_with_a_key(text: str, place: Place) -> None:
    assert place_of(text) == place


def test_properties_are_headers_and_what_is_no_text_is_passed_over() -> None:
    said = properties(
        headers={"X-One": 1, "list": [1], "x-death": [{}], "x-delivery-count": 2},
        content_type="text/plain",
        correlation_id="c",
        reply_to="r",
        message_id="m",
    )
    message = read(b"body", said, 7)
    assert dict(message.headers) == {
        "x-one": "1",
        "content-type": "text/plain",
        "correlation-id": "c",
        "reply-to": "r",
    }
    assert (message.id, message.body, message.deliveries) == ("m", b"body", 3)
    assert isinstance(message.token, Tag)
    assert (message.token.number, message.token.deliveries) == (7, 3)


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_"])
def test_attributes_of_events_are_read_in_either_form(prefix: str) -> None:
    said = properties(headers={f"{prefix}id": "1", f"{prefix}Type": "t"})
    assert dict(read(b"", said, 1).headers) == {"ce-id": "1", "ce-type": "t"}


def test_deliveries_that_a_message_says_itself_count() -> None:
    assert read(b"", properties(headers={"dragoman-deliveries": "3", "x-delivery-count": 1}), 1).deliveries == 5
    assert read(b"", properties(headers={"dragoman-deliveries": "-3"}), 1).deliveries == 1
    assert read(b"", properties(headers={"dragoman-deliveries": "9" * 40}), 1).deliveries == 1


def test_two_deliveries_never_have_one_tag() -> None:
    assert read(b"", properties(), 1).token != read(b"", properties(), 1).token


def test_what_is_too_long_for_a_property_is_a_header_and_an_id_a_hash() -> None:
    outgoing = Outgoing(b"", {"content-type": "a/b", "correlation-id": "c" * 300, "ce-id": "1"}, "i" * 300)
    said, headers = written(outgoing)
    assert headers == {"correlation-id": "c" * 300, "cloudEvents:id": "1"}
    assert (said["content_type"], len(said["message_id"])) == ("a/b", 64)


def test_what_says_nothing_is_json() -> None:
    assert written(Outgoing(b"{}")) == ({"content_type": "application/json"}, {})
