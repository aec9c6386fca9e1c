import asyncio
import json
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import dragoman
from dragoman.core.fault import (
    Cancelled,
    Fault,
    InvalidArgument,
    OutOfRange,
    ResourceExhausted,
    Started,
    Unauthenticated,
    Unavailable,
)
from dragoman.queues.producer import BODY_BYTES_MAX, PLACES_MAX, message_of
from tests.valkey import Server, proxied

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "order"}


@pytest.fixture
def valkey(tmp_path: Path) -> Generator[Server]:
    server = Server(tmp_path / "valkey")
    yield server
    server.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def rows(server: Server, place: str) -> list[dict[bytes, bytes]]:
    with server.client() as client:
        return [fields for _, fields in client.xrange(place)]


def failing(work: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        work()
    return caught.value


def test_a_message_is_an_entry_with_a_body_and_headers_in_their_order(shared: Server) -> None:
    with dragoman.producer(shared.url) as producer:
        producer.send("plain", {"item": "tea"}, {"traceparent": "t", "correlation-id": "o\r\n1"})
        producer.send("plain", b"\x00\xff")
        producer.send("plain")
        producer.send("plain", {"x": 1.5}, EVENT)
    assert [list(row.items()) for row in rows(shared, "plain")] == [
        [(b"body", b'{"item":"tea"}'), (b"correlation-id", b"o\r\n1"), (b"traceparent", b"t")],
        [(b"body", b"\x00\xff"), (b"content-type", b"application/octet-stream")],
        [(b"body", b"{}")],
        [(b"body", b'{"x":1.5}'), *((name.encode(), EVENT[name].encode()) for name in sorted(EVENT))],
    ]


def test_many_are_sent_in_their_order(shared: Server) -> None:
    with dragoman.producer(shared.url) as producer:
        producer.send_all("many", range(25_000))
        producer.send_all("many", [])
    assert [int(row[b"body"]) for row in rows(shared, "many")] == list(range(25_000))


async def test_it_may_be_awaited(shared: Server) -> None:
    async with dragoman.producer(shared.url) as producer:
        await asyncio.gather(*(producer.send("awaited", n) for n in range(100)))
        with pytest.raises(InvalidArgument):
            await producer.send("", 1)
    assert sorted(int(row[b"body"]) for row in rows(shared, "awaited")) == list(range(100))
    with pytest.raises(Cancelled):
        await producer.send("awaited", 1)


def test_any_thread_may_send(shared: Server) -> None:
    with dragoman.producer(shared.url) as producer, ThreadPoolExecutor(16) as pool:
        for each in [pool.submit(producer.send, "threads", n) for n in range(2000)]:
            each.result()
    assert sorted(int(row[b"body"]) for row in rows(shared, "threads")) == list(range(2000))


def test_a_stream_keeps_about_so_many_messages(shared: Server) -> None:
    with dragoman.producer(shared.url, keep=100) as producer:
        producer.send_all("kept", range(3000))
    left = rows(shared, "kept")
    assert 100 <= len(left) < 400
    assert left[-1][b"body"] == b"2999"


@pytest.mark.parametrize("name", ["body", "Upper", "", "a b", "ä", "a\n"])
def test_what_cannot_be_the_name_of_a_header_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="cannot be the name of a header") as caught:
        message_of(1, {name: "x"})
    assert caught.value.started is Started.NO


@pytest.mark.parametrize("value", [object(), float("nan"), "\ud800", {("a", 1): 2}])
def test_what_cannot_be_said_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="cannot be said in JSON"):
        message_of(value, None)


@pytest.mark.parametrize("name", EVENT)
def test_half_an_event_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="an event has"):
        message_of(1, {each: text for each, text in EVENT.items() if each != name})
    number: Any = 1
    with pytest.raises(InvalidArgument, match="is no string"):
        message_of(1, {"a": number})


def test_a_body_that_no_server_takes_is_refused() -> None:
    with pytest.raises(OutOfRange, match="the most"):
        message_of(memoryview(bytes(BODY_BYTES_MAX + 1)), None)


def test_an_address_that_is_none_is_told_at_once() -> None:
    for url in ("http://h", "", "kafka://h?x=1"):
        with pytest.raises(ValueError, match="address"):
            dragoman.producer(url)
    with pytest.raises(ValueError, match="keep"):
        dragoman.producer("redis://h", keep=-1)


def test_no_server_is_told_and_that_nothing_was_sent() -> None:
    with dragoman.producer("redis://127.0.0.1:9") as producer:
        fault = failing(lambda: producer.send("s", 1))
        assert isinstance(fault, Unavailable)
        assert (fault.started, fault.retryable) == (Started.NO, True)
        assert "no connection to 127.0.0.1:9" in fault.detail


def test_a_password_that_is_wrong_or_missing_is_told(shared: Server) -> None:
    with shared.client() as client:
        client.config_set("requirepass", "hunter2")
    try:
        for url in (shared.url, shared.url.replace("//", "//:wrong@")):
            with dragoman.producer(url) as producer:
                fault = failing(lambda: producer.send("s", 1))
                assert isinstance(fault, Unauthenticated)
                assert fault.started is Started.NO
                assert "wrong" not in fault.detail.replace("WRONGPASS", "")
        with dragoman.producer(shared.url.replace("//", "//:hunter2@")) as producer:
            producer.send("let-in", 1)
    finally:
        with shared.client("hunter2") as client:
            client.config_set("requirepass", "")


def test_what_a_server_refuses_has_a_code_and_is_its_own_affair(shared: Server) -> None:
    with shared.client() as client:
        client.set("text", "x")
    with dragoman.producer(shared.url) as producer:
        fault = failing(lambda: producer.send("text", 1))
        assert (fault.code, fault.started) == ("FAILED_PRECONDITION", Started.NO)
        shared.fill()
        try:
            fault = failing(lambda: producer.send("full", 1))
        finally:
            shared.empty()
        assert isinstance(fault, ResourceExhausted)
        assert fault.started is Started.NO
        producer.send("full", 2)
    assert [row[b"body"] for row in rows(shared, "full")] == [b"2"]


def test_a_user_that_may_only_add_is_enough(shared: Server) -> None:
    with shared.client() as client:
        client.execute_command("ACL", "SETUSER", "adder", "on", ">secret", "~mine", "+xadd")
    with dragoman.producer(shared.url.replace("//", "//adder:secret@")) as producer:
        producer.send("mine", 1)
        fault = failing(lambda: producer.send("other", 1))
        assert (fault.code, fault.started) == ("PERMISSION_DENIED", Started.NO)


def test_a_server_that_was_killed_is_found_again_and_nothing_doubled(valkey: Server) -> None:
    with dragoman.producer(valkey.url) as producer:
        producer.send("s", 1)
        valkey.kill()
        fault = failing(lambda: producer.send("s", 2))
        assert isinstance(fault, Unavailable)
        assert fault.started is Started.NO
        valkey.start()
        producer.send("s", 3)
    assert [row[b"body"] for row in rows(valkey, "s")] == [b"1", b"3"]


async def test_what_may_be_stored_is_said_to_be_and_not_sent_again(valkey: Server) -> None:
    async with proxied(valkey.port) as proxy, dragoman.producer(f"redis://127.0.0.1:{proxy.port}") as producer:
        await producer.send("s", 1)
        proxy.partition()
        sending = asyncio.ensure_future(producer.send("s", 2))
        await asyncio.sleep(0)
        behind = asyncio.ensure_future(producer.send("s", 3))
        done, _ = await asyncio.wait((sending, behind), timeout=8, return_when=asyncio.FIRST_COMPLETED)
        assert done == {sending}
        fault = sending.exception()
        assert isinstance(fault, Unavailable)
        assert fault.started is Started.UNKNOWN
        proxy.heal()
        await behind
    assert [row[b"body"] for row in rows(valkey, "s")][-1] == b"3"
    assert len(rows(valkey, "s")) <= 3


def test_a_server_that_hangs_holds_nobody_for_long(valkey: Server) -> None:
    with dragoman.producer(valkey.url) as producer, ThreadPoolExecutor(8) as pool:
        producer.send("s", 0)
        valkey.stop()
        begun = time.monotonic()
        faults = [each.exception() for each in [pool.submit(producer.send, "s", n) for n in range(1, 9)]]
        assert time.monotonic() - begun < 20
        assert all(isinstance(fault, Unavailable) for fault in faults)
        assert {fault.started for fault in faults if isinstance(fault, Fault)} == {Started.NO, Started.UNKNOWN}
        valkey.go_on()
        producer.send("s", 9)


def test_closing_waits_for_what_is_being_sent_and_nothing_is_sent_after_it(shared: Server) -> None:
    producer = dragoman.producer(shared.url)
    outcomes: list[str] = []

    def work(n: int) -> None:
        try:
            producer.send("closing", n)
            outcomes.append("sent")
        except Cancelled:
            outcomes.append("closed")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(200)]
    for each in threads[:100]:
        each.start()
    closing = threading.Thread(target=producer.close)
    closing.start()
    for each in threads[100:]:
        each.start()
    for each in [*threads, closing]:
        each.join(10)
        assert not each.is_alive()
    assert outcomes.count("sent") == len(rows(shared, "closing"))
    assert isinstance(failing(lambda: producer.send("closing", 1)), Cancelled)
    producer.close()
    assert not [each for each in threading.enumerate() if each.name == "dragoman-producer"]


def test_places_are_bounded() -> None:
    with dragoman.producer("redis://127.0.0.1:9") as producer:
        for n in range(PLACES_MAX):
            failing(lambda n=n: producer.send(f"place-{n}", 1))
        assert isinstance(failing(lambda: producer.send("another", 1)), ResourceExhausted)


def test_a_structured_event_is_json_with_its_own_type() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order", "data": {"item": "tea"}}
    body, headers = message_of(event, {"content-type": "application/cloudevents+json"})
    assert json.loads(body) == event
    assert headers == {"content-type": "application/cloudevents+json"}
