import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dragoman.core.call import Reply
from dragoman.core.fault import Cancelled, Fault, Internal, NotFound
from dragoman.core.service import Pending, settle


def test_a_callback_runs_at_once_where_it_is_settled() -> None:
    pending, seen = Pending(), list[Any]()
    pending.then(lambda settled: seen.append(("first", settled.reply)))
    pending.then(lambda settled: seen.append(("second", settled.reply)))
    pending.then(lambda settled: seen.append(("third", settled.reply)))
    reply = Reply(b"1")
    pending.resolve(reply)
    assert seen == [("first", reply), ("second", reply), ("third", reply)]
    pending.then(lambda _: seen.append("late"))
    assert seen[-1] == "late"


def test_the_first_answer_stands() -> None:
    pending = Pending()
    pending.fail(NotFound("no"))
    pending.resolve(Reply(b""))
    pending.fail(Internal("later"))
    assert pending.done
    with pytest.raises(NotFound):
        pending.result()


def test_cancelling_asks_whoever_runs_it_until_it_is_settled() -> None:
    pending, asked = Pending(), list[int]()
    pending.on_cancel = lambda: asked.append(1)
    pending.cancel()
    pending.resolve(Reply(b""))
    pending.cancel()
    assert asked == [1]


def test_a_layer_can_tell_that_the_caller_had_left_before_the_answer_came() -> None:
    left, stayed, seen = Pending(), Pending(), list[bool]()
    for pending in (left, stayed):
        pending.then(lambda settled: seen.append(settled.cancelled))
    left.cancel()
    left.fail(NotFound("whoever ran it failed in another way, just then"))
    stayed.resolve(Reply(b""))
    stayed.cancel()
    assert seen == [True, False]
    assert not stayed.cancelled


async def test_a_callback_that_raises_harms_neither_the_settler_nor_the_other_callbacks() -> None:
    complaints, seen = list[dict[str, Any]](), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def broken(_: Pending) -> None:
        raise RuntimeError("broken listener")

    pending = Pending()
    pending.then(broken)
    pending.then(broken)
    pending.then(lambda _: seen.append("heard"))
    pending.resolve(Reply(b""))
    assert seen == ["heard"]
    assert [str(context["exception"]) for context in complaints] == ["broken listener"] * 2


async def test_awaiting_gives_the_reply_or_raises_the_fault() -> None:
    pending = Pending()
    asyncio.get_running_loop().call_soon(pending.resolve, Reply(b"7"))
    assert (await pending).body == b"7"
    with pytest.raises(NotFound):
        await Pending.failed(NotFound("no"))


async def test_a_waiter_that_is_cancelled_cancels_the_call() -> None:
    pending, asked = Pending(), list[int]()
    pending.on_cancel = lambda: asked.append(1)

    async def wait() -> None:
        await pending

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert asked == [1]


class Closing:
    """A stream that notes when it is closed, and fails at that."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("nobody is there to read it")

    async def aclose(self) -> None:
        self.closed.set()
        raise NotFound("the function's own clean-up failed")


@pytest.mark.parametrize("first", ["answer", "cancel"])
async def test_a_stream_that_comes_as_its_waiter_leaves_is_closed(first: str) -> None:
    complaints, pending, items = list[dict[str, Any]](), Pending(), Closing()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    task = asyncio.ensure_future(pending_result(pending))
    await asyncio.sleep(0)
    steps = [lambda: pending.resolve(Reply(b"", items=items)), task.cancel]
    for step in steps if first == "answer" else reversed(steps):
        step()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(items.closed.wait(), 5)
    del task
    gc.collect()
    assert not complaints


async def test_a_pending_is_settled_as_itself() -> None:
    pending = Pending()
    assert settle(pending) is pending


@pytest.mark.parametrize(
    ("raised", "kind"), [(NotFound("no"), NotFound), (ZeroDivisionError("oops"), Internal), (None, None)]
)
async def test_any_awaitable_becomes_a_pending(raised: Exception | None, kind: type[Fault] | None) -> None:
    async def serve() -> Reply:
        if raised is not None:
            raise raised
        return Reply(b"1")

    pending = settle(serve())
    with contextlib.suppress(Fault):
        await pending
    assert type(pending.fault) is (kind or type(None))
    assert (pending.reply is None) is (kind is not None)


async def test_cancelling_a_settled_coroutine_stops_it() -> None:
    stopped = asyncio.Event()

    async def serve() -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return Reply(b"")

    pending = settle(serve())
    await asyncio.sleep(0)
    pending.cancel()
    with pytest.raises(Cancelled):
        await pending
    assert stopped.is_set()


def test_a_held_outcome_reaches_those_after_only_when_it_is_released() -> None:
    pending, seen = Pending(), list[Any]()
    pending.then(lambda settled: seen.append(("inside", settled.fault)))
    pending.then(lambda settled: settled.hold())
    pending.then(lambda settled: seen.append(("outside", settled.reply)))
    first, second = NotFound("no"), Reply(b"2")
    pending.fail(first)
    assert seen == [("inside", first)]
    pending.then(lambda settled: seen.append(("later", settled.reply)))
    pending.resolve(Reply(b"of whoever ran it, who is done"))
    pending.release(second)
    pending.release(Reply(b"again"))
    assert seen == [("inside", first), ("outside", second), ("later", second)]
    assert pending.result() is second


def test_an_outcome_may_be_held_and_released_by_the_same_callback() -> None:
    pending, seen = Pending(), list[Any]()

    def replace(settled: Pending) -> None:
        settled.hold()
        settled.release(Reply(b"other"))

    pending.then(replace)
    for _ in range(3):
        pending.then(lambda settled: seen.append(settled.result().body))
    pending.fail(Internal("no"))
    assert seen == [b"other"] * 3


def test_an_outcome_may_be_held_again_further_out() -> None:
    pending, seen = Pending(), list[Any]()
    for _ in range(3):
        pending.then(Pending.hold)
    pending.then(lambda settled: seen.append(settled.fault))
    pending.resolve(Reply(b""))
    fault = NotFound("last")
    for outcome in (Reply(b"1"), Reply(b"2"), fault):
        assert seen == []
        pending.release(outcome)
    assert seen == [fault]


def test_what_was_refused_at_once_may_be_held_too() -> None:
    pending, seen, asked = Pending.failed(NotFound("no")), list[Any](), list[int]()
    pending.then(Pending.hold)
    pending.on_cancel = lambda: asked.append(1)
    pending.then(lambda settled: seen.append(settled.reply))
    pending.cancel()
    assert (seen, asked) == ([], [1])
    reply = Reply(b"")
    pending.release(reply)
    assert seen == [reply]


async def test_whoever_awaits_a_held_outcome_gets_the_released_one() -> None:
    pending = Pending()
    pending.then(Pending.hold)
    pending.fail(NotFound("no"))
    waiting = asyncio.ensure_future(pending_result(pending))
    await asyncio.sleep(0)
    assert not waiting.done()
    pending.release(Reply(b"yes"))
    assert (await waiting).body == b"yes"


async def pending_result(pending: Pending) -> Reply:
    return await pending
