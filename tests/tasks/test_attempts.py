from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from dragoman.core.call import Codec, Priority, Reply
from dragoman.core.deadline import NEVER
from dragoman.core.fault import Aborted, DeadlineExceeded, Overloaded, Started, Unknown
from dragoman.core.items import GATHERED_BYTES_MAX
from dragoman.tasks import attempts
from dragoman.tasks.run import run_of
from dragoman.tasks.state import State, Step
from dragoman.tasks.task import US, Query
from dragoman.tasks.vigil import INTERVAL_S_MAX
from tests.tasks.workshop import QUICK, Full, Workshop, desk, echo, runner_of, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dragoman.core.call import Call


class Items:
    """A streamed reply of some items."""

    def __init__(self, items: list[bytes]) -> None:
        self._items = items
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for item in self._items:
            yield item

    async def aclose(self) -> None:
        self.closed = True


async def test_a_task_runs_as_a_call_and_its_reply_is_its_result(tmp_path: Path) -> None:
    calls: list[Call] = []

    async def remember(call: Call) -> Reply:
        calls.append(call)
        return await echo(call)

    async with desk(tmp_path) as at, running(at, Workshop({"w.f": remember})):
        (id_,) = await at.submit("w.f", caller="me", attempt_s=5.0, codec=Codec.MSGPACK)
        task = await at.over(id_)
    assert (task.state, task.result, task.result_codec, task.attempts) == (State.SUCCEEDED, b"0", Codec.MSGPACK, 1)
    (call,) = calls
    assert (call.caller, call.public_id) == ("me", id_)
    assert call.deadline - call.arrived_at == pytest.approx(5.0)


async def test_no_more_run_at_a_time_than_there_are_places(tmp_path: Path) -> None:
    works = Workshop({"w.f": echo}, places=3)
    async with desk(tmp_path) as at, running(at, works):
        for id_ in await at.submit("w.f", 200):
            assert (await at.over(id_)).state is State.SUCCEEDED
    assert works.most <= 3


async def test_an_attempt_has_no_more_time_than_the_whole(tmp_path: Path) -> None:
    deadlines: list[float] = []

    async def look(call: Call) -> Reply:
        deadlines.append(call.deadline - call.arrived_at)
        return await echo(call)

    async with desk(tmp_path) as at, running(at, Workshop({"w.f": look})):
        (free,) = await at.submit("w.f")
        await at.over(free)
        (bound,) = await at.submit("w.f", attempt_s=500.0, deadline=int((at.next_id._clock.now() + 60) * US))  # pyright: ignore[reportPrivateUsage] - the same clock
        await at.over(bound)
    assert deadlines[0] == NEVER
    assert 55 < deadlines[1] <= 60


async def test_a_stream_is_collected_and_one_that_is_too_long_fails_the_task(tmp_path: Path) -> None:
    short, long = Items([b"1", b"2"]), Items([b"x" * (1 << 20)] * (GATHERED_BYTES_MAX // (1 << 20) + 1))

    async def few(_: Call) -> Reply:
        return Reply(b"", Codec.JSON, short)

    async def many(_: Call) -> Reply:
        return Reply(b"", Codec.JSON, long)

    async with desk(tmp_path) as at, running(at, Workshop({"w.few": few, "w.many": many})):
        (first,), (second,) = await at.submit("w.few"), await at.submit("w.many")
        assert (await at.over(first)).result == b"[1,2]"
        failed = await at.over(second)
    assert failed.state is State.FAILED
    assert b"longer than" in failed.fault
    assert short.closed
    assert long.closed


async def test_what_may_pass_is_tried_again_and_then_given_up(tmp_path: Path) -> None:
    tries: list[int] = []

    async def conflict(_: Call) -> Reply:
        tries.append(1)
        raise Aborted("conflict", started=Started.YES)

    works = Workshop({"w.f": conflict})
    async with desk(tmp_path) as at, running(at, works):
        (id_,) = await at.submit("w.f", attempts_max=3)
        task = await at.over(id_)
        attempts = await at.store.attempts(id_)
    assert (task.state, task.attempts, len(tries)) == (State.DEAD, 3, 3)
    assert [each.number for each in attempts] == [1, 2, 3]
    assert all(b"conflict" in each.fault for each in attempts)
    assert [step for _, step in works.failures] == [Step.RETRY, Step.RETRY, Step.EXHAUST]


async def test_what_was_refused_for_want_of_room_is_no_attempt(tmp_path: Path) -> None:
    refusals = 3

    async def full(call: Call) -> Reply:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise Overloaded("full")
        return await echo(call)

    async with desk(tmp_path) as at, running(at, Workshop({"w.f": full})):
        (id_,) = await at.submit("w.f", attempts_max=1)
        # It pauses for a second at most each time, and not until its host looks around by itself.
        async with asyncio.timeout(2.5 * INTERVAL_S_MAX):
            task = await at.over(id_)
    assert (task.state, task.attempts) == (State.SUCCEEDED, 1)
    assert refusals < 0


async def test_out_of_time_is_timed_out(tmp_path: Path) -> None:
    async def slow(_: Call) -> Reply:
        raise DeadlineExceeded("slow", started=Started.YES)

    async with desk(tmp_path) as at, running(at, Workshop({"w.f": slow})):
        (id_,) = await at.submit("w.f")
        assert (await at.over(id_)).state is State.TIMED_OUT


async def test_a_running_task_that_is_cancelled_is_stopped(tmp_path: Path) -> None:
    stopped = asyncio.Event()

    async def forever(_: Call) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    async with desk(tmp_path) as at, running(at, Workshop({"w.f": forever})):
        (id_,) = await at.submit("w.f")
        await at.in_state(id_, State.RUNNING)
        await at.store.cancel(id_, 1)
        assert (await at.over(id_)).state is State.CANCELLED
        assert stopped.is_set()


async def test_a_claimed_task_that_waits_for_its_place_never_begins_once_it_is_cancelled(tmp_path: Path) -> None:
    begun: list[bytes] = []
    gate = asyncio.Event()

    async def wait(call: Call) -> Reply:
        begun.append(bytes(call.body))  # pyright: ignore[reportArgumentType] - bytes, in these tests
        await gate.wait()
        return await echo(call)

    works = Workshop({"w.f": wait}, places=1)
    async with desk(tmp_path) as at, running(at, works) as runner:
        rooms = runner._rooms  # pyright: ignore[reportPrivateUsage] - as if tasks had been short so far
        rooms.claim_s, rooms.group("w").run_s, rooms.group("w").ended_at = 1.0, 0.1, time.monotonic()
        first, second = await at.submit("w.f", 2)
        await at.in_state(second, State.RUNNING)
        await at.store.cancel(second, 1)
        assert (await at.over(second)).state is State.CANCELLED
        gate.set()
        await at.over(first)
    assert begun == [b"0"]


async def test_what_was_claimed_ahead_of_a_task_that_takes_long_is_given_back_to_whoever_has_a_place(
    tmp_path: Path,
) -> None:
    gate = asyncio.Event()

    async def wait(call: Call) -> Reply:
        await gate.wait()
        return await echo(call)

    async with desk(tmp_path) as at, running(at, Workshop({"w.f": wait}, places=1)) as runner:
        rooms = runner._rooms  # pyright: ignore[reportPrivateUsage] - as if tasks had been short so far
        rooms.claim_s, rooms.group("w").run_s, rooms.group("w").ended_at = 0.25, 0.05, time.monotonic()
        first, *others = await at.submit("w.f", 10)
        await at.in_state(first, State.RUNNING)  # and so are the others, by the same claim
        async with running(at, Workshop({"w.f": echo})):
            for id_ in others:
                task = await at.over(id_)
                assert (task.state, task.attempts) == (State.SUCCEEDED, 1)
        assert runner.attempts.counts["release"] == len(others)
        gate.set()
        assert (await at.over(first)).attempts == 1


async def test_what_matters_more_is_begun_first_of_all_that_waits(tmp_path: Path) -> None:
    begun: list[bytes] = []
    gate = asyncio.Event()

    async def note(call: Call) -> Reply:
        begun.append(bytes(call.body))  # pyright: ignore[reportArgumentType] - bytes, in these tests
        if len(begun) == 21:
            await gate.wait()
        return await echo(call)

    works = Workshop({"w.f": note}, places=1)
    async with desk(tmp_path) as at, running(at, works):
        for id_ in await at.submit("w.f", 20):  # short ones, as there were so far
            await at.over(id_)
        (blocks,) = await at.submit("w.f")
        await at.in_state(blocks, State.RUNNING)
        await asyncio.sleep(0.1)
        low = await at.submit("w.f", 30, priority=Priority.BATCH)
        (high,) = await at.submit("w.f", priority=Priority.CRITICAL)
        gate.set()
        first = await at.over(high)
        for id_ in low:
            assert (await at.over(id_)).started_at >= first.started_at


async def test_a_task_that_waits_for_others_is_set_aside_and_runs_again(tmp_path: Path) -> None:
    seen: list[bool] = []

    async def parent(call: Call) -> Reply:
        run = run_of(call)
        assert run is not None
        seen.append(True)
        if len(seen) == 1:
            (child,) = await store.submit("w.child")
            run.waits_for = (child,)
            raise Aborted("waits", started=Started.YES)
        return Reply(b"done")

    works = Workshop({"w.parent": parent, "w.child": echo}, places=1)
    async with desk(tmp_path) as at, running(at, works):
        store = at
        (id_,) = await at.submit("w.parent", attempts_max=1)
        task = await at.over(id_)
    assert (task.state, task.result, task.attempts, len(seen)) == (State.SUCCEEDED, b"done", 1, 2)
    assert works.failures == []


async def test_what_runs_says_how_far_it_is_and_logs(tmp_path: Path) -> None:
    from dragoman.core.event import Log, Progress  # noqa: PLC0415 - in this test alone

    gate = asyncio.Event()

    async def talk(call: Call) -> Reply:
        assert call.on_event is not None
        call.on_event(Progress(0.5, "half"))
        call.on_event(Log("hello"))
        await gate.wait()
        call.on_event(Log("bye", "error"))
        return await echo(call)

    async with desk(tmp_path) as at, running(at, Workshop({"w.f": talk})):
        (id_,) = await at.submit("w.f")
        task = await at.reached(id_, lambda task: task.progress > 0)
        assert (task.progress, task.message) == (0.5, "half")
        gate.set()
        await at.over(id_)
        notes = await at.store.notes(id_)
    assert [(note.level, note.message) for note in notes] == [("info", "hello"), ("error", "bye")]


async def test_a_draining_host_lets_tasks_end_and_gives_back_the_rest(tmp_path: Path) -> None:
    gate, entered = asyncio.Event(), asyncio.Semaphore(0)

    async def quick(call: Call) -> Reply:
        entered.release()
        await gate.wait()
        return await echo(call)

    async def forever(_: Call) -> Reply:
        entered.release()
        await asyncio.Event().wait()
        raise AssertionError

    async with desk(tmp_path) as at:
        async with running(at, Workshop({"w.quick": quick, "w.forever": forever}), drain_s=0.3):
            (ends,), (stays,) = await at.submit("w.quick"), await at.submit("w.forever")
            await entered.acquire()
            await entered.acquire()
            asyncio.get_running_loop().call_later(0.05, gate.set)
        done, back = await at.store.get(ends), await at.store.get(stays)
        assert await at.store.beats() == []
        assert done is not None
        assert back is not None
        assert (done.state, back.state, back.attempts) == (State.SUCCEEDED, State.PENDING, 0)
        async with running(at, Workshop({"w.forever": echo})):
            assert (await at.over(stays)).state is State.SUCCEEDED


async def test_a_function_that_raises_fails_its_task_and_others_go_on(tmp_path: Path) -> None:
    async def wrong(_: Call) -> Reply:
        raise Unknown("ValueError: no", started=Started.YES)

    async with desk(tmp_path) as at, running(at, Workshop({"w.bad": wrong, "w.good": echo}, QUICK)):
        bad, good = await at.submit("w.bad", 20), await at.submit("w.good", 20)
        for id_ in (*bad, *good):
            await at.over(id_)
        assert len(await at.store.find(Query(frozenset({State.FAILED})))) == 20
        assert len(await at.store.find(Query(frozenset({State.SUCCEEDED})))) == 20


async def test_a_draining_host_does_not_wait_for_a_store_that_takes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        full = Full(at.store)
        runner = runner_of(full, Workshop({"w.f": echo}))
        await runner.start()
        (id_,) = await at.submit("w.f")
        await full.refused.wait()
        async with asyncio.timeout(10):
            assert await runner.attempts.drain(3600.0) == []
        full.takes = True
        await runner.stop(0)
        assert (await at.over(id_)).state is State.SUCCEEDED


async def test_a_result_that_no_store_can_keep_fails_its_task_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "BODY_BYTES_MAX", 9)

    async def large(_: Call) -> Reply:
        return Reply(bytes(10), Codec.BYTES)

    async with desk(tmp_path) as at, running(at, Workshop({"w.large": large, "w.f": echo})):
        (bad,), (good,) = await at.submit("w.large"), await at.submit("w.f")
        failed = await at.over(bad)
        assert (failed.state, failed.attempts) == (State.FAILED, 1)
        assert b"the result has 10 bytes" in failed.fault
        assert (await at.over(good)).state is State.SUCCEEDED
