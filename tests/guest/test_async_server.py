from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dragoman.core.fault import Cancelled, NotFound, Started
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Hello
from tests.guest.driver import is_unstarted

if TYPE_CHECKING:
    from tests.guest.conftest import Start

ASYNC = """
import asyncio
import os
import threading
import time

async def wait_for(path: str) -> str:
    while not os.path.exists(path):
        await asyncio.sleep(0.002)
    return "seen"

async def same(x: int) -> int:
    return x

async def touch(path: str) -> None:
    open(path, "w").close()
"""
MIXED = (
    ASYNC
    + """
def blocks(path: str) -> str:
    while not os.path.exists(path):
        time.sleep(0.002)
    return "seen"

def sleep_after(path: str) -> None:
    open(path, "w").close()
    time.sleep(3600)

def where() -> bool:
    return threading.current_thread() is threading.main_thread()

def count(n: int):
    return n

from collections.abc import Iterator
def stream(n: int) -> Iterator[int]:
    yield from range(n)
"""
)
SIDE_BY_SIDE = Hello("test/0", concurrency=8)


def test_asynchronous_functions_run_side_by_side(serve: Start) -> None:
    guest = serve(ASYNC, hello=SIDE_BY_SIDE)
    gate = str(guest.folder / "gate")
    waiting = [guest.start("wait_for", {"path": gate}) for _ in range(5)]
    assert guest.call("same", {"x": 1}) == 1
    guest.call("touch", {"path": gate})
    assert [guest.result(call) for call in waiting] == ["seen"] * 5


def test_no_more_run_than_the_host_asked_for(serve: Start) -> None:
    guest = serve(ASYNC, hello=Hello("test/0", concurrency=2))
    gate = guest.folder / "gate"
    waiting = [guest.start("wait_for", {"path": str(gate)}) for _ in range(2)]
    behind = guest.start("same", {"x": 1})
    guest.revoke(behind)
    assert is_unstarted(guest.answer(behind))
    gate.touch()
    assert [guest.result(call) for call in waiting] == ["seen"] * 2


def test_synchronous_functions_have_the_main_thread_and_stop_nobody(serve: Start) -> None:
    guest = serve(MIXED, hello=SIDE_BY_SIDE)
    gate = str(guest.folder / "gate")
    assert guest.call("where") is True
    blocked = guest.start("blocks", {"path": gate})
    assert guest.call("same", {"x": 1}) == 1
    assert guest.pong() == b"hello"
    guest.call("touch", {"path": gate})
    assert guest.result(blocked) == "seen"


def test_a_synchronous_function_beside_others_is_stopped(serve: Start) -> None:
    guest = serve(MIXED, hello=SIDE_BY_SIDE)
    begun = str(guest.folder / "begun")
    call = guest.start("sleep_after", {"path": begun})
    behind = guest.start("blocks", {"path": "nowhere"})
    assert guest.call("wait_for", {"path": begun}) == "seen"
    guest.cancel(behind)
    with pytest.raises(Cancelled):
        guest.result(behind)
    guest.cancel(call)
    with pytest.raises(Cancelled) as caught:
        guest.result(call)
    assert caught.value.started is Started.YES
    assert guest.call("where") is True


def test_a_generator_beside_asynchronous_functions_streams(serve: Start) -> None:
    guest = serve(MIXED, hello=Hello("test/0", concurrency=4, limits=Hello("").limits._replace(credit_bytes=200)))
    call = guest.start("stream", {"n": 100}, stream=True)
    assert [guest.item(call) for _ in range(100)] == list(range(100))
    assert guest.answer(call).kind == Kind.END


def test_a_function_that_is_not_there_is_not_found(serve: Start) -> None:
    with pytest.raises(NotFound):
        serve(ASYNC).call("missing")


def test_many_calls_are_each_answered_once(serve: Start) -> None:
    guest = serve(MIXED, hello=Hello("test/0", concurrency=64))
    calls = [guest.frame("same", {"x": number}) for number in range(2000)]
    guest.send(*calls)
    assert [guest.result(number + 1) for number in range(2000)] == list(range(2000))
    assert not guest.frames


def test_a_large_reply_arrives_though_the_socket_is_full(serve: Start) -> None:
    guest = serve("async def large(n: int) -> str:\n    return 'x' * n\n", hello=SIDE_BY_SIDE)
    calls = [guest.start("large", {"n": 2_000_000}) for _ in range(4)]
    assert [len(guest.result(call)) for call in calls] == [2_000_000] * 4


def test_an_asynchronous_worker_whose_host_is_gone_ends(serve: Start) -> None:
    guest = serve(MIXED)
    guest.start("blocks", {"path": "nowhere"})
    assert guest.pong() == b"hello"
    guest.sock.close()
    assert guest.wait() != 0


def test_an_asynchronous_worker_leaves_in_good_order(serve: Start) -> None:
    for source in (ASYNC, MIXED):
        guest = serve(source)
        assert guest.call("same", {"x": 1}) == 1
        assert guest.drain() == 0


def test_what_a_function_gives_and_tells_leaves_though_it_keeps_the_loop(serve: Start) -> None:
    guest = serve(
        """
        import os
        import time
        from collections.abc import AsyncIterator
        from dragoman import Context

        def wait(path: str) -> None:
            while not os.path.exists(path):
                time.sleep(0.002)

        async def stream(path: str) -> AsyncIterator[int]:
            yield 1
            wait(path)
            yield 2

        async def tell(path: str, ctx: Context) -> None:
            ctx.progress(0.5)
            ctx.log("half")
            print("printed")
            wait(path)
        """
    )
    gate = guest.folder / "gate"
    call = guest.start("stream", {"path": str(gate)}, stream=True)
    assert guest.item(call) == 1
    gate.touch()
    assert guest.item(call) == 2
    guest.answer(call)
    gate.unlink()
    call = guest.start("tell", {"path": str(gate)})
    assert guest.told(call)["progress"]["share"] == 0.5
    assert [guest.told(call)["log"]["message"] for _ in range(2)] == ["half", "printed"]
    gate.touch()
    assert guest.result(call) is None
