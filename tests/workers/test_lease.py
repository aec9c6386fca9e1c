import asyncio
import os
import select
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dragoman.core.call import Call
from dragoman.core.event import Log
from dragoman.core.fault import DeadlineExceeded, Fault, InvalidArgument, NotFound, WorkerLost
from dragoman.sandbox.confinement import Exit
from dragoman.wire.frame import Frame, Kind, encode
from dragoman.wire.report import dump_log
from dragoman.workers.lease import Lease
from tests.workers.conftest import Open
from tests.workers.peer import Peer, Shop, make_call, until


class Lent:
    """A shop whose worker is lent to a thread."""

    def __init__(self, here: Shop, peer: Peer) -> None:
        self.here = here
        self.peer = peer
        lease = here.pool.lend()
        assert lease is not None
        self.lease: Lease = lease
        self._thread = ThreadPoolExecutor(1)

    def begin(self, call: Call) -> asyncio.Future[Any]:
        """Run a call in the thread; the future has its body, its fault, or `None` where the lease declined."""

        def run() -> Any:
            pending = self.lease.call(call)
            if pending is None:
                return None
            return pending.fault or pending.result().body

        return asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def call(self, body: bytes = b"1") -> Any:
        answer = self.begin(make_call())
        self.peer.answer(await self.peer.call(), body)
        return await answer


async def lend(shop: Open, **options: Any) -> Lent:
    here = shop(**options)
    return Lent(here, await here.hire())


async def test_a_thread_calls_without_the_loop(shop: Open) -> None:
    lent = await lend(shop)
    assert [await lent.call(b"1"), await lent.call(b"2")] == [b"1", b"2"]
    assert lent.lease.worker is lent.peer.worker
    assert lent.here.pool.idle


async def test_a_large_body_goes_and_comes_whole(shop: Open) -> None:
    lent = await lend(shop)
    body = os.urandom(5 << 20)
    answer = lent.begin(make_call(body=body))
    frame = await lent.peer.call()
    assert frame.body == body
    await asyncio.to_thread(lent.peer.answer, frame, body)
    assert await answer == body


async def test_a_fault_comes_as_the_answer(shop: Open) -> None:
    lent = await lend(shop)
    answer = lent.begin(make_call())
    lent.peer.fail(await lent.peer.call(), Fault.failed_precondition("not yet"))
    fault = await answer
    assert (fault.detail, fault.function, fault.remote) == ("not yet", "s.f", False)
    assert lent.lease.worker is not None


async def test_what_the_call_says_is_passed_on(shop: Open) -> None:
    lent = await lend(shop)
    heard: list[Any] = []
    call = make_call()
    call.on_event = heard.append
    answer = lent.begin(call)
    frame = await lent.peer.call()
    lent.peer.send(lent.peer.connection.event(dump_log("hello"), frame.call))
    lent.peer.answer(frame)
    assert await answer == b"1"
    await until(lambda: heard)
    assert heard == [Log("hello")]


async def test_what_comes_with_the_answer_is_not_lost(shop: Open) -> None:
    lent = await lend(shop)
    answer = lent.begin(make_call())
    frame = await lent.peer.call()
    connection = lent.peer.connection
    lent.peer.send(connection.end(frame.call, 1, b"1") + connection.event(dump_log("after"), 0) + connection.ping(b"?"))
    assert await answer == b"1"
    assert (await lent.peer.next(Kind.PONG)).body == b"?"
    assert lent.here.journal.lines() == ["after"]
    assert lent.lease.worker is None
    assert lent.here.pool.workers == [lent.peer.worker]


async def test_a_call_that_the_function_makes_is_served_by_the_loop(shop: Open) -> None:
    lent = await lend(shop)
    answer = lent.begin(make_call())
    frame = await lent.peer.call()
    lent.peer.send(lent.peer.connection.call_header(1 << 63, 0, 1, 2, 0, b"\x04\x03\x00t.g") + b"{}")
    await until(lambda: lent.here.asked)
    lent.here.answers[0].fail(NotFound("nowhere"))
    await lent.peer.next(Kind.FAULT)
    lent.peer.answer(frame, b"2")
    assert await answer == b"2"


async def test_a_deadline_is_kept_by_the_loop(shop: Open) -> None:
    lent = await lend(shop)
    call = make_call(timeout_s=0.15)
    answer = lent.begin(call)
    lent.peer.begin(await lent.peer.call())
    fault = await answer
    assert isinstance(fault, DeadlineExceeded)
    assert asyncio.get_running_loop().time() - call.deadline < 0.1
    assert (await lent.peer.next(Kind.CANCEL)).call == call.id


async def test_a_call_with_hardly_any_time_is_the_loops_from_the_start(shop: Open) -> None:
    lent = await lend(shop)
    assert await lent.begin(make_call(timeout_s=0.005)) is None
    assert await lent.call() == b"1"


async def test_a_worker_that_does_not_read_holds_nobody_past_the_deadline(shop: Open) -> None:
    lent = await lend(shop)
    fault = await lent.begin(make_call(body=bytes(20 << 20), timeout_s=0.6))
    assert isinstance(fault, DeadlineExceeded)
    await until(lambda: lent.peer.child.killed)


async def test_a_death_is_explained_by_the_loop(shop: Open) -> None:
    lent = await lend(shop)
    answer = lent.begin(make_call())
    lent.peer.begin(await lent.peer.call())
    lent.peer.child.exit(-9)
    lent.peer.worker.exited(Exit(-9))
    fault = await answer
    assert isinstance(fault, WorkerLost)
    assert "signal 9" in fault.detail


async def test_a_call_to_a_worker_that_is_dead_already_goes_to_another(shop: Open) -> None:
    lent = await lend(shop)
    other = await lent.here.hire()
    lent.peer.child.exit(1)
    answer = lent.begin(make_call())
    other.answer(await other.call(), b"other")
    assert await answer == b"other"


async def test_a_condemned_worker_lets_its_borrower_go(shop: Open) -> None:
    lent = await lend(shop)
    answer = lent.begin(make_call())
    lent.peer.begin(await lent.peer.call())
    lent.peer.child.on_kill = lambda: None
    lent.peer.worker.condemn("the host is stopping")
    assert "the host is stopping" in (await answer).detail


async def test_nonsense_on_the_wire_ends_the_worker(shop: Open) -> None:
    lent = await lend(shop)
    answer = lent.begin(make_call())
    lent.peer.begin(await lent.peer.call())
    lent.peer.send(encode(Frame(Kind.HELLO, codec=1, body=b"{}")))
    assert "broke the protocol" in (await answer).detail
    assert lent.peer.child.killed


async def test_a_call_that_cannot_be_sent_gets_its_fault_and_the_lease_lives_on(shop: Open) -> None:
    lent = await lend(shop)
    assert isinstance(await lent.begin(make_call(body=bytes(65 << 20))), InvalidArgument)
    assert await lent.call() == b"1"


async def test_who_waits_for_a_lent_worker_gets_it_after_the_call(shop: Open) -> None:
    lent = await lend(shop)
    answer = lent.begin(make_call())
    frame = await lent.peer.call()
    waiting = lent.here.pool(make_call())
    assert lent.lease.wanted
    lent.peer.answer(frame)
    assert await answer == b"1"
    lent.peer.answer(await lent.peer.call(), b"2")
    assert (await waiting).body == b"2"


async def test_a_lent_worker_that_has_run_its_calls_is_given_back(shop: Open) -> None:
    lent = await lend(shop, recycle_calls=2)
    for _ in range(2):
        await lent.call()
    await until(lambda: lent.here.crew.gone)


async def test_a_lease_serves_one_thread_at_a_time(shop: Open) -> None:
    lent = await lend(shop)
    answer = lent.begin(make_call())
    frame = await lent.peer.call()
    assert lent.lease.call(make_call()) is None
    assert not lent.lease.reclaim()
    lent.peer.answer(frame)
    await answer
    await until(lambda: lent.lease.worker is None)
    assert lent.lease.call(make_call()) is None


class Interruption(BaseException):
    pass


@pytest.mark.parametrize("size", [10, 30 << 20])
async def test_an_interrupted_caller_leaves_no_half_read_answer_behind(shop: Open, size: int) -> None:
    lent = await lend(shop)
    outcome: list[object] = []

    def interrupt(_: int, __: object) -> None:
        raise Interruption

    previous = signal.signal(signal.SIGUSR1, interrupt)
    main = threading.get_ident()
    reached = threading.Event()
    proceed = threading.Thread(target=strike, args=(main, reached, lent.peer, size))
    proceed.start()
    try:
        reached.set()
        lent.lease.call(make_call(body=bytes(size), timeout_s=20.0))
    except Interruption as error:
        outcome.append(error)
    finally:
        proceed.join()
        signal.signal(signal.SIGUSR1, previous)
    assert outcome
    await until(lambda: not lent.here.pool.leases)
    if size == 10:
        cancel = await lent.peer.next(Kind.CANCEL)
        lent.peer.fail(Frame(Kind.CALL, call=cancel.call), Fault.cancelled("stopped"))
        again = lent.here.pool(make_call())
        lent.peer.answer(await lent.peer.call(), b"clean")
        assert (await again).body == b"clean"
    else:
        await until(lambda: lent.peer.child.killed)


def strike(main: int, reached: threading.Event, peer: Peer, size: int) -> None:
    """Signal the main thread once its call is on the wire, or stuck half-way."""
    reached.wait(5)
    if size == 10:
        frames: list[Frame] = []
        while not any(frame.kind == Kind.CALL for frame in frames):
            frames = list(peer.read())
        for frame in frames:
            if frame.kind == Kind.CALL:
                peer.begin(frame)
    else:
        select.select([peer.sock], [], [], 5)
    signal.pthread_kill(main, signal.SIGUSR1)
