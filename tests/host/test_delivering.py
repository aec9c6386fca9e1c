"""Callbacks of a real host: what may be asked for, what arrives, and that a changed file holds at once."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook

from dragoman.core.fault import InvalidArgument
from dragoman.core.terms import Terms
from dragoman.host.applying import Applying
from dragoman.tasks.task import Query
from tests.host.projects import hosting
from tests.host.submitting import submit
from tests.tasks.endpoints import endpoint, says
from tests.valkey import Server, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.host.conftest import Write

CODE = """
def double(x: int) -> int: return 2 * x
def fail() -> int: raise ValueError("no")
"""
SHOP = '[sources.shop]\npath = "shop.py"\n'
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OPEN = f'[tasks]\ncallbacks_private = true\ncallback_secret = "{SECRET}"\n'


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE, dragoman__toml=SHOP + OPEN)


def to(url: str) -> Terms:
    return Terms(callback=json.dumps(url).encode())


async def test_the_end_of_a_task_is_told_signed(shop: Path) -> None:
    async with hosting(shop) as host, endpoint(says(200)) as there:
        await host.start()
        done = await submit(host, "shop.double", to(there.url), x=4)
        failed = await submit(host, "shop.fail", to(there.url))
        await until(lambda: len(there.asked) == 2)
        told = {
            event["data"]["id"]: event
            for event in (Webhook(SECRET).verify(asked.body, asked.headers) for asked in there.asked)
        }
    assert (told[done]["type"], told[done]["data"]["result"]) == ("task.succeeded", 8)
    assert (told[failed]["type"], told[failed]["data"]["fault"]["code"]) == ("task.failed", "UNKNOWN")


async def test_what_may_not_be_reached_is_refused_and_nothing_is_stored(shop: Path) -> None:
    (shop / "dragoman.toml").write_text(SHOP)
    async with hosting(shop) as host, endpoint(says(200)) as there:
        await host.start()
        for url in (there.url, "http://localhost/", "http://169.254.169.254/", "ftp://a/", "https://u:p@a/", "queue:q"):
            with pytest.raises(InvalidArgument, match="callback"):
                await submit(host, "shop.double", to(url), x=4)
        assert await host.tasking.tasks.find(Query()) == {"tasks": [], "next": None}
        assert not host.tasking.present


async def test_settings_hold_from_when_they_are_applied(shop: Path) -> None:
    file = shop / "dragoman.toml"
    file.write_text(SHOP)
    async with hosting(shop) as host, endpoint(says(200)) as there:
        await host.start()
        with pytest.raises(InvalidArgument):
            await submit(host, "shop.double", to(there.url), x=4)
        file.write_text(SHOP + OPEN)
        told = await Applying(host, host.world.surroundings.clock)()
        assert "tasks.callbacks_private: false -> true" in told.functions
        await submit(host, "shop.double", to(there.url), x=4)
        await until(lambda: there.asked)
        assert Webhook(SECRET).verify(there.asked[0].body, there.asked[0].headers)["data"]["result"] == 8


async def test_what_was_not_delivered_is_there_for_the_next_host(shop: Path) -> None:
    async with endpoint(says(500)) as there:
        async with hosting(shop) as host:
            await host.start()
            task = await submit(host, "shop.double", to(there.url), x=4)
            await until(lambda: there.asked)
        there.answer = says(200)
        there.asked.clear()
        async with hosting(shop) as host:
            await host.start()
            await until(lambda: there.asked, 20)
    assert json.loads(there.asked[0].body)["data"]["id"] == task


async def test_the_end_of_a_task_is_told_to_a_queue_once_its_broker_takes_it(write: Write) -> None:
    server = Server()
    text = f'{SHOP}{OPEN}[queues.done]\nurl = "{server.url}"\nto = "ends"\n'
    try:
        async with hosting(write(shop__py=CODE, dragoman__toml=text)) as host:
            await host.start()
            server.kill()
            task = await submit(host, "shop.double", to("queue:done"), x=4)
            await until(lambda: host.delivering.courier and host.delivering.courier.counts["failed"], 40)
            server.start()
            with server.client() as client:
                await until(lambda: client.xlen("ends"), 40)
                ((_, fields),) = client.xrange("ends")
    finally:
        server.close()
    body = fields.pop(b"body")
    headers = {name.decode(): value.decode() for name, value in fields.items()}
    told = Webhook(SECRET).verify(body, headers)
    assert (told["type"], told["data"]["id"], told["data"]["result"]) == ("task.succeeded", task, 8)
