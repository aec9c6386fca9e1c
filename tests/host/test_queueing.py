"""Queues of a project on a real host and a real server: they follow functions and file, and hosts share them."""

from __future__ import annotations

import json
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.config.load import load
from dragoman.core.fault import NotFound
from dragoman.host.applying import Applying
from dragoman.host.queueing import consumer_name, has_left
from dragoman.telemetry.metrics import Metrics
from dragoman.testing import RecordingJournal
from tests.host.projects import hosting
from tests.valkey import Server, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from dragoman.host.host import Host
    from tests.host.conftest import Write

CODE = """
def double(x: int) -> int: return 2 * x
"""
SHOP = '[sources.shop]\npath = "shop.py"\n'


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(shared: Server) -> Server:
    with shared.client() as client:
        client.flushall()
    return shared


def queue(server: Server, name: str = "orders", function: str = "shop.double", more: str = "") -> str:
    return (
        f'[queues.{name}]\nurl = "{server.url}"\nfrom = "{name}"\nfunction = "{function}"\nto = "results"\n'
        f'lease = "1s"\n{more}\n'
    )


@asynccontextmanager
async def consuming(*paths: Path, journal: RecordingJournal | None = None) -> AsyncGenerator[Host]:
    async with hosting(*paths, journal=journal) as host:
        await host.start()
        host.queueing.start(Metrics("1"))
        yield host


def rows(server: Server, place: str) -> list[dict[bytes, bytes]]:
    with server.client() as client:
        return [fields for _, fields in client.xrange(place)]


def send(server: Server, body: object, place: str = "orders", **headers: str) -> None:
    with server.client() as client:
        client.xadd(place, {"body": json.dumps(body), **headers})


async def test_messages_are_calls_and_results_messages(write: Write, server: Server) -> None:
    async with consuming(write(shop__py=CODE, dragoman__toml=SHOP + queue(server))) as host:
        send(server, {"x": 4})
        await until(lambda: rows(server, "results"))
        assert rows(server, "results")[0][b"body"] == b"8"
        (status,) = host.queueing.statistics()
        assert (status.name, status.counts["handled"], status.state["up"]) == ("orders", 1, True)


async def test_as_a_task_the_end_is_told_to_the_queue(write: Write, server: Server) -> None:
    text = SHOP + queue(server, more='as = "task"')
    async with consuming(write(shop__py=CODE, dragoman__toml=text)) as host:
        send(server, {"x": 4}, **{"idempotency-key": "once", "correlation-id": "order 17"})
        send(server, {"x": 4}, **{"idempotency-key": "once"})
        send(server, {"x": "four"})
        await until(lambda: rows(server, "results"))
        (told,) = rows(server, "results")
        document: dict[str, Any] = json.loads(told[b"body"])
        assert (document["type"], document["data"]["result"]) == ("task.succeeded", 8)
        assert document["data"]["caller"] == "queue:orders"
        assert told[b"correlation-id"] == b"order 17"
        await until(lambda: rows(server, "orders.dead"))
        assert len(rows(server, "orders.dead")) == 1
        (status,) = host.queueing.statistics()
        assert status.counts["handled"] == 2


async def test_a_queue_of_a_function_that_is_not_there_waits_for_it_and_says_so(write: Write, server: Server) -> None:
    journal = RecordingJournal()
    project = write(shop__py=CODE, dragoman__toml=SHOP + queue(server, function="shop.tripel"))
    async with consuming(project, journal=journal) as host:
        assert list(host.queueing.statistics()) == []
        assert any("queues.orders is for 'shop.tripel', which is not there" in each.message for each in journal.noted)
        send(server, {"x": 4})
        write(shop__py=CODE + "def tripel(x: int) -> int: return 3 * x\n")
        assert await host.reload("shop") is None
        await until(lambda: rows(server, "results"))
        assert rows(server, "results")[0][b"body"] == b"12"


async def test_queues_follow_the_file(write: Write, server: Server) -> None:
    project = write(shop__py=CODE, dragoman__toml=SHOP + queue(server))
    async with consuming(project) as host:
        apply = Applying(host, host.world.surroundings.clock)
        await until(lambda: all(status.state["up"] for status in host.queueing.statistics()))
        write(dragoman__toml=SHOP + queue(server, "others", more="attempts = 5"))
        told = await apply()
        assert told.functions == ("queues.orders: on -> off", "queues.others: off -> on")
        send(server, {"x": 1}, "orders")
        send(server, {"x": 2}, "others")
        await until(lambda: rows(server, "results"))
        assert [row[b"body"] for row in rows(server, "results")] == [b"4"]
        write(dragoman__toml=SHOP + queue(server, "others", more="attempts = 6"))
        assert (await apply()).functions == ("queues.others.attempts: changed",)
        send(server, {"x": 3}, "others")
        await until(lambda: len(rows(server, "results")) == 2)
        assert [status.name for status in host.queueing.statistics()] == ["others"]


async def test_hosts_of_one_project_share_the_messages(write: Write, server: Server) -> None:
    project = write(shop__py=CODE, dragoman__toml=SHOP + queue(server))
    async with consuming(project) as first, consuming(project) as second:
        for n in range(200):
            send(server, {"x": n})
        await until(lambda: len(rows(server, "results")) >= 200)
        assert sorted(int(row[b"body"]) for row in rows(server, "results")) == [2 * n for n in range(200)]
        handled = [next(host.queueing.statistics()).counts["handled"] for host in (first, second)]
        assert sum(handled) == 200


async def test_a_host_that_stops_leaves_nothing_behind(write: Write, server: Server) -> None:
    project = write(shop__py=CODE, dragoman__toml=SHOP + queue(server))
    async with consuming(project) as host:
        await until(lambda: all(status.state["up"] for status in host.queueing.statistics()))
        await host.queueing.drain(1.0)
        send(server, {"x": 4})
    with server.client() as client:
        (group,) = client.xinfo_groups("orders")
        assert (group["consumers"], group["pending"]) == (1, 0), "the group's own mark, and nobody else"
    assert rows(server, "results") == []


async def test_publishing_goes_to_queues_that_are_written_to(write: Write, server: Server) -> None:
    text = SHOP + f'[queues.done]\nurl = "{server.url}"\nto = "done"\n' + queue(server).replace('to = "results"\n', "")
    async with hosting(write(shop__py=CODE, dragoman__toml=text)) as host:
        assert "done" in host.queueing
        assert "orders" not in host.queueing
        await host.queueing.publish("done", b"1", {"webhook-id": "x"})
        assert rows(server, "done") == [{b"body": b"1", b"webhook-id": b"x"}]
        with pytest.raises(NotFound):
            await host.queueing.publish("orders", b"1", {})


def test_a_host_that_is_gone_is_known_by_its_name() -> None:
    name = consumer_name()
    assert consumer_name() != name
    assert not has_left(name)
    here = name.split("/")
    child = subprocess.Popen(["true"])
    child.wait()
    assert has_left("/".join((here[0], str(child.pid), "1.0", *here[3:])))
    assert not has_left("/".join((here[0], str(child.pid), "1.0", "another boot", *here[4:])))
    for other in ("", "somebody", "a/b/c/d/e/f"):
        assert not has_left(other)


def test_the_project_of_these_tests_can_be_read(write: Write, server: Server) -> None:
    assert load([write(shop__py=CODE, dragoman__toml=SHOP + queue(server))]).queues["orders"].lease_s == 1.0
