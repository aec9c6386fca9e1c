"""Hosts, workers and the broker are killed at random under load, and a checker proves that no message is lost.

`DRAGOMAN_STORM_S` is how many seconds it lasts, with a short time where nobody says: ten minutes are 600.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests import nats, rabbitmq, valkey
from tests.integration.fleet import HOSTS, Fleet
from tests.integration.outsiders import NatsOutsider, RabbitOutsider, RedisOutsider
from tests.integration.queue_history import Promise, Row, Sent, check, key_of
from tests.integration.web import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.integration.conftest import Write
    from tests.integration.outsiders import Outsider
    from tests.integration.queue_history import Kind

STORM_S = float(os.environ.get("DRAGOMAN_STORM_S", "15"))
CALM_S = max(120.0, STORM_S)
"""A longer storm leaves more to handle, and to look at."""
PRODUCERS = 4
PAUSE_S = 0.04
"""Between the messages of one producer, at most: about what two hosts of two workers do on a busy machine."""
ATTEMPTS = 5
CODE = """
import os, signal, time
from pathlib import Path
from dragoman import Fault

RUNS = os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def work(key: str, s: float = 0.0, end: str = "") -> str:
    os.write(RUNS, (key + "\\n").encode())
    time.sleep(s)
    if end == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "raising":
        raise ValueError(key)
    if end == "late":
        try:
            (Path(os.environ["SEEN"]) / key).touch(exist_ok=False)
        except FileExistsError:
            return key
        raise Fault.unavailable("not yet")
    return key
"""
TOML = """
[project]
name = "storm"
[sources.shop]
path = "shop.py"
workers = 2
env = {{ RUNS = "{folder}/runs.txt", SEEN = "{folder}/seen" }}
[functions."shop.work"]
timeout = "20s"
task = {{ attempts = {attempts}, base = "20ms", max = "200ms" }}
[tasks]
lease = "2s"
[queues.orders]
url = "{url}"
from = "orders"
function = "shop.work"
to = "results"
lease = "2s"
attempts = {attempts}
base = "20ms"
max = "200ms"
[queues.jobs]
url = "{url}"
from = "jobs"
function = "shop.work"
as = "task"
to = "ends"
lease = "2s"
"""
EVENT = {"ce-specversion": "1.0", "ce-source": "/storm", "ce-type": "order", "content-type": "application/json"}
INVALID: Sequence[tuple[bytes, Mapping[str, str]]] = (
    (b'{"key": ', {}),
    (b'\xff\xfe{"key": "1"}', {}),
    (b'{"key": 5}', {}),
    (b"{}", {}),
    (b'{"key": "1", "more": 2}', {}),
    (b"[" * 100_000, {}),
    (b'{"key": "1"}', {"content-type": "image/png"}),
    (b'{"key": "1"}', {"content-type": "application/cloudevents+json"}),
    (b'{"key": "1"}', {**EVENT, "ce-specversion": "9", "ce-id": "1"}),
    (b'{"key": "1"}', {"dragoman-deadline": "2020-01-01T00:00:00Z"}),
    (b'{"key": "1"}', {"dragoman-deadline": "tomorrow"}),
    (b'{"key": "1"}', {"dragoman-timeout": "-5 parsecs"}),
    (b'{"key": "1"}', {"dragoman-function": "shop.other"}),
    (b'{"key": "1"}', {"dragoman-priority": "urgent"}),
)
"""Messages that can never be calls of the function."""


@dataclass
class World:
    """All that a storm has: a broker, hosts, and what producers know of each queue."""

    server: Any
    connect: Callable[[str], Outsider]
    fleet: Fleet
    orders: Sent = field(default_factory=Sent)
    jobs: Sent = field(default_factory=Sent)
    over: threading.Event = field(default_factory=threading.Event)


def message(chance: random.Random, key: str) -> tuple[Kind, bytes, dict[str, str]]:
    """Any message: most are good ones."""
    headers = {"x-key": key, "correlation-id": key}
    drawn = chance.randrange(100)
    if drawn < 4:
        body, more = chance.choice(INVALID)
        return "invalid", body, headers | dict(more)
    asked: dict[str, Any] = {"key": key, "s": chance.choice((0, 0, 0, 0.01, 0.05))}
    if drawn >= 20:
        return "good", json.dumps(asked).encode(), headers
    if drawn >= 9:
        event = {**EVENT, "ce-id": key, "ce-correlationid": key, "x-key": key}
        return "event", json.dumps(asked).encode(), event
    kind: Kind = "late" if drawn >= 7 else "raising" if drawn >= 5 else "poison"
    return kind, json.dumps(asked | {"end": kind}).encode(), headers


async def producing(world: World, number: int) -> None:
    """Send message after message, none of them twice."""
    chance = random.Random(number)
    outside = world.connect(world.server.url)
    count = 0
    while not world.over.is_set():
        count += 1
        key = f"{number}-{count}"
        place, sent = ("jobs", world.jobs) if chance.random() < 0.1 else ("orders", world.orders)
        kind, body, headers = message(chance, key)
        if place == "jobs" and kind == "event":
            headers["idempotency-key"] = key
        sent.kinds[key] = kind
        sent.unsure.add(key)
        try:
            await outside.send(place, key, body, headers)
        except Exception:  # noqa: BLE001 - whatever its client says, it may be sent or not
            await asyncio.sleep(0.1)
        else:
            sent.unsure.discard(key)
            sent.confirmed.add(key)
        await asyncio.sleep(chance.uniform(0, PAUSE_S))
    await outside.close()


def produce(world: World, number: int) -> None:
    asyncio.run(producing(world, number))


def storm(world: World) -> Counter[str]:
    """Kill at random for `STORM_S` seconds. Ends with everybody up; returns what was done how often."""
    chance, fleet, server = random.Random(7), world.fleet, world.server
    done: Counter[str] = Counter()
    until = time.monotonic() + STORM_S
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 1.5))
        place = chance.randrange(HOSTS)
        what = chance.choice(("host", "host", "worker", "worker", "worker", "broker", "hang", "pause"))
        done[what] += 1
        match what:
            case "host":
                fleet.kill_host(place)
                fleet.start(place)
            case "worker":
                fleet.kill_worker(place, chance)
            case "broker":
                server.kill()
                time.sleep(chance.uniform(0, 0.5))
                server.start()
            case "hang":
                server.stop()
                time.sleep(chance.uniform(0.1, 1.0))
                server.go_on()
            case _:
                fleet.pause(place, chance)
    return done


async def settled(world: World, outside: Outsider) -> tuple[list[Row], list[Row]]:
    """Wait until all that was confirmed has come out: results and dead letters."""
    rows: tuple[list[Row], list[Row]] = ([], [])
    give_up_at = time.monotonic() + CALM_S
    while time.monotonic() < give_up_at:
        for place, found in zip(("results", "orders.dead"), rows, strict=True):
            # What is read from a queue is gone from it; what is read from a stream stays.
            found[:] = await outside.read(place) + (found if isinstance(outside, RabbitOutsider) else [])
        if world.orders.confirmed <= {key_of(row) for found in rows for row in found}:
            break
        await asyncio.sleep(0.5)
    return rows


async def ends(world: World, outside: Outsider) -> tuple[list[Row], list[Row]]:
    """Wait until every task is over, and told: what was told, and the dead letters of the queue itself."""
    rows: tuple[list[Row], list[Row]] = ([], [])
    give_up_at = time.monotonic() + CALM_S
    while time.monotonic() < give_up_at:
        for place, found in zip(("ends", "jobs.dead"), rows, strict=True):
            found[:] = await outside.read(place) + (found if isinstance(outside, RabbitOutsider) else [])
        known = {json.loads(row.body)["data"]["id"] for row in rows[0]}
        buried = {key_of(row) for row in rows[1]}
        tasks = all_tasks(world.fleet)
        if {each["id"] for each in tasks} <= known and len(tasks) >= len(world.jobs.confirmed - buried):
            break
        await asyncio.sleep(0.5)
    return rows


def all_tasks(fleet: Fleet) -> list[dict[str, Any]]:
    """Every task, as hosts show them."""
    web = fleet.any(random.Random(0))
    assert web is not None
    tasks: list[dict[str, Any]] = []
    before = ""
    while True:
        page = web.ask("GET", f"/v1/tasks?limit=1000{before}").json
        tasks += page["tasks"]
        if page["next"] is None:
            return tasks
        before = f"&before={page['next']}"


def check_jobs(sent: Sent, told: Sequence[Row], dead: Sequence[Row], tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """All that is wrong with messages that became tasks: each is one task, or a dead letter of the queue."""
    said: defaultdict[str, set[str]] = defaultdict(set)
    results: Counter[str] = Counter()
    for row in told:
        data = json.loads(row.body)["data"]
        if not said[data["id"]] and data["state"] == "SUCCEEDED":
            results[data["result"]] += 1
        said[data["id"]].add(data["state"])
    states = {each["id"]: {each["state"]} for each in tasks}
    wrong = [
        f"task {name} is {state}, and was told to be {said[name]}"
        for name, state in states.items()
        if said[name] != state
    ]
    wrong += [f"task {name} was told, and is not kept" for name in said if name not in states]
    wrong += [f"{key} is {count} tasks" for key, count in results.items() if count > 1]
    buried = Counter(key_of(row) for row in dead)
    for key in sent.confirmed:
        kind = sent.kinds[key]
        if kind == "invalid" and not buried[key]:
            wrong.append(f"{key} is invalid, and no dead letter")
        if kind in {"good", "event", "late"} and not results[key] and not buried[key]:
            wrong.append(f"{key} ({kind}) was confirmed, and is lost")
    # Of those that fail nothing is told that names them; there are as many as were sent.
    for kind, state in (("poison", "DEAD"), ("raising", "FAILED")):
        least = sum(1 for key in sent.confirmed if sent.kinds[key] == kind and not buried[key])
        most = sum(1 for each in sent.kinds.values() if each == kind)
        found = sum(1 for each in states.values() if each == {state})
        if not least <= found <= most:
            wrong.append(f"{found} tasks are {state}, of {least} to {most} that are {kind}")
    return wrong


def run(world: World, folder: Path, promise: Promise, least_s: float) -> None:
    """A storm with so many messages a second at least, the calm after it, and what the checker says."""
    producers = [threading.Thread(target=produce, args=(world, each)) for each in range(PRODUCERS)]
    fleet = world.fleet
    try:
        for place in range(HOSTS):
            fleet.start(place)
        asyncio.run(primed(world))
        for producer in producers:
            producer.start()
        try:
            done = storm(world)
        finally:
            world.over.set()
            for producer in producers:
                producer.join()
        wrong = asyncio.run(judged(world, folder, promise))
    finally:
        world.over.set()
        fleet.stop()
    assert wrong == []
    assert asyncio.run(left(world)) == {"orders": 0, "jobs": 0}
    assert sum(done.values()) >= STORM_S / 10
    assert len(world.orders.confirmed) >= least_s * STORM_S


async def primed(world: World) -> None:
    """Wait until hosts have made all places, and a moment more: see `SECURE_S` of RabbitMQ."""
    outside = world.connect(world.server.url)
    async with asyncio.timeout(TIMEOUT_S * 2):
        for place in ("results", "orders.dead", "ends", "jobs.dead", "orders", "jobs"):
            while True:
                try:
                    await outside.unhandled(place) if place in {"orders", "jobs"} else await outside.read(place)
                except Exception:  # noqa: BLE001 - it is not there yet
                    await asyncio.sleep(0.1)
                else:
                    break
    await outside.close()
    await asyncio.sleep(1.5)


async def judged(world: World, folder: Path, promise: Promise) -> list[str]:
    """All that is wrong."""
    outside = world.connect(world.server.url)
    try:
        results, dead = await settled(world, outside)
        told, buried = await ends(world, outside)
    finally:
        await outside.close()
    runs = Counter((folder / "runs.txt").read_text().split())
    wrong = check(world.orders, results, dead, runs, promise)
    return wrong + check_jobs(world.jobs, told, buried, all_tasks(world.fleet))


async def left(world: World) -> dict[str, int]:
    """What is still unhandled when all hosts have gone."""
    outside = world.connect(world.server.url)
    try:
        return {place: await outside.unhandled(place) for place in ("orders", "jobs")}
    finally:
        await outside.close()


@pytest.fixture
def shop(write: Write) -> Path:
    folder = write(shop__py=CODE)
    (folder / "seen").mkdir()
    return folder


def world_of(server: Any, connect: Callable[[str], Outsider], folder: Path) -> World:
    toml = TOML.format(folder=folder, url=server.url, attempts=ATTEMPTS)
    return World(server, connect, Fleet(folder, toml))


pytestmark = pytest.mark.timeout(STORM_S + 3 * CALM_S)


def test_redis_streams_lose_and_double_nothing(shop: Path, tmp_path: Path) -> None:
    server = valkey.Server(tmp_path / "valkey")
    try:
        run(world_of(server, RedisOutsider, shop), shop, Promise(once=True, attempts=ATTEMPTS), least_s=7)
    finally:
        server.close()


@pytest.mark.needs("nats-server")
def test_jetstream_loses_nothing(shop: Path) -> None:
    server = nats.Server()
    try:
        run(world_of(server, NatsOutsider, shop), shop, Promise(once=False, attempts=ATTEMPTS), least_s=7)
    finally:
        server.close()


@pytest.mark.needs("rabbitmq-server")
def test_rabbitmq_loses_nothing(shop: Path) -> None:
    server = rabbitmq.Server()
    try:
        run(world_of(server, RabbitOutsider, shop), shop, Promise(once=False, attempts=ATTEMPTS), least_s=3.5)
    finally:
        server.close()
