import asyncio
import gc
from typing import Any

from dragoman.core.call import Call, Reply
from dragoman.core.fault import Cancelled, DeadlineExceeded, Draining, Overloaded, Started, StartFailed, WorkerLost
from dragoman.core.service import Pending
from dragoman.sandbox.confinement import Exit
from dragoman.wire.frame import Kind
from dragoman.workers.exchange import Exchange
from dragoman.workers.pool import DEATHS_MAX
from tests.workers.conftest import Open
from tests.workers.peer import answer_of, make_call, until


async def test_a_free_worker_takes_the_call_and_others_wait_their_turn(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = [here.pool(make_call()) for _ in range(3)]
    assert (here.pool.in_flight, len(here.pool.line), here.crew.wants) == (1, 2, 2)
    for number, each in enumerate(pending):
        peer.answer(await peer.call(), b"%d" % number)
        assert await answer_of(each) == b"%d" % number
    assert here.pool.idle


async def test_the_worker_with_the_least_to_do_is_chosen(shop: Open) -> None:
    here = shop(concurrency=3)
    first, second = await here.hire(), await here.hire()
    for _ in range(4):
        here.pool(make_call())
    assert (len(first.worker.in_flight), len(second.worker.in_flight)) == (2, 2)


async def test_a_full_line_refuses_at_once_and_says_so(shop: Open) -> None:
    here = shop(queue=1)
    await here.hire()
    for _ in range(2):
        here.pool(make_call())
    refused = here.pool(make_call())
    assert isinstance(refused.fault, Overloaded)
    assert refused.fault.started is Started.NO
    assert "queue = 1" in refused.fault.detail
    assert refused.fault.retry_after_s


async def test_a_call_that_waits_past_its_deadline_never_ran(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    here.pool(make_call())
    await peer.call()
    late = await answer_of(here.pool(make_call(timeout_s=0.02)))
    assert (type(late), late.started) == (DeadlineExceeded, Started.NO)
    assert "waited its whole 0.02s timeout" in late.detail
    assert len(here.pool.line) == 0


async def test_a_caller_that_leaves_the_line_makes_room(shop: Open) -> None:
    here = shop(queue=1)
    peer = await here.hire()
    here.pool(make_call())
    leaver = here.pool(make_call())
    leaver.cancel()
    assert isinstance(leaver.fault, Cancelled)
    assert leaver.fault.started is Started.NO
    stayer = here.pool(make_call())
    for _ in range(2):
        peer.answer(await peer.call())
    assert await answer_of(stayer) == b"1"


async def test_without_workers_callers_hear_why(shop: Open) -> None:
    here = shop()
    here.crew.fault = StartFailed("no such module", retry_after_s=2.0)
    refused = here.pool(make_call("g"))
    assert isinstance(refused.fault, StartFailed)
    assert refused.fault.function == "s.g"


async def test_those_in_line_hear_that_nobody_will_come(shop: Open) -> None:
    here = shop()
    waiting = here.pool(make_call())
    here.pool.fail_waiting(StartFailed("broken", retry_after_s=1.0))
    assert isinstance(waiting.fault, StartFailed)
    assert (waiting.fault.started, waiting.fault.retry_after_s) == (Started.NO, 1.0)


async def test_a_closed_pool_refuses(shop: Open) -> None:
    here = shop()
    waiting = here.pool(make_call())
    here.pool.close()
    assert isinstance(waiting.fault, Draining)
    assert isinstance(here.pool(make_call()).fault, Draining)
    assert here.pool.lend() is None


async def test_a_call_given_back_to_a_closed_pool_is_answered(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    for _ in range(40):
        pending = here.pool(make_call())
        peer.answer(await peer.call(), run_us=1)
        await answer_of(pending)
    pending = here.pool(make_call())
    frame = await peer.call()
    here.pool.close()
    here.pool.release(peer.worker)
    await peer.next(Kind.CANCEL)
    peer.fail(frame, Cancelled("back"), unstarted=True)
    assert isinstance(await answer_of(pending), Draining)


async def test_a_retired_pool_sends_on_what_it_has_no_worker_for(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    sent_on: list[Any] = []

    def successor(call: Any) -> Pending:
        sent_on.append(call)
        pending = Pending()
        pending.resolve(Reply(b"new"))
        return pending

    running = here.pool(make_call())
    here.pool.retire(successor)
    assert await answer_of(here.pool(make_call())) == b"new"
    assert here.pool.lend() is None
    here.pool.close()
    assert await answer_of(here.pool(make_call())) == b"new"
    peer.answer(await peer.call(), b"old")
    assert await answer_of(running) == b"old"
    assert len(sent_on) == 2


async def test_a_call_whose_workers_keep_dying_before_they_begin_it_is_given_up(shop: Open) -> None:
    here = shop()
    pending = here.pool(make_call())
    for _ in range(DEATHS_MAX):
        peer = await here.hire()
        await peer.call()
        peer.child.exit(1)
        peer.worker.exited(Exit(1))
    fault = await answer_of(pending)
    assert (type(fault), fault.started) == (WorkerLost, Started.NO)


async def test_callers_hear_of_a_death_even_where_no_exit_is_known(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    peer.begin(await peer.call())
    peer.hang_up()
    assert "it closed its connection" in (await answer_of(pending)).detail


async def test_a_deadline_that_passes_over_a_dead_worker_is_answered_once(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call(timeout_s=0.05))
    peer.begin(await peer.call())
    peer.hang_up()
    fault = await answer_of(pending)
    assert (type(fault), fault.started) == (DeadlineExceeded, Started.YES)
    await until(lambda: here.crew.dead)


async def test_what_a_dying_worker_had_asked_for_meets_no_dead_worker(shop: Open) -> None:
    here = shop()
    peer, other = await here.hire(), await here.hire()
    peer.send(peer.connection.call_header(1 << 63, 0, 1, 2, 0, b"\x04\x03\x00t.g") + b"{}")
    await until(lambda: here.asked)
    follow_up: list[Pending] = []
    here.answers[0].on_cancel = lambda: follow_up.append(here.pool(make_call()))
    peer.child.exit(1)
    await until(lambda: follow_up)
    other.answer(await other.call(), b"alive")
    assert await answer_of(follow_up[0]) == b"alive"


async def test_a_worker_that_has_run_its_calls_is_let_go(shop: Open) -> None:
    here = shop(recycle_calls=2)
    peer = await here.hire()
    for _ in range(2):
        pending = here.pool(make_call())
        peer.answer(await peer.call())
        await answer_of(pending)
    await until(lambda: here.crew.gone)
    assert here.crew.gone == ["it has run 2 calls"]
    assert not here.pool.workers


async def test_a_pool_is_not_idle_while_a_worker_that_was_let_go_still_runs_a_call(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call(timeout_s=0.05))
    peer.begin(await peer.call())
    here.pool.release(peer.worker)
    assert not here.pool.idle
    assert here.pool.in_flight == 1
    assert isinstance(await answer_of(pending), DeadlineExceeded)


async def test_only_a_worker_with_nothing_in_progress_is_lent(shop: Open) -> None:
    here = shop()
    assert here.pool.lend() is None
    peer = await here.hire()
    pending = here.pool(make_call())
    assert here.pool.lend() is None
    peer.answer(await peer.call())
    await answer_of(pending)
    peer.worker.channel.send(b"")
    assert here.pool.lend() is None
    await until(lambda: peer.worker.channel.idle)
    lease = here.pool.lend()
    assert lease is not None
    assert not here.pool.workers
    assert lease.reclaim()
    assert here.crew.inspected == [peer.worker]


async def test_a_call_on_the_loop_takes_an_unused_lent_worker_back(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    assert here.pool.lend() is not None
    pending = here.pool(make_call())
    peer.answer(await peer.call())
    assert await answer_of(pending) == b"1"
    assert not here.pool.leases


async def test_nothing_of_a_call_outlives_it(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    gc.collect()
    others = [each for each in gc.get_objects() if isinstance(each, Call | Exchange)]

    async def call() -> None:
        pending = here.pool(make_call(body=b"[]", timeout_s=60.0))
        peer.answer(await peer.call())
        await answer_of(pending)

    for _ in range(50):
        await call()
    peer.taken.clear()
    gc.collect()
    left = [each for each in gc.get_objects() if isinstance(each, Call | Exchange)]
    assert all(any(each is other for other in others) for each in left)


async def test_callers_that_wait_together_are_each_answered_once(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    answers: list[bytes] = []
    for _ in range(20):
        here.pool(make_call()).then(lambda settled: answers.append(bytes(settled.result().body)))
    for number in range(20):
        peer.answer(await peer.call(), b"%d" % number)
    await until(lambda: len(answers) == 20)
    await asyncio.sleep(0)
    assert answers == [b"%d" % number for number in range(20)]


async def test_a_single_use_worker_is_told_to_leave_with_its_only_call(shop: Open) -> None:
    here = shop(single_use=True, workers_max=4)
    first, second = await here.hire(), await here.hire()
    pending = [here.pool(make_call()) for _ in range(3)]
    assert here.pool.workers == []
    assert (here.pool.at_work, here.pool.in_flight, len(here.pool.line)) == (2, 2, 1)
    for peer, each in zip((first, second), pending, strict=False):
        call = await peer.call()
        await peer.next(Kind.DRAIN)
        peer.answer(call, b"once")
        assert await answer_of(each) == b"once"
    assert here.crew.used == [(first.worker, 1), (second.worker, 1), (first.worker, 0), (second.worker, 0)]
    assert (here.pool.at_work, len(here.pool.line)) == (0, 1)
    third = await here.hire()
    third.answer(await third.call(), b"fresh")
    assert await answer_of(pending[2]) == b"fresh"


async def test_a_caller_that_calls_again_at_once_gets_another_single_use_worker(shop: Open) -> None:
    here = shop(single_use=True)
    first, second = await here.hire(), await here.hire()
    answered = here.pool(make_call())
    again: list[Pending] = []
    answered.then(lambda _: again.append(here.pool(make_call())))
    first.answer(await first.call())
    await answer_of(answered)
    second.answer(await second.call(), b"2")
    assert await answer_of(again[0]) == b"2"
    assert len([frame for frame in first.taken if frame.kind == Kind.CALL]) == 1


async def test_a_single_use_worker_that_could_not_be_sent_its_call_has_another(shop: Open) -> None:
    here = shop(single_use=True)
    peer = await here.hire()
    refused = here.pool(make_call(body=bytes(1 << 30)))
    assert refused.fault is not None
    assert here.pool.workers == [peer.worker]


async def test_a_single_use_worker_is_not_lent(shop: Open) -> None:
    here = shop(single_use=True)
    await here.hire()
    assert here.pool.lend() is None
