from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.tasks.message import Composer, body_of, read_secret, signature
from dragoman.tasks.state import State
from dragoman.tasks.task import DELIVERED_BYTES_MAX, US, Delivery, Submission, Task

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 24).decode()
AT = 1_767_225_600 * US


def ended(result: bytes = b"", codec: Codec = Codec.JSON, state: State = State.SUCCEEDED, **fields: Any) -> Task:
    submission = Submission("0190", "shop.report", "1", b"{}", **fields)
    return Task(submission, state, finished_at=AT, result=result, result_codec=codec)


def delivery(task: Task) -> Delivery:
    return Delivery("dlv_1", task, b"", 1, 1)


def now() -> int:
    """A receiver holds what it gets against its own clock."""
    return int(SystemClock().now() * US)


def test_a_receiver_with_the_secret_takes_it() -> None:
    message = Composer([OLD])(delivery(ended(b'{"total":3}')), now())
    told = Webhook(OLD).verify(message.body, dict(message.headers))
    assert (told["type"], told["timestamp"]) == ("task.succeeded", "2026-01-01T00:00:00.000Z")
    assert (told["data"]["id"], told["data"]["state"], told["data"]["result"]) == ("0190", "SUCCEEDED", {"total": 3})
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(message.body, dict(message.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(message.body + b" ", dict(message.headers))


def test_while_a_secret_is_replaced_receivers_with_either_take_it() -> None:
    message = Composer([NEW, OLD])(delivery(ended()), now())
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(message.body, dict(message.headers))["type"] == "task.succeeded"
    assert message.headers["webhook-signature"].count("v1,") == 2


def test_each_attempt_has_the_id_of_all_and_a_moment_of_its_own() -> None:
    compose = Composer([OLD])
    first, second = compose(delivery(ended()), AT), compose(delivery(ended()), AT + 60 * US)
    assert first.id == second.id == first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert (first.headers["webhook-timestamp"], second.headers["webhook-timestamp"]) == ("1767225600", "1767225660")
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_without_a_secret_there_is_no_signature() -> None:
    headers = Composer()(delivery(ended(trace="00-ab-cd-01")), AT).headers
    assert "webhook-signature" not in headers
    assert headers["traceparent"] == "00-ab-cd-01"


@pytest.mark.parametrize("state", [each for each in State if each.over])
def test_every_end_has_a_type(state: State) -> None:
    assert json.loads(body_of(ended(state=state)))["type"] == f"task.{state.value.lower()}"


@pytest.mark.parametrize(
    ("result", "codec"),
    [
        (b"", Codec.NONE),
        (b"\x93\x01\x02", Codec.MSGPACK),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", Codec.MSGPACK),
        (b"\xc6\0\0\x3f\xf0" + b"x" * 16368, Codec.MSGPACK),
        (b"ARROW1", Codec.ARROW),
        (b'"' + b"x" * DELIVERED_BYTES_MAX + b'"', Codec.JSON),
        (b"{broken", Codec.JSON),
        (b'1,"evil":2', Codec.JSON),
        (b"NaN", Codec.JSON),
    ],
)
def test_a_result_that_is_large_or_no_json_is_left_out(result: bytes, codec: Codec) -> None:
    assert "result" not in json.loads(body_of(ended(result, codec)))["data"]


def test_a_result_in_messagepack_is_told_in_json() -> None:
    assert json.loads(body_of(ended(b"\x92\x01\xc4\x01\xff", Codec.MSGPACK)))["data"]["result"] == [1, "/w=="]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_any_small_result_is_told_as_it_is(result: Any) -> None:
    text = json.dumps(result).encode()
    assert json.loads(body_of(ended(text)))["data"]["result"] == result


@given(
    st.binary(min_size=24, max_size=64),
    st.text(min_size=1, max_size=20),
    st.binary(max_size=100),
    st.integers(0, 2**33),
)
def test_signatures_are_those_of_the_specification(key: bytes, name: str, body: bytes, at_s: int) -> None:
    text = body.decode("utf-8", "replace")
    expected = Webhook(key).sign(name, datetime.fromtimestamp(at_s, UTC), text)
    assert f"v1,{signature(key, name, at_s, text.encode())}" == expected


def test_a_secret_is_read_with_and_without_padding() -> None:
    assert read_secret(OLD) == read_secret(OLD.rstrip("=")) == b"o" * 32


@pytest.mark.parametrize(
    "text",
    [
        *("", "whsec_", "secret", OLD.removeprefix("whsec_"), "whsk_" + OLD[6:], "whsec_" + "!" * 40),
        *("whsec_" + base64.b64encode(b"x" * size).decode() for size in (23, 65)),
    ],
)
def test_what_is_no_secret_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(ValueError, match="expected a secret such as") as raised:
        read_secret(text)
    assert text.removeprefix("whsec_") == "" or text.removeprefix("whsec_") not in str(raised.value).replace(
        "a secret", ""
    )


@given(st.text(max_size=100))
def test_any_text_is_a_secret_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 24 <= len(read_secret(text)) <= 64
