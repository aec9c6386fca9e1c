import asyncio
from typing import Any, cast

import pytest

import dragoman
from dragoman.core.clock import SystemClock
from tests.client.desks import AsyncScriptedDesk, ScriptedDesk, document

DONE = [document("SUCCEEDED")]
FAILED = [document("FAILED", fault={"code": "UNKNOWN", "detail": "no"})]


def blocking(result: Any = None, wait: Any = None) -> dragoman.Task:
    return dragoman.Task(ScriptedDesk(wait=wait or DONE, result=[result]), document(), SystemClock())


def awaited(result: Any = None, wait: Any = None) -> dragoman.AsyncTask:
    return dragoman.AsyncTask(AsyncScriptedDesk(wait=wait or DONE, result=[result]), document(), SystemClock())


def test_results_come_in_the_order_of_the_tasks() -> None:
    assert dragoman.gather(*map(blocking, range(50))) == list(range(50))


async def test_tasks_are_awaited_together() -> None:
    assert await dragoman.gather(*map(awaited, range(50))) == list(range(50))
    first = awaited(wait=[document("RUNNING")])
    with pytest.raises(dragoman.Unknown):
        await asyncio.wait_for(dragoman.gather(first, awaited(wait=FAILED)), 10)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1, "nobody waits any more"


async def test_of_no_tasks_there_are_no_results() -> None:
    assert dragoman.gather() == []
    assert await cast("Any", dragoman.gather()) == []


async def test_faults_may_stand_where_results_would() -> None:
    found = dragoman.gather(blocking(1), blocking(wait=FAILED), blocking(3), faults=True)
    assert [found[0], type(found[1]), found[2]] == [1, dragoman.Unknown, 3]
    found = await dragoman.gather(awaited(1), awaited(wait=FAILED), faults=True)
    assert [found[0], type(found[1])] == [1, dragoman.Unknown]
    with pytest.raises(dragoman.Unknown):
        dragoman.gather(blocking(1), blocking(wait=FAILED))


async def test_the_time_is_that_of_all_of_them() -> None:
    running = [document("RUNNING")]
    found = dragoman.gather(*(blocking(wait=running) for _ in range(5)), timeout=0.2, faults=True)
    assert {type(each) for each in found} == {dragoman.DeadlineExceeded}
    with pytest.raises(dragoman.DeadlineExceeded):
        await dragoman.gather(*(awaited(wait=running) for _ in range(100)), timeout=0.2)


def test_a_mix_of_faces_is_refused() -> None:
    with pytest.raises(TypeError, match="either those of a face that blocks"):
        dragoman.gather(*cast("list[Any]", [blocking(), awaited()]))
