"""Tasks of a project that is hosted here: the handles of both faces, and what they are made of."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import dragoman
from dragoman.client.desk import Search, TaskEvent
from dragoman.client.order import Order
from dragoman.core.call import Codec, Reply
from dragoman.host.desk import HostDesk, TasksDesk, query_of, result_of, resumable, terms_of
from dragoman.tasks.state import State
from tests.host.projects import hosting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.host.conftest import Write

SHOP = """
    import time
    from collections.abc import Iterator
    from dragoman import Context, Fault

    def double(n: int) -> int:
        return 2 * n

    def size(data: bytes) -> int:
        return len(data)

    def blank(size: int) -> bytes:
        return bytes(size)

    def nothing() -> None:
        return None

    def count(n: int) -> Iterator[int]:
        yield from range(n)

    def total(numbers: Iterator[int]) -> int:
        return sum(numbers)

    def told(parts: int, ctx: Context) -> str:
        for part in range(parts):
            ctx.progress((part + 1) / parts, f"part {part}")
            print(f"line {part}")
        return "done"

    def naps(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def refuses() -> None:
        raise Fault.failed_precondition("no paper")
"""
TOML = '[sources.shop]\npath = "shop.py"\n[defaults]\ntask.base = "10ms"\n'


@pytest.fixture
def folder(write: Write) -> Path:
    return write(shop__py=SHOP, dragoman__toml=TOML)


def test_a_task_is_submitted_and_its_result_waited_for(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        task = shop.submit("shop.double", {"n": 21})
        assert task.result(timeout=30) == 42
        assert (task.state, task.function, task.over) == ("SUCCEEDED", "shop.double", True)
        assert [each["number"] for each in task.status()["history"]] == [1]
        assert shop.shop.size.submit(data=b"\xff" * 5).result() == 5
        assert shop.shop.blank.submit(size=3).result() == bytes(3)
        assert shop.shop.nothing.submit().result() is None
        assert shop.submit("shop.count", {"n": 3}).result() == [0, 1, 2]
        assert dragoman.gather(*(shop.shop.double.submit(n=n) for n in range(20))) == [2 * n for n in range(20)]
        assert shop.task(task.id).result() == 42


async def test_tasks_are_awaited(folder: Path) -> None:
    async with dragoman.open(folder) as shop:
        task = await shop.submit("shop.double", {"n": 21}, delay="50ms", priority="critical")
        assert (task.state, task.document["priority"]) == ("SCHEDULED", "critical")
        assert await task.result(timeout=30) == 42
        tasks = [await shop.shop.double.submit(n=n) for n in range(20)]
        assert await dragoman.gather(*tasks) == [2 * n for n in range(20)]
        listed = [each.id async for each in shop.tasks(function="shop.double", state="succeeded")]
        assert listed == [each.id for each in reversed([task, *tasks])]


def test_what_becomes_of_a_task_is_told_and_its_end_comes_last(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        task = shop.submit("shop.told", {"parts": 3})
        events = list(task.events())
        assert [each.data["message"] for each in events if each.kind == "log"] == ["line 0", "line 1", "line 2"]
        assert (events[0].kind, events[-1].kind, events[-1].data["state"]) == ("state", "state", "SUCCEEDED")
        assert (task.progress, task.message, task.state) == (1.0, "part 2", "SUCCEEDED")
        seqs = [each.seq for each in events]
        assert seqs == sorted(seqs)
        first = next(each for each in events if each.kind == "log")
        rest = list(task.events(after=first.seq))
        assert [each.data["message"] for each in rest if each.kind == "log"] == ["line 1", "line 2"]
        assert [each["message"] for each in task.logs(after=first.seq)] == ["line 1", "line 2"]


def test_what_cannot_be_submitted_is_refused_and_not_stored(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        with pytest.raises(dragoman.NotFound):
            shop.submit("shop.nowhere")
        with pytest.raises(dragoman.InvalidArgument) as fault:
            shop.submit("shop.double", {"n": "x"})
        assert fault.value.errors[0].path == "/n"
        with pytest.raises(dragoman.Unimplemented, match="give a list"):
            shop.submit("shop.total", {"numbers": iter([1])})
        with pytest.raises(dragoman.InvalidArgument, match="expected one of SCHEDULED"):
            list(shop.tasks(state="nonsense"))
        with pytest.raises(dragoman.NotFound):
            shop.task("019c3a5e-7c1d-7000-8000-0123456789ab")
        assert list(shop.tasks()) == []
        assert shop.undelivered() == []


def test_a_task_is_cancelled_its_fault_is_raised_and_it_runs_again(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        task = shop.submit("shop.refuses")
        with pytest.raises(dragoman.FailedPrecondition, match="no paper"):
            task.result()
        assert task.retry()["attempts_max"] == 4
        with pytest.raises(dragoman.FailedPrecondition):
            task.result()
        assert len(task.status()["history"]) == 2
        later = shop.submit("shop.double", {"n": 1}, delay=3600)
        assert later.cancel()["state"] == "CANCELLED"
        with pytest.raises(dragoman.Cancelled):
            later.result()
        done = shop.submit("shop.double", {"n": 1})
        done.result()
        with pytest.raises(dragoman.FailedPrecondition, match="SUCCEEDED"):
            done.retry()


def test_submissions_with_one_key_are_one_task(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        first = shop.submit("shop.double", {"n": 1}, key="a")
        assert shop.submit("shop.double", {"n": 1}, key="a").id == first.id
        with pytest.raises(dragoman.FailedPrecondition):
            shop.submit("shop.double", {"n": 2}, key="a")


def test_a_task_outlives_the_project_that_it_was_submitted_to(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        task = shop.submit("shop.double", {"n": 21}, delay=1)
        waiting: list[BaseException] = []

        def wait() -> None:
            try:
                task.result()
            except dragoman.Fault as fault:
                waiting.append(fault)

        waiter = threading.Thread(target=wait)
        waiter.start()
    waiter.join(30)
    assert [type(each).__name__ for each in waiting] == ["Draining"]
    with pytest.raises(dragoman.Unavailable, match="closed"):
        task.status()
    with dragoman.open(folder) as shop:
        assert shop.task(task.id).result(timeout=30) == 42


async def test_who_awaits_a_task_when_the_project_closes_is_told(folder: Path) -> None:
    async with dragoman.open(folder) as shop:
        task = await shop.submit("shop.double", {"n": 1}, delay=3600)
    with pytest.raises(dragoman.Unavailable, match="closed"):
        await task.result()


def test_waiting_without_end_can_be_broken_off(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        task = shop.submit("shop.naps", {"seconds": 30})
        begun = time.monotonic()
        with pytest.raises(dragoman.DeadlineExceeded, match="it goes on"):
            task.result(timeout=0.3)
        assert task.wait(timeout=0.1)["state"] in ("PENDING", "RUNNING")
        assert time.monotonic() - begun < 10
        assert task.cancel()["cancelling"] or task.over
        with pytest.raises(dragoman.Cancelled):
            task.result(timeout=30)


def test_events_that_nobody_asks_for_any_more_may_outlast_the_project(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        events = shop.submit("shop.double", {"n": 1}, delay=3600).events()
        assert next(events).kind == "state"
    events.close()


async def test_events_are_put_so_that_they_can_be_gone_on_with() -> None:
    async def told() -> AsyncIterator[tuple[int, str, dict[str, Any]]]:
        yield 5, "state", {"state": "RUNNING", "seq": 5}
        yield 2, "log", {"seq": 2}
        yield 7, "state", {"state": "SUCCEEDED", "seq": 7}
        yield 6, "log", {"seq": 6}

    assert [(each.seq, each.kind) async for each in resumable(told(), 0)] == [
        (0, "state"),
        (2, "log"),
        (6, "log"),
        (7, "state"),
    ]
    assert isinstance(await anext(resumable(told(), 3)), TaskEvent)


async def test_without_a_host_nothing_is_submitted(folder: Path) -> None:
    async with hosting(folder) as host:
        with pytest.raises(dragoman.Unavailable, match="no host"):
            await TasksDesk(host.tasking.tasks).submit("shop.double", {}, Order())
        host.draining = True
        with pytest.raises(dragoman.Unavailable, match="closed"):
            await HostDesk(host).show("x")
    await asyncio.sleep(0)


def test_orders_and_searches_are_said_in_the_words_of_tasks() -> None:
    terms = terms_of(Order(delay=1, deadline=2, timeout=3, callback="https://x.test/"))
    assert (terms.delay_s, terms.deadline_s, terms.attempt_s, terms.callback) == (1, 2, 3, b'"https://x.test/"')
    assert terms_of(Order()).callback == b""
    query = query_of(Search(("DEAD",), "s.f", "b", 7))
    assert (query.states, query.function, query.before, query.limit) == (frozenset({State.DEAD}), "s.f", "b", 7)


def test_a_result_of_nothing_is_null() -> None:
    nothing = result_of(Reply(b"", Codec.NONE))
    assert nothing is not None
    assert (nothing.body, nothing.codec) == (b"null", Codec.JSON)
    assert result_of(None) is None
