import os
from dataclasses import replace
from typing import Any

import pytest

from dragoman.core.fault import (
    Cancelled,
    Code,
    DeadlineExceeded,
    Fault,
    InvalidArgument,
    NotFound,
    Started,
    Unavailable,
    WorkerLost,
)
from dragoman.sandbox.confinement import Exit
from dragoman.wire.frame import Flag, Frame, Kind, encode
from dragoman.workers.lifecycle import State
from tests.workers.conftest import Open
from tests.workers.peer import Peer, Shop, answer_of, make_call, until


async def quick(shop: Open, count: int = 40, **options: Any) -> tuple[Shop, Peer]:
    """A shop whose one worker has proved quick, so that calls are sent ahead."""
    here = shop(**options)
    peer = await here.hire()
    for _ in range(count):
        pending = here.pool(make_call())
        peer.answer(await peer.call(), run_us=5)
        await answer_of(pending)
    assert peer.worker.window > 8
    return here, peer


async def test_a_call_and_its_answer_cross_the_wire(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    call = make_call(body=b'{"a":1}', index=3, timeout_s=2.0)
    pending = here.pool(call)
    frame = await peer.call()
    assert (frame.call, frame.function, frame.body) == (call.id, 3, b'{"a":1}')
    assert 0 < frame.amount <= 2000
    peer.answer(frame, b"42", run_us=1500)
    reply = await pending
    assert (reply.body, reply.run_s) == (b"42", 0.0015)
    assert reply.queue_s >= 0


async def test_a_fault_keeps_what_the_guest_said_and_gets_the_functions_name(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call("g"))
    peer.fail(await peer.call(), Fault.failed_precondition("not yet"))
    fault = await answer_of(pending)
    assert (fault.code.value, fault.detail, fault.function, fault.remote) == (
        "FAILED_PRECONDITION",
        "not yet",
        "s.g",
        False,
    )


async def test_a_fault_that_cannot_be_read_ends_its_worker(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    frame = await peer.call()
    peer.begin(frame)
    peer.send(encode(Frame(Kind.FAULT, codec=1, call=frame.call, body=b"[]")))
    fault = await answer_of(pending)
    assert isinstance(fault, Unavailable)
    assert "broke the protocol" in fault.detail


async def test_calls_are_sent_ahead_only_to_workers_that_prove_quick(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    assert peer.worker.window == 1
    here, peer = await quick(shop)
    pending = [here.pool(make_call()) for _ in range(3)]
    frames = [await peer.call() for _ in pending]
    assert not here.crew.wants
    for frame in frames:
        peer.answer(frame)
    assert [await answer_of(each) for each in pending] == [b"1"] * 3


async def test_calls_are_not_sent_ahead_to_a_guest_that_cannot_give_them_back(shop: Open) -> None:
    here = shop()
    peer = await here.hire("progress")
    for _ in range(20):
        pending = here.pool(make_call())
        peer.answer(await peer.call(), run_us=1)
        await answer_of(pending)
    assert peer.worker.window == 1


async def test_what_was_sent_ahead_of_a_slow_call_is_asked_back(shop: Open) -> None:
    here, peer = await quick(shop)
    call = make_call()
    peer.begin(call)
    slow, behind = here.pool(call), here.pool(make_call())
    first, second = await peer.call(), await peer.call()
    revoke = await peer.next(Kind.CANCEL)
    assert (revoke.call, revoke.flags) == (second.call, Flag.UNSTARTED)
    peer.fail(second, Fault.aborted("back"), unstarted=True)
    other = await here.hire()
    peer_answer = await other.call()
    assert peer_answer.call == second.call
    other.answer(peer_answer, b"2")
    assert await answer_of(behind) == b"2"
    peer.answer(first)
    assert await answer_of(slow) == b"1"


async def test_a_worker_that_chats_is_slow_all_the_same(shop: Open) -> None:
    here, peer = await quick(shop)
    call = make_call()
    peer.begin(call)
    for each in (call, make_call()):
        here.pool(each)
    first = await peer.call()

    def chat() -> bool:
        peer.send(peer.connection.event(b'{"log": {"message": "still here"}}', first.call))
        return any(frame.kind == Kind.CANCEL for frame in peer.read())

    await until(chat)


async def test_at_a_death_begun_calls_fail_and_the_others_go_elsewhere(shop: Open) -> None:
    here, peer = await quick(shop)
    other = await here.hire()
    here.pool.workers.remove(other.worker)
    calls = [make_call() for _ in range(4)]
    peer.begin(calls[1])
    blocker, *pending = [here.pool(call) for call in calls]
    here.pool.workers.append(other.worker)
    for _ in calls:
        await peer.call()
    peer.child.exit(-9)
    peer.worker.exited(Exit(-9))
    for each in (blocker, pending[0]):
        fault = await answer_of(each)
        assert isinstance(fault, WorkerLost)
        assert fault.started is Started.YES
        assert "signal 9" in fault.detail
    for each in pending[1:]:
        other.answer(await other.call(), b"3")
        assert await answer_of(each) == b"3"


async def test_a_guest_without_a_page_may_have_begun_everything(shop: Open) -> None:
    here = shop(concurrency=2)
    peer = await here.hire("revoke")
    pending = here.pool(make_call())
    await peer.call()
    peer.child.exit(3)
    peer.worker.exited(Exit(3))
    fault = await answer_of(pending)
    assert (type(fault), fault.started) == (WorkerLost, Started.YES)


async def test_answers_that_came_before_the_end_count(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    peer.answer(await peer.call(), b"5")
    peer.child.exit(0)
    peer.worker.exited(Exit(0))
    assert await answer_of(pending) == b"5"


async def test_a_worker_that_lost_its_wire_is_explained(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    peer.begin(await peer.call())
    peer.child.exit(74)
    peer.worker.exited(Exit(74))
    assert "did user code close it" in (await answer_of(pending)).detail


async def test_a_call_past_its_deadline_is_answered_then_cancelled_then_killed(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call(timeout_s=0.03))
    frame = await peer.call()
    peer.begin(frame)
    fault = await answer_of(pending)
    assert (type(fault), fault.started) == (DeadlineExceeded, Started.YES)
    assert not peer.child.killed
    cancel = await peer.next(Kind.CANCEL)
    assert (cancel.call, cancel.flags) == (frame.call, 0)
    await until(lambda: peer.child.killed)
    assert "did not stop" in peer.worker.stopping_reason


async def test_a_worker_that_gives_a_cancelled_call_up_lives_on(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    frame = await peer.call()
    peer.begin(frame)
    pending.cancel()
    assert isinstance(await answer_of(pending), Cancelled)
    await peer.next(Kind.CANCEL)
    peer.fail(frame, Fault.cancelled("stopped"))
    again = here.pool(make_call())
    peer.answer(await peer.call())
    assert await answer_of(again) == b"1"
    assert not peer.child.killed


async def test_a_late_call_that_had_not_begun_is_asked_back_and_its_worker_spared(shop: Open) -> None:
    here, peer = await quick(shop)
    call = make_call()
    peer.begin(call)
    running, late = here.pool(call), here.pool(make_call(timeout_s=0.001))
    first, second = await peer.call(), await peer.call()
    fault = await answer_of(late)
    assert (type(fault), fault.started) == (DeadlineExceeded, Started.UNKNOWN)
    revoke = await peer.next(Kind.CANCEL)
    assert revoke.flags == Flag.UNSTARTED
    peer.fail(second, Fault.aborted("back"), unstarted=True)
    peer.answer(first)
    assert await answer_of(running) == b"1"
    assert not peer.child.killed


async def test_a_late_call_that_began_as_it_was_asked_back_is_cancelled_after_all(shop: Open) -> None:
    here, peer = await quick(shop)
    late = here.pool(make_call(timeout_s=0.001))
    frame = await peer.call()
    assert isinstance(await answer_of(late), DeadlineExceeded)
    revoke = await peer.next(Kind.CANCEL)
    peer.begin(frame)
    cancel = await peer.next(Kind.CANCEL)
    assert (revoke.flags, cancel.flags) == (Flag.UNSTARTED, 0)
    await until(lambda: peer.child.killed)


async def test_a_worker_that_begins_nothing_and_answers_nothing_is_replaced(shop: Open) -> None:
    here, peer = await quick(shop)
    late, waiting = here.pool(make_call(timeout_s=0.02)), here.pool(make_call())
    assert isinstance(await answer_of(late), DeadlineExceeded)
    await until(lambda: peer.child.killed)
    other = await here.hire()
    other.answer(await other.call(), b"9")
    assert await answer_of(waiting) == b"9"


async def test_a_call_that_is_too_large_for_the_wire_gets_a_fault_and_harms_no_other(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    fault = await answer_of(here.pool(make_call(body=bytes(65 << 20))))
    assert isinstance(fault, InvalidArgument)
    assert "too large" in fault.detail
    good = here.pool(make_call())
    peer.answer(await peer.call())
    assert await answer_of(good) == b"1"


async def test_functions_are_found_by_name_in_a_manifest_that_differs(shop: Open) -> None:
    here = shop()
    peer = await here.hire(indexes={"g": 7})
    moved, missing = here.pool(make_call("g", index=0)), make_call("f")
    frame = await peer.call()
    assert frame.function == 7
    peer.answer(frame)
    assert await answer_of(moved) == b"1"
    fault = await answer_of(here.pool(missing))
    assert (type(fault), fault.started, fault.function) == (NotFound, Started.NO, "s.f")


async def test_a_call_that_meets_its_workers_farewell_goes_to_another(shop: Open) -> None:
    here = shop()
    peer, other = await here.hire(), await here.hire()
    here.pool.workers.remove(other.worker)
    first = here.pool(make_call())
    frame = await peer.call()
    second: list[Any] = []
    first.then(lambda _: second.append(here.pool(make_call())))
    peer.send(peer.connection.end(frame.call, 1, b"1") + peer.connection.drain())
    here.pool.workers.append(other.worker)
    other.answer(await other.call(), b"2")
    assert await answer_of(second[0]) == b"2"
    assert peer.worker.state is not State.READY
    assert peer.worker.retired


async def test_a_guest_that_leaves_unasked_is_lost_with_its_calls(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    peer.begin(await peer.call())
    peer.send(encode(Frame(Kind.BYE)))
    assert "broke the protocol" in (await answer_of(pending)).detail


async def test_streamed_items_come_with_credit_and_an_end(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call(streaming=True))
    frame = await peer.call()
    peer.begin(frame)
    item = bytes(100_000)
    for _ in range(2):
        peer.send(peer.connection.item(frame.call, 1, item))
    stream = await answer_of(pending)
    assert [await anext(stream), await anext(stream)] == [item, item]
    credit = await peer.next(Kind.CREDIT)
    assert credit.amount > len(item)
    peer.send(peer.connection.end(frame.call, 1, b""))
    assert [each async for each in stream] == []


async def test_a_stream_of_tiny_items_never_runs_out_of_credit(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call(streaming=True))
    frame = await peer.call()
    peer.begin(frame)
    sent, taken = 0, 0
    stream: Any = None
    while taken < 30_000:
        peer.read()
        burst: list[bytes] = []
        while peer.connection.credit_of(frame.call) > 0 and len(burst) < 500:
            burst.append(peer.connection.item(frame.call, 1, b"1"))
        sent += len(burst)
        peer.send(*burst)
        stream = stream or await answer_of(pending)
        while taken < sent:
            taken += len(await stream.batch())
        await until(lambda: has_credit(peer, frame.call))
    await stream.aclose()


def has_credit(peer: Peer, call: int) -> bool:
    peer.read()
    return peer.connection.credit_of(call) > 0


async def test_a_reply_in_place_of_a_stream_is_a_stream_of_one(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call(streaming=True))
    frame = await peer.call()
    peer.send(peer.connection.end(frame.call, 1, b"7"))
    assert [each async for each in await answer_of(pending)] == [b"7"]


async def test_a_stream_that_is_closed_is_cancelled_in_its_worker(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call(streaming=True))
    frame = await peer.call()
    peer.begin(frame)
    peer.send(peer.connection.item(frame.call, 1, b"1"))
    stream = await answer_of(pending)
    await stream.aclose()
    assert (await peer.next(Kind.CANCEL)).call == frame.call
    peer.fail(frame, Fault.cancelled("stopped"))
    await until(lambda: not peer.worker.in_flight)


async def test_a_stream_that_its_page_denies_is_cancelled_and_not_asked_back(shop: Open) -> None:
    here, peer = await quick(shop)
    pending = here.pool(make_call(streaming=True))
    frame = await peer.call()
    peer.send(peer.connection.item(frame.call, 1, b"1"))
    stream = await answer_of(pending)
    await stream.aclose()
    assert (await peer.next(Kind.CANCEL)).flags == 0


async def test_a_stream_is_told_of_its_workers_death(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call(streaming=True))
    frame = await peer.call()
    peer.begin(frame)
    peer.send(peer.connection.item(frame.call, 1, b"1"))
    stream = await answer_of(pending)
    peer.child.exit(-11)
    peer.worker.exited(Exit(-11))
    assert await anext(stream) == b"1"
    with pytest.raises(WorkerLost, match="signal 11"):
        await anext(stream)


async def test_drained_it_leaves_after_its_calls(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    frame = await peer.call()
    peer.begin(frame)
    here.pool.release(peer.worker)
    await peer.next(Kind.DRAIN)
    peer.answer(frame)
    assert await answer_of(pending) == b"1"
    peer.send(peer.connection.bye())
    peer.hang_up()
    await until(lambda: peer.worker.state is State.GONE)
    assert here.crew.dead == [peer.worker]


@pytest.mark.parametrize("grace_s", [0.0, 0.05])
async def test_the_grace_is_the_pools(shop: Open, grace_s: float) -> None:
    here = shop(cancel_grace_s=grace_s)
    assert here.pool.options == replace(here.pool.options, cancel_grace_s=grace_s)
    peer = await here.hire()
    pending = here.pool(make_call(timeout_s=0.01))
    peer.begin(await peer.call())
    await answer_of(pending)
    await until(lambda: peer.child.killed)


async def test_several_run_at_once_and_more_are_sent_ahead(shop: Open) -> None:
    here, peer = await quick(shop, concurrency=4)
    pending = [here.pool(make_call()) for _ in range(20)]
    for _ in pending:
        peer.answer(await peer.call())
    assert [await answer_of(each) for each in pending] == [b"1"] * 20
    assert not here.crew.wants


async def test_a_call_that_overtook_others_tells_that_they_have_begun(shop: Open) -> None:
    here, peer = await quick(shop, concurrency=4)
    calls = [make_call() for _ in range(8)]
    peer.begin(calls[2])
    pending = [here.pool(call) for call in calls]
    frames = [await peer.call() for _ in calls]
    peer.answer(frames[2])
    assert await answer_of(pending[2]) == b"1"
    assert list(peer.worker.begun()) == [calls[0].id, calls[1].id]
    other = await here.hire()
    peer.child.exit(-9)
    peer.worker.exited(Exit(-9))
    for each in pending[:2]:
        fault = await answer_of(each)
        assert (fault.code, fault.started) == (Code.UNAVAILABLE, Started.YES)
    for each in pending[3:]:
        other.answer(await other.call(), b"2")
        assert await answer_of(each) == b"2"


async def test_a_call_that_was_refused_tells_that_those_before_it_have_begun(shop: Open) -> None:
    here, peer = await quick(shop, concurrency=4)
    calls = [make_call() for _ in range(3)]
    peer.begin(calls[1])
    pending = [here.pool(call) for call in calls]
    frames = [await peer.call() for _ in calls]
    peer.fail(frames[1], InvalidArgument("no", started=Started.NO))
    assert isinstance(await answer_of(pending[1]), InvalidArgument)
    assert list(peer.worker.begun()) == [calls[0].id]


async def test_a_long_call_beside_others_that_end_is_no_stall(shop: Open) -> None:
    here, peer = await quick(shop, concurrency=2)
    calls = [make_call() for _ in range(4)]
    pending = [here.pool(call) for call in calls]
    frames = [await peer.call() for _ in calls]
    assert peer.worker.running() == (calls[0].id, calls[1].id)
    peer.answer(frames[1])
    await answer_of(pending[1])
    assert peer.worker.running() == (calls[0].id, calls[2].id)


async def test_where_a_page_says_nonsense_everything_may_have_begun(shop: Open) -> None:
    here, peer = await quick(shop)
    calls = [make_call() for _ in range(3)]
    for call in calls:
        here.pool(call)
    os.pwrite(peer.page, b"nonsense", 0)
    assert list(peer.worker.begun()) == [call.id for call in calls]
