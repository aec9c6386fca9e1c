import asyncio
from typing import Any

import pytest

import dragoman
from dragoman.client.desk import NOT_YET, TaskEvent
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Started
from tests.client.desks import ID, AsyncScriptedDesk, document

AWAY = dragoman.Unavailable("the connection broke", started=Started.UNKNOWN)
DONE = document("SUCCEEDED", attempts=1, seq=5)


def task(desk: AsyncScriptedDesk, **fields: Any) -> dragoman.AsyncTask:
    return dragoman.AsyncTask(desk, document(**fields), SystemClock())


async def test_a_result_is_waited_for_over_breaks_and_restarts() -> None:
    desk = AsyncScriptedDesk(wait=[AWAY, document("RUNNING"), AWAY, DONE], result=[AWAY, NOT_YET, 42])
    assert await task(desk).result() == 42


async def test_faults_are_those_of_the_blocking_handle() -> None:
    desk = AsyncScriptedDesk(wait=[document("CANCELLED")], show=[AWAY])
    held = task(desk)
    with pytest.raises(dragoman.Cancelled):
        await held.result()
    with pytest.raises(dragoman.Unavailable):
        await held.status()
    running = task(AsyncScriptedDesk(wait=[document("RUNNING")]))
    with pytest.raises(dragoman.DeadlineExceeded, match="it goes on"):
        await running.result(timeout=0.1)
    assert (await running.wait(timeout=0))["state"] == "RUNNING"


async def test_waiting_can_be_cancelled_and_the_task_goes_on() -> None:
    desk = AsyncScriptedDesk(wait=[document("RUNNING")])
    waiting = asyncio.ensure_future(task(desk).result())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert "cancel" not in {each[0] for each in desk.asked}


async def test_events_go_on_where_they_broke_off() -> None:
    running, done = document("RUNNING", seq=2), document("SUCCEEDED", seq=9)
    first = [TaskEvent(0, "state", running), TaskEvent(3, "log", {"seq": 3}), AWAY]
    second = [TaskEvent(3, "state", running), TaskEvent(3, "log", {"seq": 3}), TaskEvent(9, "state", done)]
    desk = AsyncScriptedDesk(events=[first, [], second], show=[running])
    held = task(desk)
    assert [each.seq async for each in held.events()] == [0, 3, 9]
    assert desk.asked[-1] == ("events", ID, 3)
    assert held.state == "SUCCEEDED"


async def test_of_a_task_that_ended_while_nobody_told_the_rest_is_told() -> None:
    done = document("SUCCEEDED", seq=9)
    line = TaskEvent(8, "log", {"seq": 8, "level": "info", "message": "last words"})
    held = task(AsyncScriptedDesk(events=[[], [line], [TaskEvent(9, "state", done)]], show=[done]))
    assert await held.status() == done
    assert [(each.seq, each.kind) async for each in held.events()] == [(8, "log"), (9, "state")]


async def test_a_task_is_cancelled_and_run_again() -> None:
    desk = AsyncScriptedDesk(cancel=[document("CANCELLED")], retry=[document("PENDING")], logs=[[]], show=[DONE])
    held = task(desk)
    assert (await held.cancel())["state"] == held.state == "CANCELLED"
    assert (await held.retry())["state"] == held.state == "PENDING"
    assert (await held.status(), await held.logs()) == (DONE, [])
