"""What stands around a function is told with the place of each value."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.config.load import load
from dragoman.host.explaining import Explaining
from tests.host.projects import ask, hosting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dragoman.host.host import Host
    from tests.host.conftest import Write

CODE = (
    "from dragoman import Batch, function\n@function(idempotent=True, version='1.2.0', batch=Batch(max=8))\n"
    "def double(xs: list[int]) -> list[int]: return [2 * x for x in xs]\ndef pay() -> int: return 1\n"
)
TOML = """
[defaults]
retry = 4
timeout = "5s"

[sources.shop]
path = "shop.py"
queue = 7

[functions."shop.double"]
batch.delay = "5ms"

[functions."shop.pay"]
cache = "1s"
"""


@asynccontextmanager
async def shop(write: Write, toml: str = TOML) -> AsyncGenerator[Host]:
    async with hosting(write(shop__py=CODE, run__sh="#!/bin/sh\necho 1\n", dragoman__toml=toml)) as host:
        assert await host.start() == {}
        yield host


def by_key(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rows = [*told["settings"], *told["workers"], *(row for layer in told["stack"] for row in layer["settings"])]
    return {row["key"]: row for row in rows}


async def test_each_value_comes_with_its_place(write: Write) -> None:
    async with shop(write) as host:
        told = Explaining(host.project).explain(host.registry.find("shop.double"))
        file = str(host.project.file)
    rows = by_key(told)
    assert [layer["layer"] for layer in told["stack"]] == ["retry", "batch"]
    assert (told["version"], told["mode"]) == ("1.2.0", "warm")
    assert all(layer["why"] for layer in told["stack"])
    assert rows["retry.attempts"] == {
        "key": "retry.attempts",
        "value": 4,
        "from": "file",
        "file": file,
        "line": 3,
        "table": "defaults",
        "written": "retry",
    }
    assert rows["batch.delay"]["table"] == 'functions."shop.double"'
    assert (rows["batch.max"]["value"], rows["batch.max"]["from"]) == (8, "code")
    assert rows["idempotent"]["declared"] == "@function(idempotent=True)"
    assert (rows["timeout"]["value"], rows["timeout"]["line"]) == ("5s", 4)
    assert rows["priority"] == {"key": "priority", "value": "normal", "from": "default"}
    assert (rows["queue"]["value"], rows["queue"]["table"]) == (7, "sources.shop")
    assert rows["retry.base"] == {"key": "retry.base", "value": "50ms", "from": "default"}
    assert "state" not in told["stack"][0]


async def test_a_default_that_follows_another_setting_is_told_as_it_holds(write: Write) -> None:
    async with shop(write, TOML + '[functions."shop.pay".rate]\nlimit = "100/s"\n') as host:
        rows = by_key(Explaining(host.project).explain(host.registry.find("shop.pay")))
    assert rows["rate.burst"] == {
        "key": "rate.burst",
        "value": 100,
        "from": "default",
        "default": "one second's worth",
    }
    assert rows["rate.caller_burst"]["value"] is None, "there is no limit that could be burst through"


async def test_a_layer_that_does_not_fit_is_told_with_the_reason(write: Write) -> None:
    async with shop(write) as host:
        told = Explaining(host.project).explain(host.registry.find("shop.pay"))
    assert [each["layer"] for each in told["left_out"]] == ["cache"]
    assert "not idempotent" in told["left_out"][0]["why"]


async def test_layers_without_a_table_of_their_own_are_told_too(write: Write) -> None:
    toml = '[sources.run]\npath = "run.sh"\nbody_max = "1KB"\n'
    async with shop(write, toml) as host:
        told = Explaining(host.project).explain(host.registry.find("run"))
    assert [layer["layer"] for layer in told["stack"]] == ["size", "validate"]
    assert by_key(told)["body_max"]["value"] == "1KB"


@pytest.mark.parametrize(("mode", "more"), [("warm", ["concurrency"]), ("fork", [])])
async def test_the_workers_of_a_source_are_told(write: Write, mode: str, more: list[str]) -> None:
    toml = f'[sources.shop]\npath = "shop.py"\nmode = "{mode}"\nqueue = 7\nworkers.max = 2\n'
    async with shop(write, toml) as host:
        rows = Explaining(host.project).explain(host.registry.find("shop.pay"))["workers"]
    assert [row["key"] for row in rows] == ["workers.min", "workers.max", *more, "queue"]
    assert [row["value"] for row in rows if row["from"] == "file"] == [2, 7]


async def test_a_host_tells_what_its_layers_know(write: Write) -> None:
    async with shop(write) as host:
        await ask(host, "shop.double", xs=[1])
        told = Explaining(host.project).explain(host.registry.find("shop.double"), live=True)
    retry, batch = told["stack"]
    assert retry["state"]["waiting"] == 0
    assert batch["counts"]["gathered"] == 1


async def test_what_came_in_force_while_the_host_ran_is_marked(write: Write) -> None:
    async with shop(write) as host:
        first = host.project
        write(dragoman__toml=TOML.replace("retry = 4", "retry = { attempts = 4, base = '9ms' }") + 'timeout = "1s"\n')
        host.exchange(load([first.folder]), [], [])
        rows = by_key(Explaining(host.project, first).explain(host.registry.find("shop.pay")))
        before = by_key(Explaining(host.project).explain(host.registry.find("shop.pay")))
    assert rows["retry.base"]["applied"]
    assert rows["timeout"]["applied"]
    assert "applied" not in rows["retry.attempts"]
    assert not any("applied" in row for row in before.values())


async def test_the_bulkhead_of_a_source_inside_the_host_tells_where_its_bounds_stand(write: Write) -> None:
    write(inner__py="async def f() -> int: return 1\n")
    async with shop(write, '[sources.inner]\npath = "inner.py"\nmode = "inline"\nconcurrency = 5\n') as host:
        told = Explaining(host.project).explain(host.registry.find("inner.f"))
    rows = by_key(told)
    assert [layer["layer"] for layer in told["stack"]] == ["deadline", "bulkhead"]
    assert (rows["bulkhead.concurrency"]["value"], rows["bulkhead.concurrency"]["line"]) == (5, 4)
    assert rows["bulkhead.queue"]["from"] == "default"


async def test_what_holds_for_its_tasks_is_told_beside_its_stack(write: Write) -> None:
    toml = TOML + 'task.attempts = 5\n[functions."shop.double".task]\nenabled = false\n'
    async with shop(write, toml) as host:
        explaining = Explaining(host.project)
        pay, double = (explaining.explain(host.registry.find(f"shop.{name}"))["tasks"] for name in ("pay", "double"))
    rows = {row["key"]: row for row in pay}
    assert (rows["task.attempts"]["value"], rows["task.attempts"]["from"]) == (5, "file")
    assert (rows["task.timeout"]["value"], rows["task.timeout"]["from"]) == ("5s", "default")
    assert rows["task.deadline"]["value"] == "1d"
    assert [(row["key"], row["value"]) for row in double] == [("task.enabled", False)]


async def test_the_schedules_and_queues_that_call_it_are_named_without_their_secrets(write: Write) -> None:
    toml = (
        TOML
        + """
[schedules.nightly]
function = "shop.pay"
cron = "30 2 * * *"
catch_up = "all"

[queues.payments]
url = "redis://:secret@127.0.0.1:6379"
from = "payments"
function = "shop.pay"
to = "paid"

[queues.any]
url = "amqp://127.0.0.1"
from = "calls"
as = "task"

[queues.told]
url = "nats://127.0.0.1"
to = "told"
"""
    )
    async with shop(write, toml) as host:
        pay, double = (
            Explaining(host.project).explain(host.registry.find(f"shop.{name}"))["called_by"]
            for name in ("pay", "double")
        )
    nightly = {"table": "schedules.nightly", "when": "30 2 * * *", "catch_up": "all"}
    payments = {"table": "queues.payments", "broker": "redis", "from": "payments", "to": "paid"}
    named = {"table": "queues.any", "broker": "rabbitmq", "from": "calls", "to": None, "as": "task", "by_name": True}
    assert pay == [nightly, {**payments, "as": "call", "by_name": False}, named]
    assert double == [named]
