"""One head is read into what it asks for, or into why it cannot have it."""

from __future__ import annotations

import math

import pytest

from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Code, Fault, NotFound
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Door, Doors
from dragoman.ingress.http.head import Head, Refusal, origin_form, timeout_s
from dragoman.ingress.http.negotiation import Form
from dragoman.telemetry.metrics import Meter

LIMIT = 1000


async def nothing(call: object) -> Reply:
    return Reply(b"")


def doors(*, idempotent: bool = False, own_s: float = 5.0) -> Doors:
    made = Doors(lambda name: NotFound(f"no {name}"))
    target = Target("fn.add", "fn", "add", 0, own_s, idempotent=idempotent)
    made.replace({"fn.add": Door(target, nothing, Meter(), {})})
    return made


def read(*headers: tuple[bytes, bytes], path: bytes = b"/v1/call/fn.add", method: bytes = b"POST") -> Head:
    head = Head(method, path, keep_alive=True)
    head.read(list(headers), doors(idempotent=method == b"GET"), LIMIT)
    return head


def refusal(*headers: tuple[bytes, bytes], path: bytes = b"/v1/call/fn.add", method: bytes = b"POST") -> Refusal:
    found = read(*headers, path=path, method=method).refusal
    assert found is not None
    return found


def test_a_plain_head_leads_to_its_door() -> None:
    head = read((b"host", b"x"), (b"content-length", b"12"), (b"content-type", b"application/json"))
    assert head.refusal is None
    assert head.door is not None
    assert head.plan is not None
    assert (head.body_bytes, head.timeout_s, head.plan.codec, head.plan.form) == (12, 5.0, Codec.JSON, Form.UNARY)
    assert head.reusable


@pytest.mark.parametrize("path", [b"/v1/call/fn%2eadd", b"/v1/call/fn.add?x=1", b"/v1/call/%66n.add?"])
def test_a_path_is_read_as_urls_are(path: bytes) -> None:
    assert read(path=path).door is not None


@pytest.mark.parametrize(
    "path", [b"/v1/call/", b"/v1/call/fn.Add", b"/v1/call/fn.add/", b"/v1/call/../fn.add", b"/v1/call/%zz"]
)
def test_another_path_leads_nowhere(path: bytes) -> None:
    assert refusal(path=path).fault.code is Code.NOT_FOUND


def test_a_name_is_repeated_only_so_far() -> None:
    assert len(refusal(path=b"/v1/call/" + b"a" * 5000).fault.detail) < 300


def test_a_caller_may_shorten_the_timeout_but_not_extend_it() -> None:
    assert read((b"dragoman-timeout", b"500ms")).timeout_s == 0.5
    assert read((b"dragoman-timeout", b"1h")).timeout_s == 5.0
    assert read((b"dragoman-timeout", b"2s"), (b"dragoman-timeout", b"1s")).timeout_s == 1.0


@pytest.mark.parametrize("value", [b"0s", b"-1s", b"5", b"soon", b"1e9s", b"", b"\xff", b"1 s 2"])
def test_a_timeout_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(Refusal, match="Dragoman-Timeout"):
        timeout_s(value)
    assert refusal((b"dragoman-timeout", value)).fault.code is Code.INVALID_ARGUMENT


def test_a_body_of_unknown_length_is_known_to_be_so() -> None:
    assert read((b"transfer-encoding", b"chunked")).body_bytes == -1


@pytest.mark.parametrize(
    ("header", "status", "reason"),
    [
        ((b"content-length", b"1001"), 413, "body"),
        ((b"content-type", b"text/plain"), 415, "media_type"),
        ((b"accept", b"text/html"), 406, "media_type"),
        ((b"content-encoding", b"gzip"), 415, "media_type"),
        ((b"sec-fetch-site", b"cross-site"), 0, "foreign"),
        ((b"sec-websocket-key", b"x"), 0, "websocket"),
    ],
)
def test_what_cannot_be_is_refused_with_its_status(header: tuple[bytes, bytes], status: int, reason: str) -> None:
    found = refusal(header)
    assert (found.status, found.reason) == (status, reason)


@pytest.mark.parametrize(
    ("name", "one", "same", "other"),
    [
        ("Content-Type", b"application/json", b"application/json", b"application/msgpack"),
        ("Dragoman-Priority", b"critical", b" Critical", b"batch"),
        ("Idempotency-Key", b"k-1", b'"k-1"', b"k-2"),
    ],
)
def test_two_headers_that_differ_are_refused(name: str, one: bytes, same: bytes, other: bytes) -> None:
    header = name.lower().encode()
    for two in ((one, other), (other, one)):
        found = refusal(*((header, value) for value in two))
        assert (found.fault.code, found.reason) == (Code.INVALID_ARGUMENT, "headers")
        assert name in found.fault.detail
    assert read((header, one), (header, same)).refusal is None


@pytest.mark.parametrize(
    "header",
    [
        (b"content-encoding", b"identity"),
        (b"sec-fetch-site", b"same-origin"),
        (b"x-anything", b"y"),
        (b"origin", b"null"),
    ],
)
def test_what_is_harmless_passes(header: tuple[bytes, bytes]) -> None:
    assert read(header).refusal is None


def test_two_traces_are_none() -> None:
    head = read((b"traceparent", b"00-a"), (b"traceparent", b"00-b"), (b"tracestate", b"a=1"), (b"tracestate", b"b=2"))
    assert (head.traceparent, head.tracestate) == (b"-", b"a=1,b=2")


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"traceparent", b"tracestate"])
def test_heads_that_are_not_like_others_are_not_reusable(name: bytes) -> None:
    assert not read((name, b"x")).reusable


def test_heads_that_end_their_connection_are_not_reusable() -> None:
    head = Head(b"POST", b"/v1/call/fn.add", keep_alive=False)
    head.read([], doors(), LIMIT)
    assert head.refusal is None
    assert not head.reusable


def test_get_needs_an_idempotent_function() -> None:
    assert read(method=b"GET").refusal is None
    head = Head(b"GET", b"/v1/call/fn.add", keep_alive=True)
    head.read([], doors(), LIMIT)
    assert head.refusal is not None
    assert head.refusal.status == 405
    assert "not marked idempotent" in head.refusal.fault.detail


def test_the_absolute_form_is_reduced_to_its_path() -> None:
    assert origin_form(b"http://host:1/a?b=//c") == b"/a?b=//c"
    assert origin_form(b"HTTPS://host") == b"/"
    for target in (b"/a", b"*", b"/a?x=http://b/c", b"ftp://host/a", b""):
        assert origin_form(target) == target


def test_a_function_without_a_timeout_has_the_callers() -> None:
    head = Head(b"POST", b"/v1/call/fn.add", keep_alive=True)
    head.read([], doors(own_s=math.inf), LIMIT)
    assert head.timeout_s == math.inf


def test_a_refusal_reads_as_its_fault() -> None:
    assert str(Refusal(Fault.internal("why"), reason="x")) == "why"


@pytest.mark.parametrize(
    ("value", "fresh"),
    [
        (b"no-cache", True),
        (b"No-Store", True),
        (b"max-age=0", True),
        (b"no-transform, no-cache", True),
        (b"max-age=60", False),
        (b"only-if-cached", False),
        (b"x-no-cache", False),
        (b"", False),
    ],
)
def test_a_request_may_want_an_answer_computed_for_it(value: bytes, *, fresh: bool) -> None:
    head = read((b"content-length", b"2"), (b"cache-control", value))
    assert head.fresh == fresh
    assert head.reusable
    assert read((b"cache-control", value), (b"cache-control", b"max-stale")).fresh == fresh


def test_the_answers_that_a_client_has_are_one_list() -> None:
    head = read((b"if-none-match", b'"a"'), (b"if-none-match", b'W/"b", "c"'), method=b"GET")
    assert head.if_none_match == b'"a",W/"b", "c"'
    assert not read().fresh
    assert read().if_none_match == b""
