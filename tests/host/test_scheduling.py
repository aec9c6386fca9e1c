"""Schedules of a project on a real host: they become tasks, follow the file, and several hosts share them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.config.load import load
from dragoman.host.applying import Applying
from dragoman.host.scheduling import Scheduling
from dragoman.tasks.task import Query
from dragoman.testing import RecordingJournal
from tests.host.projects import hosting
from tests.valkey import until

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.host.host import Host
    from tests.host.conftest import Write

CODE = """
def double(x: int, at: str = "") -> int: return 2 * x
"""
SHOP = '[sources.shop]\npath = "shop.py"\n'
OFTEN = '[schedules.often]\nfunction = "shop.double"\nevery = "1s"\ninput = { x = 4 }\nmoment = "at"\n'


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE, dragoman__toml=SHOP + OFTEN)


def scheduling(host: Host) -> Scheduling:
    return next(each for each in host.tasking.companions if isinstance(each, Scheduling))


async def fired(host: Host, least: int, state: str = "SUCCEEDED") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def look() -> bool:
        nonlocal found
        tasks: list[dict[str, Any]] = (await host.tasking.tasks.find(Query(schedule="often")))["tasks"]
        found = [each for each in tasks if each["state"] == state]
        return len(found) >= least

    while not await look():
        await host.tasking.tasks.wait(found[0]["id"], 0.1) if found else await until(lambda: True)
    return found


async def test_a_schedule_runs_its_function_as_tasks(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        first, *_ = (await fired(host, 2))[::-1]
        assert (first["schedule"], first["caller"], first["function"]) == ("often", "schedule:often", "shop.double")
        reply = await host.tasking.tasks.result(first["id"])
        assert reply is not None
        assert bytes(reply.body) == b"8"


async def test_hosts_of_one_project_fire_each_moment_once(shop: Path) -> None:
    async with hosting(shop) as one, hosting(shop) as two:
        await one.start()
        await two.start()
        await fired(one, 3)
        with sqlite3.connect(shop / ".dragoman/tasks.db") as db:
            inputs = [body for (body,) in db.execute("SELECT body FROM tasks")]
        assert len(inputs) == len(set(inputs)) >= 3


async def test_a_schedule_that_is_written_while_a_host_runs_begins_and_one_that_is_erased_ends(shop: Path) -> None:
    file = shop / "dragoman.toml"
    file.write_text(SHOP)
    async with hosting(shop) as host:
        await host.start()
        assert not host.tasking.present
        file.write_text(SHOP + OFTEN)
        told = await Applying(host, host.world.surroundings.clock)()
        assert told.functions == ("schedules.often: off -> shop.double every 1s",)
        await until(lambda: host.tasking.present)
        await fired(host, 1)
        file.write_text(SHOP)
        await Applying(host, host.world.surroundings.clock)()
        scheduler = scheduling(host).scheduler
        assert scheduler is not None
        assert await scheduler.look() == []


async def test_one_of_a_function_that_is_not_there_is_told_and_the_others_run(shop: Path) -> None:
    file = shop / "dragoman.toml"
    file.write_text(SHOP + OFTEN + '[schedules.lost]\nfunction = "shop.doubel"\nevery = "1s"\n')
    journal = RecordingJournal()
    async with hosting(shop, journal=journal) as host:
        await host.start()
        await fired(host, 1)
        lost = "schedules.lost runs 'shop.doubel', which is not there; did you mean 'shop.double'?"
        assert lost in host.registry.all_strangers()
        await until(lambda: any("schedule lost cannot be fired now" in line for line in journal.messages("warning")))


async def test_one_whose_task_is_not_over_is_passed_over_across_hosts(shop: Path) -> None:
    (shop / "shop.py").write_text("import time\ndef double(x: int, at: str = '') -> None: time.sleep(60)\n")
    (shop / "dragoman.toml").write_text(SHOP + OFTEN + 'overlap = "skip"\n')
    async with hosting(shop) as one, hosting(shop) as two:
        await one.start()
        await two.start()
        counts = one.tasking.meter.schedules, two.tasking.meter.schedules
        await until(lambda: sum(each["often", "skipped"] for each in counts) >= 2)
        assert sum(each["often", "fired"] for each in counts) == 1
        (task,) = (await one.tasking.tasks.find(Query(schedule="often")))["tasks"]
        await one.tasking.tasks.cancel(task["id"])
        await until(lambda: sum(each["often", "fired"] for each in counts) >= 2)


async def test_a_schedule_keeps_to_the_backlog(shop: Path) -> None:
    (shop / "shop.py").write_text("import time\ndef double(x: int, at: str = '') -> None: time.sleep(60)\n")
    pool = '[functions."shop.double"]\ntask = { concurrency = 1 }\n'
    (shop / "dragoman.toml").write_text(SHOP + OFTEN + pool + "[tasks]\nbacklog = 2\n")
    journal = RecordingJournal()
    async with hosting(shop, journal=journal) as host:
        await host.start()
        await until(lambda: host.tasking.meter.schedules["often", "failed"] >= 1)
        assert [line for line in journal.messages("warning") if "2 tasks wait already, and no more may" in line]
        assert len((await host.tasking.tasks.find(Query(schedule="often")))["tasks"]) <= 3


async def test_resting_schedules_open_no_store(shop: Path) -> None:
    (shop / "dragoman.toml").write_text(SHOP + OFTEN + "enabled = false\n")
    host_of = load([shop])
    assert not host_of.schedules["often"].enabled
    async with hosting(shop) as host:
        await host.start()
        assert not host.tasking.present
