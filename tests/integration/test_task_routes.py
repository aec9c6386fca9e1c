"""Tasks over HTTP, on hosts of their own: stored, watched, stopped, and there when the host comes back."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.web import TIMEOUT_S, Answer, Web, eventually, serving

SOURCE = """
import os, time
from collections.abc import Generator, Iterator
from dragoman import Context, Fault

def add(a: int, b: int = 1) -> int:
    return a + b

def echo(data: bytes) -> bytes:
    return data

def big(n: int) -> int:
    return n

def steps(count: int, pause: float, ctx: Context) -> int:
    for step in range(count):
        ctx.progress((step + 1) / count, f"step {step}")
        print("line", step)
        time.sleep(pause)
    return count

def gated(gate: str, ctx: Context) -> str:
    while not os.path.exists(gate):
        time.sleep(0.01)
    return "open"

def boom() -> None:
    raise ValueError("no")

def refuses() -> None:
    raise Fault.already_exists("there is one")

def count(n: int) -> Iterator[int]:
    yield from range(n)

def total(values: Iterator[int]) -> int:
    return sum(values)
"""
TOML = """
[project]
name = "web"
[sources.web]
path = "web.py"
workers = { min = 2, max = 2 }
[functions."web.boom"]
task = 1
[functions."web.big"]
task = false
"""
JSON = {"content-type": "application/json"}


@contextlib.contextmanager
def host(folder: Path, toml: str = TOML) -> Generator[Web]:
    (folder / "web.py").write_text(SOURCE)
    with serving(cwd=folder, toml=toml) as web:
        yield web


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tasks")


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[Web]:
    with host(folder) as served:
        yield served


def submit(
    web: Web, function: str, prefer: str = "respond-async", /, headers: dict[str, str] | None = None, **fields: Any
) -> Answer:
    body = json.dumps(fields).encode()
    return web.ask("POST", f"/v1/call/web.{function}", body, **JSON | {"prefer": prefer} | (headers or {}))


def submitted(web: Web, function: str, /, **fields: Any) -> str:
    """The path of a new task."""
    answer = submit(web, function, **fields)
    assert answer.status == 202, answer.body
    return answer.headers["location"]


def over(web: Web, path: str) -> Any:
    """A task, when it is over."""
    answer = web.ask("GET", f"{path}?wait=19s")
    assert answer.status == 200
    assert answer.json["finished_at"], answer.json
    return answer.json


def gate(folder: Path) -> Path:
    return folder / f"gate-{time.monotonic_ns()}"


def events(text: bytes) -> list[tuple[int, str, Any]]:
    found: list[tuple[int, str, Any]] = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


# Submitting


def test_a_call_becomes_a_task_and_the_task_has_its_result(web: Web) -> None:
    answer = submit(web, "add", a=2, b=3)
    assert (answer.status, answer.headers["preference-applied"]) == (202, "respond-async")
    task = over(web, answer.headers["location"])
    assert (task["state"], task["attempts"], task["function"]) == ("SUCCEEDED", 1, "web.add")
    assert [each["number"] for each in task["history"]] == [1]
    result = web.ask("GET", f"{answer.headers['location']}/result")
    assert (result.status, result.body) == (200, b"5")


def test_a_result_in_time_is_the_answer_of_a_call(web: Web) -> None:
    answer = submit(web, "add", "respond-async, wait=20", a=1)
    assert (answer.status, answer.body, answer.headers["preference-applied"]) == (200, b"2", "wait=20")
    assert web.ask("GET", answer.headers["content-location"]).body == b"2"


@pytest.mark.parametrize(
    ("function", "fields", "status", "code"),
    [("boom", {}, 500, "UNKNOWN"), ("refuses", {}, 409, "ALREADY_EXISTS")],
)
def test_the_fault_of_a_task_has_its_own_status(
    web: Web, function: str, fields: dict[str, Any], status: int, code: str
) -> None:
    for prefer in ("respond-async, wait=20", "respond-async"):
        answer = submit(web, function, prefer, **fields)
        if answer.status == 202:
            answer = web.ask("GET", answer.headers["location"] + "/result?wait=19s")
        assert (answer.status, answer.json["code"], answer.json["started"]) == (status, code, "yes")
        assert answer.headers["content-type"] == "application/problem+json"


def test_every_codec_comes_back_as_it_went(web: Web) -> None:
    packed = msgspec.msgpack.encode({"a": 2**62})
    answer = web.post("add", packed, **{"content-type": "application/msgpack", "prefer": "respond-async, wait=20"})
    assert (answer.status, msgspec.msgpack.decode(answer.body)) == (200, 2**62 + 1)
    result = web.ask("GET", answer.headers["content-location"], Accept="application/json")
    assert (result.headers["content-type"], result.body) == ("application/json", str(2**62 + 1).encode())
    raw = bytes(range(256)) * 5000
    answer = web.post("echo", raw, **{"content-type": "application/octet-stream", "prefer": "respond-async, wait=20"})
    assert (answer.status, answer.body == raw) == (200, True)
    assert answer.headers["content-type"] == "application/octet-stream"
    result = web.ask("GET", answer.headers["content-location"], Accept="application/json")
    assert result.status == 406


@pytest.mark.parametrize(
    ("function", "body", "headers", "status", "code"),
    [
        ("none", b"{}", {}, 404, "NOT_FOUND"),
        ("add", b'{"a":"two"}', {}, 400, "INVALID_ARGUMENT"),
        ("add", b"{", {}, 400, "INVALID_ARGUMENT"),
        ("echo", b'{"data":"\\u0084"}', {}, 400, "INVALID_ARGUMENT"),
        ("big", b'{"n":1}', {}, 501, "UNIMPLEMENTED"),
        ("add", b'{"a":1}', {"Dragoman-Task-Delay": "soon"}, 400, "INVALID_ARGUMENT"),
        ("add", b'{"a":1}', {"Dragoman-Task-Delay": "2h", "Dragoman-Task-Deadline": "1h"}, 400, "INVALID_ARGUMENT"),
        ("add", b'{"a":1}', {"Dragoman-Callback": "ftp://example.org/"}, 400, "INVALID_ARGUMENT"),
        ("add", b'{"a":1}', {"Dragoman-Callback": "http://127.0.0.1:1/"}, 400, "INVALID_ARGUMENT"),
        ("total", b"1\n2\n", {"content-type": "application/jsonl"}, 415, "INVALID_ARGUMENT"),
    ],
)
def test_what_cannot_be_run_is_refused_at_once_and_nothing_stored(
    web: Web, function: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    before = web.ask("GET", "/v1/tasks?limit=1").body
    answer = web.post(function, body, **JSON | {"prefer": "respond-async"} | headers)
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert web.ask("GET", "/v1/tasks?limit=1").body == before


def test_submissions_with_one_key_are_one_task(web: Web, folder: Path) -> None:
    path = gate(folder)
    key = {"Idempotency-Key": f'"{path.name}"'}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(submit, web, "gated", headers=key, gate=str(path)) for _ in range(16)]
        answers = [each.result() for each in asked]
    assert {answer.status for answer in answers} == {202}
    assert len({answer.headers["location"] for answer in answers}) == 1
    other = submit(web, "gated", headers=key, gate="/elsewhere")
    assert (other.status, other.json["code"]) == (400, "FAILED_PRECONDITION")
    path.touch()
    assert over(web, answers[0].headers["location"])["state"] == "SUCCEEDED"
    again = submit(web, "gated", "respond-async, wait=5", headers=key, gate=str(path))
    assert (again.status, again.body) == (200, b'"open"')


def test_a_stream_is_one_array(web: Web) -> None:
    answer = submit(web, "count", "respond-async, wait=20", n=3)
    assert (answer.status, answer.json) == (200, [0, 1, 2])


def test_a_delay_and_a_deadline_are_kept(web: Web) -> None:
    later = submit(web, "add", headers={"Dragoman-Task-Delay": "1h"}, a=1)
    assert (later.status, later.json["state"], later.headers["retry-after"]) == (202, "SCHEDULED", "30")
    assert web.ask("DELETE", later.headers["location"]).json["state"] == "CANCELLED"
    soon = submit(web, "add", headers={"Dragoman-Task-Delay": "150ms"}, a=1)
    task = over(web, soon.headers["location"])
    assert (task["state"], task["started_at"] >= task["due_at"]) == ("SUCCEEDED", True)
    late = submit(web, "gated", headers={"Dragoman-Task-Deadline": "300ms"}, gate="/nowhere")
    assert over(web, late.headers["location"])["state"] == "TIMED_OUT"
    assert web.ask("GET", late.headers["location"] + "/result").status == 504


# Watching


def test_a_task_is_followed_over_its_whole_life(web: Web) -> None:
    path = submitted(web, "steps", count=5, pause=0.05)
    heard = events(web.ask("GET", f"{path}/events").body)
    kinds = [kind for _, kind, _ in heard]
    assert (kinds[0], kinds[-1]) == ("state", "state")
    assert heard[-1][2]["state"] == "SUCCEEDED"
    assert [data["message"] for _, kind, data in heard if kind == "log"] == [f"line {step}" for step in range(5)]
    assert [seq for seq, _, _ in heard] == sorted(seq for seq, _, _ in heard)
    assert max(data["progress"] for _, kind, data in heard if kind != "log") == 1.0
    logs = web.ask("GET", f"{path}/logs").json["logs"]
    assert [line["message"] for line in logs] == [f"line {step}" for step in range(5)]
    assert web.ask("GET", f"{path}/events", Last_Event_ID=str(heard[-1][0])).status == 204


def test_a_follower_that_loses_its_connection_again_and_again_misses_nothing(web: Web) -> None:
    path = submitted(web, "steps", count=30, pause=0.02)
    lines: list[str] = []
    last, state, early = 0, "", 0
    while state != "SUCCEEDED":
        with web.connect() as client:
            client.sendall(f"GET {path}/events HTTP/1.0\r\nLast-Event-ID: {last}\r\n\r\n".encode())
            with client.makefile("rb") as file:
                body = file.read().partition(b"\r\n\r\n")[2]
        for seq, kind, data in events(body):
            assert seq >= last
            last = seq
            if kind == "log":
                lines.append(data["message"])
            state = data.get("state", state)
        early = early if state == "SUCCEEDED" else len(lines)
    assert early, "no line came before the end"
    assert lines == [f"line {step}" for step in range(30)]


def test_many_wait_for_one_task_and_all_are_told(web: Web, folder: Path) -> None:
    path = gate(folder)
    task = submitted(web, "gated", gate=str(path))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(web.connect()) for _ in range(200)]
        for client in clients:
            client.sendall(f"GET {task}?wait=1m HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        before = web.metric('dragoman_task_store_duration_seconds_count{operation="notes"}')
        path.touch()
        for client in clients:
            assert b'"state":"SUCCEEDED"' in body_of(client)
        after = web.metric('dragoman_task_store_duration_seconds_count{operation="notes"}')
    assert after - before < 20, "each of them asked the store"


def test_clients_that_leave_leave_nothing_behind(web: Web, folder: Path) -> None:
    path = gate(folder)
    task = submitted(web, "gated", gate=str(path))
    files = open_files(web)
    for target in (f"{task}?wait=1m", f"{task}/events", f"{task}/result?wait=1m"):
        clients = [web.connect() for _ in range(50)]
        for client in clients:
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert eventually(lambda: web.metric("dragoman_http_connections") >= 50)
        for client in clients:
            client.close()
        assert eventually(lambda: web.metric("dragoman_http_connections") <= 1)
    waiting = web.connect()
    waiting.sendall(
        b"POST /v1/call/web.gated HTTP/1.1\r\nHost: x\r\nPrefer: respond-async, wait=60\r\nContent-Length: 20\r\n\r\n"
        b'{"gate": "/nowhere"}'
    )
    assert eventually(lambda: web.metric("dragoman_tasks_running") >= 2)
    waiting.close()
    assert eventually(lambda: web.metric("dragoman_http_connections") <= 1)
    assert eventually(lambda: open_files(web) <= files + 1)
    left = web.ask("GET", "/v1/tasks?state=RUNNING&function=web.gated&limit=1").json["tasks"][0]
    assert left["state"] == "RUNNING", "what was submitted goes on"
    assert web.ask("DELETE", f"/v1/tasks/{left['id']}").status in (200, 202)
    path.touch()
    assert over(web, task)["state"] == "SUCCEEDED"


def body_of(client: socket.socket) -> bytes:
    """The body of the next answer."""
    with client.makefile("rb") as file:
        size = 0
        while (line := file.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        return file.read(size)


def open_files(web: Web) -> int:
    return len(list(Path(f"/proc/{web.process.pid}/fd").iterdir()))


# Steering


def test_a_running_task_is_stopped(web: Web) -> None:
    task = submitted(web, "gated", gate="/nowhere")
    web.reaches(task.rpartition("/")[2], "RUNNING")
    answer = web.ask("DELETE", task)
    # Which of the two it is lies with the worker, which may stop before this is answered.
    stopping, stopped = (202, "RUNNING", True), (200, "CANCELLED", True)
    assert (answer.status, answer.json["state"], answer.json["cancelling"]) in (stopping, stopped)
    assert over(web, task)["state"] == "CANCELLED"
    result = web.ask("GET", f"{task}/result")
    assert (result.status, result.json["code"]) == (499, "CANCELLED")
    assert web.ask("DELETE", task).status == 200


def test_a_task_that_failed_is_run_anew(web: Web) -> None:
    task = submitted(web, "boom")
    assert over(web, task)["state"] == "FAILED"
    answer = web.ask("POST", f"{task}/retry")
    assert (answer.status, answer.headers["location"]) == (202, task)
    assert over(web, task)["attempts"] == 2
    done = submitted(web, "add", a=1)
    over(web, done)
    assert web.ask("POST", f"{done}/retry").status == 409


def test_all_tasks_are_listed_a_page_at_a_time(web: Web) -> None:
    made = [submitted(web, "add", a=number, b=0).rpartition("/")[2] for number in range(7)]
    assert all(over(web, f"/v1/tasks/{id_}")["state"] == "SUCCEEDED" for id_ in made)
    found: list[str] = []
    target = "/v1/tasks?function=web.add&state=SUCCEEDED&limit=3"
    while target:
        page = web.ask("GET", target)
        found += [task["id"] for task in page.json["tasks"]]
        target = page.headers.get("link", "").partition(">")[0].lstrip("<")
        assert bool(target) is (page.json["next"] is not None)
    assert found[:7] == made[::-1]
    assert len(found) == len(set(found))


# The host


def test_a_stored_task_outlives_its_host(tmp_path: Path) -> None:
    opens = gate(tmp_path)
    with host(tmp_path) as web:
        tasks = [submitted(web, "gated", gate=str(opens)) for _ in range(5)]
        web.signal(signal.SIGKILL)
        web.ended()
    opens.touch()
    with host(tmp_path) as web:
        assert {over(web, task)["state"] for task in tasks} == {"SUCCEEDED"}
        assert {web.ask("GET", f"{task}/result").body for task in tasks} == {b'"open"'}


def test_a_host_that_stops_lets_those_go_who_wait_and_another_goes_on(tmp_path: Path) -> None:
    toml = TOML.replace("[sources.web]", "[http]\nshutdown_grace = '5s'\n[sources.web]")
    with host(tmp_path, toml) as web:
        task = submitted(web, "gated", gate=str(tmp_path / "nowhere"))
        web.reaches(task.rpartition("/")[2], "RUNNING")
        targets = (f"{task}?wait=1m", f"{task}/events", f"{task}/result?wait=1m")
        with ThreadPoolExecutor(len(targets)) as pool:
            answers = [pool.submit(web.ask, "GET", target) for target in targets]
            assert eventually(lambda: web.metric("dragoman_http_connections") > len(targets))
            begun = time.monotonic()
            web.signal()
            heard = [answer.result(TIMEOUT_S).body for answer in answers]
            assert time.monotonic() - begun < 5
        assert all(b'"RUNNING"' in body or b'"PENDING"' in body for body in heard)
        assert web.ended() == 0


def test_metrics_tell_of_tasks(web: Web) -> None:
    over(web, submitted(web, "add", a=1))
    assert web.metric('dragoman_tasks_submitted_total{function="web.add"}') >= 1
    assert web.metric('dragoman_tasks_ended_total{function="web.add",state="SUCCEEDED"}') >= 1
    assert web.metric('dragoman_task_attempts_total{function="web.add",state="SUCCEEDED"}') >= 1
    assert web.metric("dragoman_task_store_up") == 1
    assert web.metric('dragoman_task_store_duration_seconds_count{operation="submit"}') >= 1


def test_a_host_without_tasks_makes_no_store(tmp_path: Path) -> None:
    with host(tmp_path) as web:
        assert web.ask("GET", "/v1/tasks").json == {"tasks": [], "next": None}
        assert web.ask("GET", "/v1/tasks/deliveries?state=dead").json == {"deliveries": []}
        assert web.ask("GET", "/v1/tasks/0198f1a0-6c1e-7d2b-9c55-2f1d6f0f7a10").status == 404
        assert web.metric("dragoman_task_store_up") == 0
        assert not (tmp_path / ".dragoman").exists()


def test_a_client_that_breaks_off_in_the_middle_of_a_submission_stores_nothing(web: Web) -> None:
    before = web.ask("GET", "/v1/tasks?limit=1").body
    with web.connect() as client:
        client.sendall(
            b"POST /v1/call/web.add HTTP/1.1\r\nHost: x\r\nPrefer: respond-async\r\nContent-Length: 99\r\n\r\n{"
        )
        client.shutdown(socket.SHUT_WR)
        client.recv(65536)
    assert web.ask("GET", "/v1/tasks?limit=1").body == before
