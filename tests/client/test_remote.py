import json
import os
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import dragoman
from dragoman.client.connecting import connect
from dragoman.client.remote import Remote
from dragoman.core.fault import Started
from tests.client.scripted import HELD, chunked, response, scripted

FUNCTION = response(
    200, "application/json", json.dumps({"name": "s.f", "timeout_s": 30, "input": {"type": "object"}}).encode()
)
STREAMING = response(200, "application/json", json.dumps({"name": "s.f", "streaming": True}).encode())


@pytest.fixture
def shop(shop_url: str) -> Any:
    with connect(shop_url) as remote:
        yield remote


def test_functions_are_attributes_or_names(shop: Remote) -> None:
    assert shop.shop.add(a=1, b=2) == 3
    assert shop.call("shop.add", {"a": 1}) == 2
    assert shop.shop.options({"names": ["x"], "deep_flag": True}) == {"names": ["x"], "deep_flag": True, "ratio": None}


def test_it_is_usable_without_a_block_and_closed_for_good(shop_url: str) -> None:
    remote = dragoman.connect(shop_url)
    assert remote.shop.double(number=2) == 4
    remote.close()
    remote.close()
    with pytest.raises(dragoman.Unavailable, match="closed") as fault:
        remote.shop.double(number=2)
    assert fault.value.started is Started.NO


def test_contracts_are_told(shop: Remote) -> None:
    contract = shop.functions["shop.count"]
    assert (contract.name, contract.streaming) == ("count", True)
    assert shop.contract("shop.add").input["required"] == ["a"]
    with pytest.raises(dragoman.NotFound):
        shop.contract("shop.nothing")


def test_values_come_back_as_they_were_sent(shop: Remote) -> None:
    blob = bytes(range(256)) * 4000
    assert shop.shop.echo(data=blob) == blob
    assert shop.call("shop.echo", blob) == blob
    assert shop.shop.packed(data=blob) == {"data": blob}
    assert shop.shop.double(number=2**80) == 2**81
    assert shop.shop.options(names=["\0 é 😀"])["names"] == ["\0 é 😀"]


def test_a_stream_is_an_iterator_or_a_list(shop: Remote) -> None:
    assert list(shop.stream("shop.count", {"up_to": 3})) == [0, 1, 2]
    assert shop.shop.count(up_to=3) == [0, 1, 2]
    with pytest.raises(dragoman.Unimplemented, match="does not stream"):
        next(shop.stream("shop.add", {"a": 1}))


def test_a_stream_of_raw_bytes_gives_bytes(shop: Remote) -> None:
    assert shop.call("shop.pieces", {"count": 2}) == [b"\x00\xff", b"\x01\xff"]
    assert list(shop.stream("shop.pieces", {"count": 1})) == [b"\x00\xff"]


def test_breaking_off_a_stream_cancels_the_call(shop: Remote, shop_url: str) -> None:
    stream = shop.stream("shop.forever")
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    stream.close()

    def in_flight() -> str:
        with urllib.request.urlopen(f"{shop_url}/metrics", timeout=10) as page:
            text = page.read().decode()
        return next(
            line for line in text.splitlines() if line.startswith('dragoman_calls_in_flight{function="shop.forever"')
        )

    give_up_at = time.monotonic() + 10
    while not in_flight().endswith(" 0.0"):
        assert time.monotonic() < give_up_at, "the call goes on"
    assert shop.shop.double(number=2) == 4, "the connection may be gone, the remote is not"


def test_faults_are_the_same_exceptions_with_all_that_the_host_knows(shop: Remote) -> None:
    with pytest.raises(dragoman.InvalidArgument) as wrong:
        shop.shop.add(a="x", b="y")
    assert [breach.path for breach in wrong.value.errors] == ["/a", "/b"]
    assert (wrong.value.started, wrong.value.remote, wrong.value.function) == (Started.NO, True, "shop.add")
    assert wrong.value.call_id
    with pytest.raises(dragoman.Unknown, match="ValueError: no"):
        shop.shop.broken(message="no")
    with pytest.raises(dragoman.NotFound):
        shop.shop.nothing()
    with pytest.raises(dragoman.InvalidArgument, match="no raw bytes"):
        shop.call("shop.add", b"\xff")


def test_a_fault_in_the_middle_of_a_stream_is_typed(shop: Remote) -> None:
    stream = shop.stream("shop.count", {"up_to": 3, "fail_at": 1})
    assert next(stream) == 0
    with pytest.raises(dragoman.FailedPrecondition, match="1 is not for counting"):
        next(stream)
    with pytest.raises(dragoman.FailedPrecondition):
        shop.shop.count(up_to=3, fail_at=2)


def test_a_trace_is_passed_on_and_comes_back_in_faults(shop_url: str) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    with connect(shop_url, headers=headers) as remote, pytest.raises(dragoman.Unknown) as fault:
        remote.shop.broken(message="x")
    assert fault.value.trace_id == trace


def test_the_host_ends_a_call_at_its_timeout_and_the_function_is_known_to_have_run(shop: Remote) -> None:
    begun = time.monotonic()
    with pytest.raises(dragoman.DeadlineExceeded) as fault:
        shop.call("shop.slow", {"seconds": 30}, timeout=0.3)
    assert time.monotonic() - begun < 5
    assert (fault.value.started, fault.value.remote) == (Started.YES, True)


def test_many_threads_share_one_remote(shop: Remote) -> None:
    with ThreadPoolExecutor(16) as threads:
        doubled = [threads.submit(shop.call, "shop.double", {"number": number}) for number in range(64)]
        assert [each.result(20) for each in doubled] == [2 * number for number in range(64)]


def test_a_host_that_is_not_there_has_run_nothing() -> None:
    with connect("http://127.0.0.1:1") as remote, pytest.raises(dragoman.Unavailable) as fault:
        remote.s.f()
    assert (fault.value.started, fault.value.remote, fault.value.retryable) == (Started.NO, False, True)


def test_a_host_that_says_nothing_is_given_up_at_the_timeout() -> None:
    with scripted(FUNCTION, HELD) as script, connect(script.url) as remote:
        with pytest.raises(dragoman.DeadlineExceeded) as fault:
            remote.call("s.f", {}, timeout=0.2)
        assert fault.value.started is Started.UNKNOWN
        assert script.closed.wait(10)
    assert b"dragoman-timeout: " in script.requests[1]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n[1",
        chunked("application/json", b"[1", whole=False),
        chunked("text/event-stream", b"data: 1\n\n", whole=False),
        chunked("text/event-stream", b"data: 1\n\n"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 999999 X\r\n\r\n",
    ],
)
def test_a_reply_that_breaks_off_may_have_run(answer: bytes) -> None:
    with scripted(FUNCTION, answer) as script, connect(script.url) as remote:
        with pytest.raises(dragoman.Unavailable) as fault:
            remote.s.f()
        assert (fault.value.started, fault.value.function) == (Started.UNKNOWN, "s.f")


def test_a_stream_that_is_cut_gives_what_came_and_then_fails() -> None:
    cut = chunked("text/event-stream", b"data: 1\n\ndata: 2\n\n", whole=False)
    with scripted(STREAMING, cut) as script, connect(script.url) as remote:
        stream = remote.stream("s.f")
        assert [next(stream), next(stream)] == [1, 2]
        with pytest.raises(dragoman.Unavailable, match="broke"):
            next(stream)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response(502, "text/html", b"<h1>Bad gateway</h1>"), dragoman.Unavailable),
        (response(429, "text/plain", b"slow down", "retry-after: 3"), dragoman.ResourceExhausted),
        (response(200, "text/html", b"<h1>Log in</h1>"), dragoman.Unknown),
        (response(307, "text/plain", b"", "location: http://elsewhere/"), dragoman.FailedPrecondition),
        (response(200, "application/json", b"\x1f\x8b", "content-encoding: gzip"), dragoman.Unknown),
        (response(503, "application/problem+json", b'{"code": "UNAVAILABLE", "started": "no"}'), dragoman.Unavailable),
    ],
)
def test_what_stands_between_is_told_from_the_host(answer: bytes, kind: type[dragoman.Fault]) -> None:
    with scripted(answer) as script, connect(script.url) as remote:
        with pytest.raises(kind) as fault:
            remote.s.f()
        assert fault.value.remote
        assert type(fault.value) is kind
    assert len(script.requests) == 2, "the contract could not be had, so the call itself was made"
    assert script.requests[1].startswith(b"POST /v1/call/s.f ")


def test_a_reply_past_the_bound_is_not_read_to_its_end() -> None:
    endless = chunked("application/json", *([b"1" * 65536] * 20)) + HELD
    with scripted(FUNCTION, endless) as script, connect(script.url, reply_bytes_max=100_000) as remote:
        with pytest.raises(dragoman.OutOfRange, match="100000 bytes"):
            remote.s.f()
        assert script.closed.wait(10)


def test_where_nothing_is_told_of_a_function_json_is_asked_for_and_read() -> None:
    missing = response(404, "text/plain", b"only /v1/call here")
    with scripted(missing, response(200, "application/json", b"[1,2]")) as script, connect(script.url) as remote:
        assert remote.s.f() == [1, 2]
    assert b"\r\naccept: application/json\r\n" in script.requests[1].lower()


def test_a_wrong_address_is_refused() -> None:
    with pytest.raises(ValueError, match="http://"):
        connect("localhost:8700")


def test_a_header_that_cannot_be_sent_is_refused_here(shop_url: str) -> None:
    with connect(shop_url, headers={"x": "a\r\nb: c"}) as remote, pytest.raises(dragoman.InvalidArgument):
        remote.shop.double(number=2)


def test_forked_processes_and_their_parent_each_have_a_connection(shop: Remote) -> None:
    def right() -> bool:
        return all(shop.shop.double(number=number) == 2 * number for number in range(100))

    assert right()
    children: list[int] = []
    for _ in range(3):
        child = os.fork()
        if not child:
            try:
                os._exit(0 if right() else 1)
            finally:
                os._exit(99)
        children.append(child)
    assert right()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
