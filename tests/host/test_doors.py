from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Fault, StartFailed
from dragoman.core.terms import Terms
from dragoman.host.doors import HostCatalogue, HostDoors, HostTasks, Listener
from dragoman.ingress.http.tasks import Wanted, is_over
from dragoman.telemetry.log import Log, LogOptions
from dragoman.telemetry.metrics import Metrics
from tests.host.projects import hosting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dragoman.host.host import Host
    from tests.host.conftest import Write

pytestmark = pytest.mark.usefixtures("own_modules")


@pytest.fixture
async def host(write: Write) -> AsyncGenerator[Host]:
    """A project with an inline source, not started yet."""
    folder = write(
        shop__py="async def price(sku: str) -> int: return 1\nasync def buy(sku: str) -> int: return 2",
        dragoman__toml="""
            [project]
            name = "corner"
            [sources.shop]
            path = "shop.py"
            mode = "inline"
            timeout = "5s"
        """,
    )
    async with hosting(folder) as host:
        yield host


async def test_doors_open_when_their_source_is_ready(host: Host) -> None:
    doors = HostDoors(host, Metrics("1.0")).doors
    assert doors.by_path == {}
    assert await host.start() == {}
    assert set(doors.by_path) == {b"/v1/call/shop.price", b"/v1/call/shop.buy"}
    door = doors.by_path[b"/v1/call/shop.price"]
    assert door.target.name == "shop.price"
    assert door.input["required"] == ["sku"]


async def test_doors_follow_a_reload(host: Host, write: Write) -> None:
    assert await host.start() == {}
    doors = HostDoors(host, Metrics("1.0")).doors
    replaced: list[int] = []
    doors.on_replace = lambda: replaced.append(len(doors.by_path))
    write(shop__py="async def price() -> int: return 1")
    assert await host.reload("shop") is None
    assert (set(doors.by_path), replaced) == ({b"/v1/call/shop.price"}, [1])


async def test_a_door_that_is_not_there_says_why(host: Host, write: Write) -> None:
    write(shop__py="1 / 0")
    doors = HostDoors(host, Metrics("1.0")).doors
    await host.start()
    fault = doors.missing("shop.price")
    assert isinstance(fault, StartFailed)
    assert "ZeroDivisionError" in fault.detail


async def test_the_catalogue_lists_the_functions_by_name(host: Host) -> None:
    catalogue = HostCatalogue(host)
    assert (catalogue.service, dict(catalogue.functions())) == ("corner", {})
    before = catalogue.version
    assert await host.start() == {}
    assert catalogue.version > before
    assert list(catalogue.functions()) == ["shop.buy", "shop.price"]
    entry = catalogue.functions()["shop.price"]
    assert (entry.source, entry.language, entry.mode, entry.timeout_s) == ("shop", "python", "inline", 5.0)
    assert catalogue.functions() is catalogue.functions(), "it is made once for each version"


async def test_a_call_that_failed_is_logged_with_its_function(host: Host) -> None:
    assert await host.start() == {}
    target = host.registry.find("shop.price").target
    call = host.call(target, b"", Codec.JSON, Codec.JSON)
    reader, writer = os.pipe()
    log = Log(LogOptions(format="json"), fd=writer)
    metrics = Metrics("1.0")
    listener = Listener(metrics.http, log)
    listener.failed(call, Fault.internal("a bug"))
    log.close()
    os.close(writer)
    with os.fdopen(reader) as lines:
        (line,) = list(lines)
    assert '"function":"shop.price"' in line.replace(": ", ":")
    assert listener.counts is metrics.http


async def test_tasks_are_found_as_an_ingress_asks_for_them(host: Host) -> None:
    await host.start()
    tasks = HostTasks(host.tasking.tasks)
    target = host.registry.find("shop.price").target
    made = [await tasks.submit(host.call(target, b'{"sku":"a"}', Codec.JSON, Codec.JSON), Terms()) for _ in range(3)]
    ids = [document["id"] for document, _ in made]
    assert [created for _, created in made] == [True] * 3
    for id_ in ids:
        events = [(kind, data) async for _, kind, data in tasks.events(id_)]
        assert events[-1][0] == "state"
        assert is_over(events[-1][1])
        reply = await tasks.result(id_)
        assert reply is not None
        assert reply.body == b"1"
    page = await tasks.find(Wanted(frozenset({"SUCCEEDED"}), "shop.price", limit=2))
    assert [each["id"] for each in page["tasks"]] == [ids[2], ids[1]]
    rest = await tasks.find(Wanted(before=page["next"]))
    assert [each["id"] for each in rest["tasks"]] == [ids[0]]
    assert (await tasks.find(Wanted(frozenset({"DEAD"}))))["tasks"] == []
    assert (await tasks.cancel(ids[0]))["state"] == "SUCCEEDED"
    assert await tasks.logs(ids[0]) == []
    assert await tasks.undelivered() == []


async def test_the_catalogue_describes_the_queues_with_the_functions_that_there_are(write: Write) -> None:
    folder = write(
        shop__py="async def price(sku: str) -> int: return 1",
        dragoman__toml="""
            [project]
            name = "corner"
            [sources.shop]
            path = "shop.py"
            mode = "inline"
            [queues.orders]
            url = "redis://:hunter2@127.0.0.1:1"
            from = "orders"
            function = "shop.price"
        """,
    )
    async with hosting(folder) as host:
        assert await host.start() == {}
        document = HostCatalogue(host).messages()
    assert document["info"] == document["info"] | {"title": "corner"}
    assert document["servers"]["redis1"]["host"] == "127.0.0.1:1"
    assert document["channels"]["orders_in"]["address"] == "orders"
    assert document["components"]["schemas"]["shop.price.Input"]["required"] == ["sku"]
    assert "hunter2" not in str(document)
