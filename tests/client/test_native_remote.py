"""Blocking calls of a real host in the wire's own frames: values, faults, streams, threads, ends."""

from __future__ import annotations

import gc
import os
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dragoman.client.connecting import connect
from dragoman.core.fault import (
    Code,
    DeadlineExceeded,
    Draining,
    Fault,
    InvalidArgument,
    NotFound,
    OutOfRange,
    Started,
    Unavailable,
    Unimplemented,
    Unknown,
)
from tests.certificates import pair

from .native_host import native_host

TLS = [pytest.param("tls", marks=pytest.mark.needs("openssl"))]


@pytest.fixture(scope="module", params=["unix", *TLS])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A host and how to connect to it."""
    folder = tmp_path_factory.mktemp("native")
    if request.param == "unix":
        with native_host(folder) as host:
            yield {"url": host.url}
        return
    cert, key = pair(folder)
    (folder / "token").write_text("s3cret")
    options = ("--tls-cert", str(cert), "--tls-key", str(key), "--token-file", str(folder / "token"))
    with native_host(folder, *options, address="tcp+tls://127.0.0.1:0") as host:
        yield {"url": host.url, "verify": cert, "token": "s3cret"}


@pytest.fixture
def remote(way: dict[str, Any]) -> Iterator[Any]:
    with connect(**way) as made:
        yield made


def test_functions_are_called_by_name_and_as_attributes(remote: Any) -> None:
    assert remote.call("fn.add", {"a": 1, "b": 2}) == 3
    assert remote.fn.add(a=2**40, b=1) == 2**40 + 1
    assert remote.fn.echo(data=b"\xff\x00") == b"\xff\x00"
    assert remote.call("fn.echo", b"\xfe") == b"\xfe"


def test_large_bodies_go_both_ways(remote: Any) -> None:
    body = os.urandom(5_000_000)
    assert remote.fn.echo(data=body) == body


def test_faults_are_typed(remote: Any) -> None:
    with pytest.raises(Unknown, match="ValueError: no") as told:
        remote.fn.boom()
    fault = told.value
    assert (fault.function, fault.started, fault.remote, fault.traceback) == ("fn.boom", Started.YES, True, "")
    assert fault.call_id
    with pytest.raises(NotFound):
        remote.fn.nothing()
    with pytest.raises(InvalidArgument) as broken:
        remote.fn.add(a="x", b=1)
    assert broken.value.errors[0].path == "/a"


def test_a_deadline_is_the_hosts_to_keep(remote: Any) -> None:
    with pytest.raises(DeadlineExceeded, match="ran past its 0"):
        remote.call("fn.nap", {"seconds": 30}, timeout=0.2)
    with pytest.raises(DeadlineExceeded):
        remote.call("fn.add", {"a": 1, "b": 2}, timeout=0)


def test_streams_are_iterated_gathered_and_given_up(remote: Any) -> None:
    assert list(remote.stream("fn.count", {"n": 3})) == [0, 1, 2]
    assert remote.call("fn.count", {"n": 3}) == [0, 1, 2]
    blocks: list[bytes] = list(remote.stream("fn.blocks", {"n": 50, "size": 100_000}))
    assert sum(map(len, blocks)) == 5_000_000
    items = remote.stream("fn.count", {"n": 10**9})
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    items.close()
    assert remote.fn.add(a=1, b=1) == 2
    with pytest.raises(Unimplemented):
        next(remote.stream("fn.add", {"a": 1, "b": 2}))


def test_a_stream_that_fails_gives_what_came_before(remote: Any) -> None:
    items = remote.stream("fn.fails_at", {"n": 2})
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(Unknown, match="far enough"):
        next(items)


def test_streams_of_one_connection_do_not_hold_each_other_up(remote: Any) -> None:
    streams = [remote.stream("fn.blocks", {"n": 3, "size": 200_000}) for _ in range(2)]
    firsts = [next(each) for each in streams]
    assert remote.call("fn.add", {"a": 1, "b": 2}, timeout=10) == 3
    assert [len(firsts[0]), *map(len, streams[0])] == [200_000] * 3
    streams[1].close()


def test_an_iterator_is_sent_item_by_item(remote: Any) -> None:
    assert remote.fn.total(numbers=iter(range(20_000)), start=1) == sum(range(20_000)) + 1
    assert list(remote.stream("fn.doubled", {"numbers": iter(range(2000))})) == list(range(0, 4000, 2))


class Endless:
    """Numbers without an end. `closed` is set when nobody asks for more."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.given = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.given += 1
        return self.given - 1

    def close(self) -> None:
        self.closed.set()


def test_an_answer_ends_the_input(remote: Any) -> None:
    numbers = Endless()
    assert remote.fn.first(numbers=numbers) == 0
    assert numbers.closed.wait(10), "nobody asks for more"
    assert remote.fn.add(a=1, b=2) == 3


def test_an_input_that_breaks_off_is_the_callers_own_error(remote: Any) -> None:
    def breaks() -> Iterator[int]:
        yield 1
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        remote.fn.total(numbers=breaks())
    items = remote.stream("fn.doubled", {"numbers": breaks()})
    with pytest.raises(KeyError, match="mine"):
        list(items)
    with pytest.raises(InvalidArgument, match="cannot be sent"):
        remote.fn.total(numbers=iter([object()]))
    with pytest.raises(KeyError, match="mine"):
        remote.fn.never_reads(numbers=breaks(), seconds=30)
    assert remote.fn.add(a=1, b=2) == 3


def test_both_ways_flow_at_once_item_by_item(remote: Any) -> None:
    turns: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    items = remote.stream("fn.fed", {"numbers": iter(turns.get, None)}, timeout=30)
    assert next(items) == 0
    for number in range(50):
        turns.put(number)
        assert next(items) == number
    turns.put(None)
    assert list(items) == []


def test_a_stream_in_the_middle_is_given_up_or_fails_or_runs_out_of_time(remote: Any) -> None:
    given_up, failed, late, slow = Endless(), Endless(), Endless(), Endless()
    items = remote.stream("fn.doubled", {"numbers": given_up})
    assert [next(items) for _ in range(3)] == [0, 2, 4]
    items.close()
    items = remote.stream("fn.breaks_at", {"numbers": failed, "n": 1000})
    with pytest.raises(Unknown, match="that one"):
        list(items)
    with pytest.raises(DeadlineExceeded):
        remote.call("fn.total", {"numbers": late}, timeout=0.3)
    with pytest.raises(DeadlineExceeded):
        remote.call("fn.never_reads", {"numbers": slow, "seconds": 30}, timeout=0.3)
    assert all(each.closed.wait(10) for each in (given_up, failed, late, slow))
    assert slow.given < 300_000, "no more than was granted is sent"
    assert remote.fn.add(a=1, b=2) == 3


def test_a_worker_that_dies_in_the_middle_ends_the_input(remote: Any) -> None:
    numbers = Endless()
    with pytest.raises(Unavailable):
        remote.fn.exits_at(numbers=numbers, n=5000)
    assert numbers.closed.wait(10)
    assert remote.call("fn.add", {"a": 1, "b": 2}, timeout=20) == 3


def test_an_iterator_for_a_function_that_takes_a_list_is_refused(remote: Any) -> None:
    assert remote.fn.total(numbers=[1, 2, 3]) == 6
    with pytest.raises(Unimplemented, match="send its whole input"):
        remote.fn.whole(numbers=iter([1, 2, 3]))


def test_an_iterator_that_must_be_awaited_is_refused_before_anything_is_sent(remote: Any) -> None:
    async def never() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(InvalidArgument, match="ordinary iterator") as told:
        remote.fn.total(numbers=never())
    assert told.value.started is Started.NO


def test_a_stream_that_is_dropped_is_given_up_wherever_it_is_collected(remote: Any) -> None:
    """A generator in a cycle ends in the collector: in any thread, with any lock held."""
    fed: list[Endless] = []
    before = gc.get_threshold()
    try:
        for number in range(60):
            numbers = Endless()
            fed.append(numbers)
            items = remote.stream("fn.doubled", {"numbers": numbers}, timeout=30)
            assert next(items) == 0
            cycle: list[Any] = [items]
            cycle.append(cycle)
            del items, cycle
            gc.set_threshold(1 + number % 7, 1, 1)
            assert remote.call("fn.add", {"a": number, "b": 1}, timeout=30) == number + 1
            gc.set_threshold(*before)
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert all(numbers.closed.wait(10) for numbers in fed)


def test_many_threads_feed_streams_over_one_connection(remote: Any) -> None:
    def work(thread: int) -> None:
        for _ in range(5):
            numbers = range(thread, thread + 500)
            assert remote.fn.total(numbers=iter(numbers)) == sum(numbers)
            doubled = list(remote.stream("fn.doubled", {"numbers": iter(numbers)}))
            assert doubled == [2 * number for number in numbers]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def test_what_a_host_offers_is_asked_for(remote: Any) -> None:
    assert {"fn.add", "fn.count"} <= remote.functions.keys()
    assert remote.contract("fn.count").streaming
    with pytest.raises(NotFound):
        remote.contract("fn.nothing")


def test_many_threads_share_the_connection_and_no_answer_is_mixed_up(remote: Any) -> None:
    def work(thread: int) -> None:
        for number in range(40):
            assert remote.fn.add(a=thread * 1000, b=number) == thread * 1000 + number
            if number % 10 == 0:
                assert list(remote.stream("fn.count", {"n": thread})) == list(range(thread))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))


def test_one_thread_waits_while_another_is_answered(remote: Any) -> None:
    slow = threading.Thread(target=lambda: remote.fn.nap(seconds=0.5))
    slow.start()
    assert remote.call("fn.add", {"a": 1, "b": 2}, timeout=10) == 3
    slow.join()


def test_a_reply_larger_than_asked_for_is_refused(way: dict[str, Any]) -> None:
    options: dict[str, Any] = {**way, "reply_bytes_max": 100}
    with connect(**options) as remote, pytest.raises(OutOfRange):
        remote.fn.echo(data=bytes(200))


def test_what_is_closed_says_so(way: dict[str, Any]) -> None:
    remote = connect(**way)
    assert remote.fn.add(a=1, b=2) == 3
    remote.close()
    remote.close()
    with pytest.raises(Draining, match="closed"):
        remote.fn.add(a=1, b=2)


def test_a_forked_process_connects_by_itself(way: dict[str, Any]) -> None:
    with connect(**way) as remote:
        assert remote.fn.add(a=1, b=2) == 3
        child = os.fork()
        if not child:
            try:
                os._exit(remote.fn.add(a=2, b=3))
            finally:
                os._exit(99)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
        assert remote.fn.add(a=3, b=4) == 7


def test_where_nobody_listens_is_told_at_once() -> None:
    with connect("unix:///nowhere/x.sock") as remote, pytest.raises(Unavailable, match="cannot connect") as told:
        remote.fn.add(a=1, b=2)
    assert (told.value.started, told.value.function) == (Started.NO, "fn.add")


@pytest.mark.parametrize("way", TLS, indirect=True)  # over a UNIX socket the user counts
def test_a_stranger_is_told_why(way: dict[str, Any]) -> None:
    with connect(way["url"], verify=way["verify"], token="guess") as remote, pytest.raises(Fault) as told:
        remote.fn.add(a=1, b=2)
    assert (told.value.code, told.value.started) == (Code.UNAUTHENTICATED, Started.NO)
    with connect(way["url"], token="s3cret") as remote, pytest.raises(Unavailable, match=r"(?i)certificate"):
        remote.fn.add(a=1, b=2)
