"""Hosts and workers are killed and paused at random under load; a checker proves that no task was lost or ended twice.

`DRAGOMAN_STORM_S` is how many seconds it lasts, with a short time where nobody says: ten minutes are 600.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.fleet import HOSTS, LEASE_S, Fleet
from tests.integration.history import ENDS, History, check
from tests.postgres import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Write
    from tests.integration.web import Web

STORM_S = float(os.environ.get("DRAGOMAN_STORM_S", "15"))
CALM_S = max(90.0, STORM_S)
"""A longer storm leaves more to run, and to look at."""
CALLERS = 6
CODE = """
import os, time

RUNS = os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def echo(key: str, s: float) -> str:
    time.sleep(s)
    os.write(RUNS, (key + "\\n").encode())
    return key
"""
TOML = """
[sources.shop]
path = "shop.py"
workers = 2
env = {{ RUNS = "{runs}" }}
[functions."shop.echo"]
timeout = "10s"
task = {{ attempts = 1000, base = "20ms", max = "200ms" }}
[tasks]
lease = "{lease:g}s"
store = "{store}"
"""


def ask(web: Web, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """One request; 0 where the host is gone."""
    try:
        answer = web.ask(method, path, body, **headers)
    except (OSError, http.client.HTTPException):
        return 0, b""
    return answer.status, answer.body


def submitting(fleet: Fleet, history: History, number: int, over: threading.Event) -> None:
    """Submit task after task, each until a host has taken it; look at one now and then."""
    chance = random.Random(number)
    count = 0
    while not over.is_set():
        count += 1
        key = f"{number}-{count}"
        body = json.dumps({"key": key, "s": chance.choice((0, 0, 0.01, 0.1))}).encode()
        while not submit(fleet, history, chance, key, body) and not over.is_set():
            over.wait(0.02)
        look(fleet, history, chance)


def submit(fleet: Fleet, history: History, chance: random.Random, key: str, body: bytes) -> bool:
    web = fleet.any(chance)
    if web is None:
        return False
    status, answer = ask(
        web,
        "POST",
        "/v1/call/shop.echo",
        body,
        Prefer="respond-async",
        Idempotency_Key=key,
        Content_Type="application/json",
    )
    if status == 202:
        history.promised(key, json.loads(answer)["id"])
    elif status and status not in {429, 503}:
        history.wrong.append(f"{key} was answered {status}: {answer[:500]!r}")
    return status == 202


def look(fleet: Fleet, history: History, chance: random.Random) -> None:
    """Look at any task, and remember how it ended, if it has."""
    with history.lock:
        tasks = list(history.accepted.values())
    web = fleet.any(chance)
    if not tasks or web is None:
        return
    shown = show(web, chance.choice(tasks))
    if shown is not None and shown["state"] in ENDS:
        history.saw(shown, shown["result"])


def show(web: Web, task: str) -> dict[str, Any] | None:
    """A task with its result, if it has one; None where the host is gone, or its store is."""
    status, answer = ask(web, "GET", f"/v1/tasks/{task}")
    if status in {0, 503}:
        return None
    shown = json.loads(answer) if status == 200 else {"id": task, "state": "unknown", "status": status}
    if shown["state"] == "SUCCEEDED":
        status, answer = ask(web, "GET", f"/v1/tasks/{task}/result")
        if status != 200:
            return None
        return shown | {"result": json.loads(answer)}
    return shown | {"result": None}


def storm(fleet: Fleet, also: Callable[[random.Random], None]) -> None:
    """Kill and pause at random for `STORM_S` seconds. Ends with every host up."""
    chance = random.Random(7)
    until = time.monotonic() + STORM_S
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 1.5))
        place = chance.randrange(HOSTS)
        match chance.randrange(7):
            case 0 | 1:
                fleet.kill_host(place)
                fleet.start(place)
            case 2:
                also(chance)
            case 3:
                fleet.pause(place, chance)
            case _:
                fleet.kill_worker(place, chance)


def settled(web: Web) -> bool:
    """Whether no task is left to run."""
    waiting = "PENDING,RUNNING,RETRYING,SCHEDULED"
    status, answer = ask(web, "GET", f"/v1/tasks?state={waiting}&limit=1")
    return status == 200 and not json.loads(answer)["tasks"]


def all_of(web: Web) -> dict[str, dict[str, Any]]:
    """Every task that is kept, whole."""
    kept: dict[str, dict[str, Any]] = {}
    before = ""
    while True:
        status, answer = ask(web, "GET", f"/v1/tasks?limit=1000{before}")
        assert status == 200, answer
        page = json.loads(answer)
        for each in page["tasks"]:
            shown = show(web, each["id"])
            assert shown is not None
            kept[each["id"]] = shown
        if page["next"] is None:
            return kept
        before = f"&before={page['next']}"


def run(folder: Path, store: str, also: Callable[[random.Random], None], least_s: float) -> None:
    """A storm with so many tasks a second at least, the calm after it, and what the checker says."""
    toml = TOML.format(runs=folder / "runs.txt", store=store, lease=LEASE_S)
    fleet, history, over = Fleet(folder, toml), History(), threading.Event()
    callers = [threading.Thread(target=submitting, args=(fleet, history, each, over)) for each in range(CALLERS)]
    try:
        for place in range(HOSTS):
            fleet.start(place)
        for caller in callers:
            caller.start()
        try:
            storm(fleet, also)
        finally:
            over.set()
            for caller in callers:
                caller.join()
        web = fleet.any(random.Random(0))
        assert web is not None
        give_up_at = time.monotonic() + CALM_S
        while not settled(web):
            assert time.monotonic() < give_up_at, "tasks are left that nobody runs"
            time.sleep(0.1)
        kept = all_of(web)
    finally:
        fleet.stop()
    runs = Counter((folder / "runs.txt").read_text().split())
    assert check(history, kept, runs) == []
    assert fleet.kills >= STORM_S / 10
    assert len(history.accepted) >= least_s * STORM_S


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE)


@pytest.mark.timeout(STORM_S + 4 * CALM_S)
def test_no_task_is_lost_or_ended_twice_where_hosts_and_workers_are_killed(shop: Path) -> None:
    run(shop, "sqlite:tasks.db", lambda _: None, least_s=3.5)

    with contextlib.closing(sqlite3.connect(shop / "tasks.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.timeout(STORM_S + 4 * CALM_S)
def test_no_task_is_lost_or_ended_twice_where_their_server_is_killed_and_hangs_too(shop: Path) -> None:
    server = Server()

    def trouble(chance: random.Random) -> None:
        if chance.random() < 0.5:
            server.kill()
            time.sleep(chance.uniform(0, 0.5))
            server.start()
        else:
            server.stop()
            try:
                # Past what an operation waits for an answer, and past a lease, now and then.
                time.sleep(chance.choice((0.2, 1.0, 8.0)) * chance.random())
            finally:
                server.go_on()

    try:
        run(shop, server.url, trouble, least_s=1.5)
    finally:
        server.close()
