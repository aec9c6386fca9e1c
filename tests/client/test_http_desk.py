import json
from typing import Any

import pytest

import dragoman
from dragoman.client.desk import TaskEvent
from tests.client.desks import ID, document
from tests.client.scripted import chunked, response, scripted

FUNCTION = response(200, "application/json", json.dumps({"name": "s.f", "timeout_s": 30}).encode())
CUT = b""
"""The connection is closed without an answer."""


def page(status: int = 200, **fields: Any) -> bytes:
    return response(status, "application/json", json.dumps(document(**fields)).encode())


def problem(status: int, code: str) -> bytes:
    return response(status, "application/problem+json", json.dumps({"code": code, "detail": "so"}).encode())


def event(kind: str, number: int, **data: Any) -> bytes:
    return f"event: {kind}\nid: {number}\ndata: {json.dumps(data)}\n\n".encode()


STATE = event("state", 0, **document("RUNNING", seq=2))
LINE = event("log", 3, seq=3, message="one")
OVER = event("state", 4, **document("SUCCEEDED", seq=4))
BROKEN_OFF = chunked("text/event-stream", STATE, LINE, whole=False)
GOES_ON = chunked("text/event-stream", STATE, OVER)
SEEN = [(0, "state"), (3, "log"), (4, "state")]


def paths(requests: list[bytes]) -> list[str]:
    return [each.split(b"\r\n", 1)[0].decode().removesuffix(" HTTP/1.1") for each in requests]


def kinds(events: list[TaskEvent]) -> list[tuple[int, str]]:
    return [(each.seq, each.kind) for each in events]


def test_a_task_from_submitting_it_to_its_result() -> None:
    answers = (
        FUNCTION,
        page(202),
        CUT,
        page(state="RUNNING"),
        page(state="SUCCEEDED"),
        problem(503, "UNAVAILABLE"),
        response(200, "application/msgpack", b"\x2a"),
    )
    with scripted(*answers) as script, dragoman.connect(script.url) as remote:
        task = remote.submit("s.f", {"a": 1}, delay=1)
        assert task.id == ID
        assert task.result(timeout=20) == 42
        asked = paths(script.requests)
        assert asked[:2] == ["GET /v1/functions/s.f", "POST /v1/call/s.f"]
        assert b"prefer: respond-async" in script.requests[1]
        assert all(each.startswith(f"GET /v1/tasks/{ID}?wait=") for each in asked[2:5])
        assert asked[5:] == [f"GET /v1/tasks/{ID}/result"] * 2


async def test_the_same_awaited() -> None:
    answers = (
        FUNCTION,
        page(202),
        CUT,
        page(state="SUCCEEDED"),
        CUT,
        response(200, "application/json", b'{"n": 1}'),
    )
    with scripted(*answers) as script:
        async with dragoman.connect(script.url) as remote:
            task = await remote.s.f.submit(a=1)
            assert await task.result() == {"n": 1}


def test_events_are_asked_for_again_from_the_last_line() -> None:
    with scripted(page(state="RUNNING"), BROKEN_OFF, CUT, GOES_ON) as script, dragoman.connect(script.url) as remote:
        assert kinds(list(remote.task(ID).events())) == SEEN
        assert paths(script.requests)[1:] == [f"GET /v1/tasks/{ID}/events"] * 3
        assert b"last-event-id" not in script.requests[1]
        assert b"last-event-id: 3\r\n" in script.requests[2]


async def test_events_are_awaited_so_too() -> None:
    with scripted(page(state="RUNNING"), BROKEN_OFF, CUT, GOES_ON) as script:
        async with dragoman.connect(script.url) as remote:
            task = await remote.task(ID)
            assert kinds([each async for each in task.events()]) == SEEN


def test_a_task_is_asked_about_and_steered() -> None:
    lines = response(200, "application/json", b'{"logs": [{"seq": 1}]}')
    listed = response(200, "application/json", json.dumps({"tasks": [document()], "next": None}).encode())
    dead = response(200, "application/json", b'{"deliveries": [{"id": "d"}]}')
    answers = (page(), page(), lines, page(state="CANCELLED"), page(state="PENDING"), listed, dead, dead)
    with scripted(*answers) as script, dragoman.connect(script.url) as remote:
        task = remote.task(ID)
        assert task.status()["state"] == "PENDING"
        assert task.logs(5) == [{"seq": 1}]
        assert task.cancel()["state"] == "CANCELLED"
        assert task.retry()["state"] == "PENDING"
        assert [each.id for each in remote.tasks(state="dead")] == [ID]
        assert remote.undelivered() == [{"id": "d"}]
        remote.redeliver("d")
        assert paths(script.requests)[2:] == [
            f"GET /v1/tasks/{ID}/logs?after=5",
            f"DELETE /v1/tasks/{ID}",
            f"POST /v1/tasks/{ID}/retry",
            "GET /v1/tasks?state=DEAD&limit=100",
            "GET /v1/tasks/deliveries?state=dead",
            "POST /v1/tasks/deliveries/d/retry",
        ]


async def test_the_same_questions_are_awaited() -> None:
    lines = response(200, "application/json", b'{"logs": []}')
    listed = response(200, "application/json", json.dumps({"tasks": [document()], "next": None}).encode())
    dead = response(200, "application/json", b'{"deliveries": [{"id": "d"}]}')
    answers = (page(), page(), lines, page(state="CANCELLED"), page(state="PENDING"), listed, dead, dead)
    with scripted(*answers) as script:
        async with dragoman.connect(script.url) as remote:
            task = await remote.task(ID)
            assert (await task.status())["state"] == "PENDING"
            assert await task.logs() == []
            assert (await task.cancel())["state"] == "CANCELLED"
            assert (await task.retry())["state"] == "PENDING"
            assert [each.id async for each in remote.tasks()] == [ID]
            assert await remote.undelivered() == [{"id": "d"}]
            await remote.redeliver("d")


async def test_what_the_host_refuses_is_raised_as_of_calls() -> None:
    refused = problem(400, "INVALID_ARGUMENT")
    with (
        scripted(FUNCTION, refused) as script,
        dragoman.connect(script.url) as remote,
        pytest.raises(dragoman.InvalidArgument),
    ):
        remote.submit("s.f")
    with scripted(problem(404, "NOT_FOUND")) as script, dragoman.connect(script.url) as remote:
        with pytest.raises(dragoman.NotFound):
            remote.submit("s.nothing")
        with pytest.raises(dragoman.NotFound):
            remote.task(ID)
    async with dragoman.connect("http://127.0.0.1:1") as remote:
        with pytest.raises(dragoman.Unavailable):
            await remote.submit("s.f", key="k")


def test_a_host_that_has_no_tasks_is_told_apart() -> None:
    at_once = response(200, "application/json", b'{"id": 5}')
    with scripted(FUNCTION, at_once) as script, dragoman.connect(script.url) as remote:
        with pytest.raises(dragoman.Unimplemented, match="has no tasks") as fault:
            remote.submit("s.f")
        assert fault.value.started == "yes"
    for body in (b'{"id": 5}', b"{}", b'{"id": "x"}'):
        with scripted(response(200, "application/json", body)) as script, dragoman.connect(script.url) as remote:
            with pytest.raises(dragoman.Unknown, match="it is no task"):
                remote.task(ID)
            with pytest.raises(dragoman.Unknown, match="no list of tasks"):
                next(remote.tasks())


def test_a_closed_face_waits_for_nothing() -> None:
    with scripted(page(state="RUNNING")) as script:
        remote = dragoman.connect(script.url)
        task = remote.task(ID)
        remote.close()
        with pytest.raises(dragoman.Unavailable, match="closed"):
            task.result()
        with pytest.raises(dragoman.Unavailable, match="closed"):
            next(task.events())
