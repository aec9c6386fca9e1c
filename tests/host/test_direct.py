from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.client.value import decode_reply, encode_for, gathered
from dragoman.config.load import load
from dragoman.core.call import Call
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Code, DeadlineExceeded, Draining, Fault, InvalidArgument, Unavailable
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.host.assemble import host as assemble
from dragoman.host.assemble import parts
from dragoman.host.direct import DirectService, ThroughLoop
from dragoman.host.hosted import PooledSource
from dragoman.host.journal import SilentJournal
from dragoman.workers.crossing import LOOK_S, run_on_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from dragoman.core.call import Reply
    from tests.host.conftest import Write

SHOP = """
    import os
    import threading
    from collections.abc import Iterator
    from dragoman import Context

    def pid() -> int:
        return os.getpid()

    def double(n: int) -> int:
        return 2 * n

    def never() -> None:
        threading.Event().wait()

    def dies() -> None:
        os._exit(3)

    def quadruple(ctx: Context, n: int) -> int:
        return ctx.call("shop.double", n=ctx.call("shop.double", n=n))

    def count(n: int) -> Iterator[int]:
        yield from range(n)
"""


class Loop:
    """An event loop that runs in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return run_on_loop(self.loop, work)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Shop(Loop):
    """A host with one source, its loop in a thread, as a blocking caller has it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.host = assemble(parts(load([path]), lambda _: SilentJournal()))

    def open(self) -> None:
        assert self.run(self.host.start()) == {}
        hosted = self.host.registry.sources["shop"]
        assert isinstance(hosted, PooledSource)
        self.pool = hosted.pool
        self.direct = DirectService(self.pool, SystemClock())

    def close(self) -> None:
        self.run(self.host.stop(0))
        self.end()

    def reply(self, function: str, timeout_s: float | None = None, **parameters: Any) -> Reply:
        target = self.host.registry.find(f"shop.{function}").target
        return self.direct(self.host.call(target, *encode_for(target, parameters), timeout_s)).result()

    def ask(self, function: str, timeout_s: float | None = None, **parameters: Any) -> Any:
        return decode_reply(self.reply(function, timeout_s, **parameters))


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.end()


@pytest.fixture
def shop(write: Write) -> Iterator[Shop]:
    shop = Shop(write(shop__py=SHOP) / "shop.py")
    try:
        shop.open()
        yield shop
    finally:
        shop.close()


def test_a_call_from_a_thread_goes_through_a_worker_that_is_lent_to_it(shop: Shop) -> None:
    pid = shop.ask("pid")
    assert [lease.worker.pid for lease in shop.pool.leases if lease.worker] == [pid]
    assert pid not in [worker.pid for worker in shop.pool.workers]
    assert shop.ask("pid") == pid, "it is kept for the next call"


def test_concurrent_threads_all_get_their_own_answers(shop: Shop) -> None:
    def double(n: int) -> Any:
        return shop.ask("double", n=n)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(double, range(400))) == [2 * n for n in range(400)]


def test_a_deadline_ends_a_call_in_a_lent_worker_and_the_next_is_answered(shop: Shop) -> None:
    assert shop.ask("double", n=1) == 2
    with pytest.raises(DeadlineExceeded) as ended:
        shop.ask("never", timeout_s=0.1)
    assert ended.value.code is Code.DEADLINE_EXCEEDED
    assert shop.ask("double", n=2) == 4


def test_a_lent_worker_that_dies_is_told_of_and_replaced(shop: Shop) -> None:
    assert shop.ask("double", n=1) == 2
    with pytest.raises(Unavailable) as lost:
        shop.ask("dies")
    assert lost.value.function == "shop.dies"
    assert shop.ask("double", n=2) == 4


def test_a_function_in_a_lent_worker_calls_others(shop: Shop) -> None:
    assert shop.ask("double", n=1) == 2
    assert shop.ask("quadruple", n=3) == 12


def test_the_faults_of_a_lent_worker_are_those_of_any_other(shop: Shop) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        shop.ask("double", n="many")
    assert [breach.path for breach in refusal.value.errors] == ["/n"]
    assert (refusal.value.function, refusal.value.remote) == ("shop.double", False)


def test_a_stream_is_begun_on_the_loop(shop: Shop) -> None:
    reply = shop.reply("count", n=3)
    assert reply.items is not None
    assert shop.run(gathered(reply)) == [0, 1, 2]


def a_call() -> Call:
    return Call(Target("shop.f", "shop", "f", 0, 1.0), b"")


def test_a_service_that_breaks_on_the_loop_is_heard_of_in_the_thread(loop: Loop) -> None:
    def broken(call: Call, /) -> Pending:
        raise KeyError("shelf")

    with pytest.raises(Fault, match="KeyError") as fault:
        ThroughLoop(broken, loop.loop)(a_call()).result()
    assert fault.value.code is Code.INTERNAL


def test_a_thread_that_waits_for_a_loop_that_ends_is_told() -> None:
    gone = Loop()
    begun = threading.Event()

    def never(call: Call, /) -> Pending:
        begun.set()
        return Pending()

    service = ThroughLoop(never, gone.loop)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(service, a_call())
        assert begun.wait(5)
        gone.end()
        with pytest.raises(Draining):
            waiting.result(10)


def test_a_loop_that_has_ended_is_told_of_at_once() -> None:
    gone = Loop()
    gone.end()
    begun_at = time.monotonic()
    with pytest.raises(Draining):
        ThroughLoop(lambda _: Pending(), gone.loop)(a_call())
    assert time.monotonic() - begun_at < LOOK_S / 2
