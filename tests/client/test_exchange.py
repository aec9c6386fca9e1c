import json
import math
from typing import Any

import pytest

from dragoman.client.exchange import Incoming, Patience, call_request, checked_timeout
from dragoman.client.listing import Listed
from dragoman.contract import codec
from dragoman.contract.function import Contract
from dragoman.core.call import Codec
from dragoman.core.fault import DataLoss, DeadlineExceeded, Fault, InvalidArgument, OutOfRange, Started, Unavailable

RAW = {"type": "object", "properties": {"data": {"type": "string", "contentEncoding": "base64"}}}
EVENTS = {"content-type": "text/event-stream"}


def listed(**fields: Any) -> Listed:
    return Listed(Contract("f", **fields), 30.0)


def sent(value: Any, known: Listed | None, timeout_s: float | None = None) -> tuple[bytes, str, str, str | None]:
    request = call_request("s.f", value, known, timeout_s, streamed=False)
    headers = request.headers
    return request.body, headers["content-type"][12:], headers["accept"][12:], headers.get("dragoman-timeout")


def answered(incoming: Incoming, headers: dict[str, str], *chunks: bytes, status: int = 200) -> Any:
    incoming.begin(status, headers)
    for chunk in chunks:
        incoming.gather(chunk)
    return incoming.value()


def test_a_value_travels_as_messagepack_and_comes_back_so() -> None:
    body, sent_as, wanted, _ = sent({"data": b"\xff", "n": [1]}, listed())
    assert (sent_as, wanted) == ("msgpack", "msgpack")
    assert codec.decode(body, Codec.MSGPACK) == {"data": b"\xff", "n": [1]}


def test_an_integer_that_messagepack_cannot_hold_travels_as_json() -> None:
    assert sent({"n": 2**70}, listed())[:3] == (b'{"n":1180591620717411303424}', "json", "json")


def test_bytes_travel_as_they_are_where_the_function_takes_them() -> None:
    raw = listed(raw_input=True, raw_output=True, input=RAW)
    assert sent(b"\xff", raw)[:3] == sent({"data": b"\xff"}, raw)[:3] == (b"\xff", "octet-stream", "octet-stream")
    assert sent({"dat": b"\xff"}, raw)[1] == "msgpack", "a wrong name is for the host to refuse"


def test_of_an_unknown_function_json_is_asked_for() -> None:
    assert sent({}, None)[1:3] == ("msgpack", "json")


def test_a_stream_is_asked_for_as_events() -> None:
    known = listed(streaming=True)
    assert call_request("s.f", {}, known, None, streamed=False).headers["accept"] == "text/event-stream"


def test_what_cannot_be_sent_is_refused_here() -> None:
    with pytest.raises(InvalidArgument, match="cannot be sent"):
        sent({"x": object()}, listed())


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    assert call_request("a/../b?c", {}, None, None, streamed=False).path == "/v1/call/a%2F..%2Fb%3Fc"


@pytest.mark.parametrize(
    ("seconds", "header"), [(None, None), (0.0001, "1ms"), (1.5, "1500ms"), (1e12, "2592000000ms")]
)
def test_a_timeout_travels_in_whole_milliseconds(seconds: float | None, header: str | None) -> None:
    assert sent({}, None, seconds)[3] == header


def test_a_timeout_is_a_number_of_seconds() -> None:
    assert checked_timeout(math.inf) is None
    with pytest.raises(ValueError, match="NaN"):
        checked_timeout(math.nan)


@pytest.mark.parametrize("timeout_s", [0, -1])
def test_no_time_at_all_is_over_before_it_begins(timeout_s: float) -> None:
    with pytest.raises(DeadlineExceeded) as fault:
        Patience("s.f", timeout_s, 100.0)
    assert fault.value.started is Started.NO


def test_the_host_is_heard_a_little_past_the_deadline() -> None:
    patience = Patience("s.f", 1.0, 100.0)
    assert patience.remaining_s(100.4) == pytest.approx(0.6)
    assert patience.left_s(101.1) == pytest.approx(0.15)
    with pytest.raises(DeadlineExceeded) as fault:
        patience.left_s(101.3)
    assert fault.value.started is Started.UNKNOWN
    with pytest.raises(DeadlineExceeded) as never_sent:
        patience.remaining_s(101.0)
    assert never_sent.value.started is Started.NO


def test_without_a_timeout_the_functions_own_bounds_the_wait() -> None:
    patience = Patience("s.f", None, 0.0)
    assert patience.left_s(0.0) == 300.0
    patience.learn(Listed(Contract("f"), 2.0), 10.0)
    assert patience.left_s(10.0) == 7.0
    patience.learn(Listed(Contract("f"), None), 10.0)
    assert patience.left_s(1e9) is None


def test_replies_are_read_by_their_media_type() -> None:
    packed = codec.encode({"b": b"\xff"}, Codec.MSGPACK)
    incoming = Incoming("s.f", None, 1000)
    assert answered(incoming, {"content-type": "application/msgpack"}, packed[:2], packed[2:]) == {"b": b"\xff"}
    assert answered(Incoming("s.f", None, 1000), {"content-type": "application/json; x"}, b"[1]") == [1]
    assert answered(Incoming("s.f", None, 1000), {"content-type": "application/octet-stream"}, b"\xff") == b"\xff"


@pytest.mark.parametrize("kind", ["application/json", "application/msgpack"])
def test_a_reply_that_cannot_be_read_is_data_loss(kind: str) -> None:
    with pytest.raises(DataLoss, match="cannot be read") as fault:
        answered(Incoming("s.f", None, 1000), {"content-type": kind, "dragoman-call-id": "c9"}, b"\xc1{")
    assert (fault.value.function, fault.value.call_id) == ("s.f", "c9")


@pytest.mark.parametrize("kind", ["text/html", "", "application/jsonl"])
def test_success_of_another_kind_is_no_reply(kind: str) -> None:
    with pytest.raises(Fault, match="which no Dragoman host says"):
        answered(Incoming("s.f", None, 1000), {"content-type": kind}, b"<h1>Log in</h1>")


def test_a_compressed_answer_is_refused() -> None:
    with pytest.raises(Fault, match="compressed"):
        answered(Incoming("s.f", None, 1000), {"content-type": "application/json", "content-encoding": "gzip"})


@pytest.mark.parametrize("headers", [{"content-type": "application/json"}, EVENTS])
def test_a_reply_past_the_bound_is_out_of_range(headers: dict[str, str]) -> None:
    with pytest.raises(OutOfRange, match="larger than 10 bytes"):
        answered(Incoming("s.f", None, 10), headers, b"data: 1\n\n", b"data: 1\n\n")


def test_a_problem_past_its_bound_is_cut_and_still_a_fault() -> None:
    with pytest.raises(Unavailable):
        answered(Incoming("s.f", None, 10), {"content-type": "text/html"}, *([b"x" * 1_000_000] * 4), status=503)


def test_a_stream_gives_items_until_its_end_mark() -> None:
    incoming = Incoming("s.f", listed(streaming=True), 1000)
    assert answered(incoming, EVENTS, b"data: 1\n\ndata: [2]\n\nevent: end\ndata:\n\n") == [1, [2]]


def test_a_stream_of_raw_bytes_gives_bytes() -> None:
    known = listed(streaming=True, raw_output=True)
    assert answered(Incoming("s.f", known, 1000), EVENTS, b'data: "/w=="\n\nevent: end\ndata:\n\n') == [b"\xff"]
    with pytest.raises(DataLoss, match="base64"):
        answered(Incoming("s.f", known, 1000), EVENTS, b"data: 7\n\n")


def test_a_fault_in_a_stream_is_raised_where_it_stands() -> None:
    problem = json.dumps({"code": "ABORTED", "detail": "no", "started": "yes"}).encode()
    incoming = Incoming("s.f", None, 1000)
    incoming.begin(200, EVENTS)
    assert incoming.feed(b"data: 1\n\n") == [1]
    with pytest.raises(Fault, match="no") as fault:
        incoming.feed(b"event: fault\ndata: " + problem + b"\n\n")
    assert (fault.value.code, fault.value.function, fault.value.remote) == ("ABORTED", "s.f", True)


def test_a_stream_without_its_end_mark_was_cut() -> None:
    with pytest.raises(Unavailable, match="without its end mark") as fault:
        answered(Incoming("s.f", None, 1000), EVENTS, b"data: 1\n\n")
    assert fault.value.started is Started.UNKNOWN


def test_a_page_that_is_no_success_is_a_fault() -> None:
    incoming = Incoming("", None, 1000)
    incoming.begin(404, {"content-type": "text/plain"})
    incoming.gather(b"no")
    with pytest.raises(Fault) as fault:
        incoming.body()
    assert fault.value.code == "NOT_FOUND"
