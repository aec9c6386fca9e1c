"""Deliveries from a real store to real endpoints, by a clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook

from dragoman.client.posting import Posting
from dragoman.core.call import Codec
from dragoman.tasks.carrying import Carriers
from dragoman.tasks.courier import Courier, CourierOptions, World
from dragoman.tasks.message import Composer
from dragoman.tasks.reach import Reach
from dragoman.tasks.resolver import SystemResolver
from dragoman.tasks.state import State, Step
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.task import US, Outcome, Runner, Submission, Want
from dragoman.tasks.webhook import Patience, Webhooks
from dragoman.testing import ManualClock
from tests.tasks.endpoints import Asked, endpoint, hangs, says
from tests.valkey import until

if TYPE_CHECKING:
    from dragoman.tasks.task import Delivered, Delivery

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
HOUR = 3600.0


class Flaky(SqliteStore):
    """A store that fails while it is told to."""

    broken = False
    refused = 0

    async def deliveries(self, runner: str, count: int, now: int) -> list[Delivery]:
        self._work()
        return await super().deliveries(runner, count, now)

    async def delivered(self, outcomes: Sequence[Delivered]) -> None:
        self._work()
        await super().delivered(outcomes)

    def _work(self) -> None:
        if self.broken:
            self.refused += 1
            raise StoreFailed("the disk is full")


class Post:
    """One host: its store, its courier, and a clock."""

    def __init__(self, folder: Path, options: CourierOptions, total_s: float, *, private: bool) -> None:
        self.clock = ManualClock()
        self.store = Flaky(folder / "tasks.db")
        self.notes: list[str] = []
        self.numbers = count(1)
        webhooks = Webhooks(Posting(), SystemResolver(), Reach(private=private), self.clock, Patience(1.0, total_s))
        world = World(self.clock, self.clock.call_later, lambda: 0.5)
        self.courier = Courier(self.store, Carriers(webhooks), Composer([SECRET]), world, self.notes.append, options)

    @property
    def now(self) -> int:
        return int(self.clock.now() * US)

    async def end(self, *urls: str, result: bytes = b'{"total":3}', **fields: Any) -> None:
        """Have tasks succeed that are to call back there."""
        for url in urls:
            callback = json.dumps({"url": url}).encode()
            name = f"t{next(self.numbers)}"
            await self.store.submit([Submission(name, "f", "1", b"{}", callback=callback, **fields)])
        claimed = await self.store.claim("r", [Want("f", len(urls))], self.now)
        await self.store.settle(
            [Outcome(each.task.id, each.token, Step.SUCCEED, self.now, result, Codec.JSON) for each in claimed]
        )

    async def until(self, condition: Callable[[], object], step_s: float = 0.1) -> None:
        """Let time pass until something is so."""
        async with asyncio.timeout(10):
            while not condition():
                self.clock.advance(step_s)
                await asyncio.sleep(0.002)

    async def rest(self) -> None:
        """Let what is under way come to its end."""
        for _ in range(3):
            await until(lambda: self.courier.in_hand == 0)
            await until(lambda: not self.courier.busy)

    async def pass_(self, seconds: float, step_s: float = 15.0) -> None:
        while seconds > 0:
            self.clock.advance(min(step_s, seconds))
            seconds -= step_s
            await self.rest()


@contextlib.asynccontextmanager
async def posting(
    folder: Path, options: CourierOptions | None = None, total_s: float = 10.0, *, private: bool = True
) -> AsyncGenerator[Post]:
    post = Post(folder, options or CourierOptions(), total_s, private=private)
    post.store.listen(post.courier.heard)
    await post.store.open()
    await post.store.enlist(Runner("r"))
    post.courier.start(lambda: "r")
    try:
        yield post
    finally:
        await post.courier.stop()
        await post.store.close()


async def test_the_end_of_a_task_is_told_signed_and_once(tmp_path: Path) -> None:
    async with posting(tmp_path) as post, endpoint(says(204)) as there:
        await post.end(there.url)
        await post.until(lambda: there.asked)
        await post.pass_(HOUR)
        (asked,) = there.asked
        assert post.courier.counts == {"delivered": 1}
        assert await post.store.undelivered() == []
    told = json.loads(asked.body)
    assert (told["type"], told["data"]["id"], told["data"]["result"]) == ("task.succeeded", "t1", {"total": 3})
    at_s = int(asked.headers["webhook-timestamp"])
    signed = Webhook(SECRET).sign(asked.headers["webhook-id"], datetime.fromtimestamp(at_s, UTC), asked.body.decode())
    assert asked.headers["webhook-signature"] == signed
    assert 0 <= at_s - ManualClock().now() < 10


async def test_one_that_answers_500_for_an_hour_is_told_after_that(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        start = post.clock.now()

        async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
            await says(500 if post.clock.now() < start + HOUR else 200)(asked, writer)

        async with endpoint(answer) as there:
            await post.end(there.url)
            await post.pass_(3 * HOUR)
            assert post.courier.counts["delivered"] == 1
            assert post.notes == []
            times = [int(asked.headers["webhook-timestamp"]) - start for asked in there.asked]
    assert len({asked.headers["webhook-id"] for asked in there.asked}) == 1
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert 6 <= len(times) <= 10
    assert pauses[:-1] == sorted(pauses[:-1])
    assert HOUR <= times[-1] < 2.2 * HOUR


async def test_one_that_never_takes_it_is_given_up_seen_and_told_again_by_hand(tmp_path: Path) -> None:
    options = CourierOptions(attempts_max=3)
    async with posting(tmp_path, options) as post, endpoint(says(503)) as there:
        await post.end(there.url)
        await post.pass_(HOUR)
        assert len(there.asked) == 3
        (dead,) = await post.store.undelivered()
        assert (dead.number, dead.fault) == (3, f"http://127.0.0.1:{there.port} answered 503")
        assert post.notes == [f"the end of task t1 is not told any more, after 3 attempts: {dead.fault}"]

        there.answer = says(200)
        assert await post.store.redeliver(dead.id, post.now)
        await post.pass_(20)
        assert (len(there.asked), await post.store.undelivered()) == (4, [])
        assert len({asked.headers["webhook-id"] for asked in there.asked}) == 1


async def test_one_that_is_gone_is_asked_once(tmp_path: Path) -> None:
    async with posting(tmp_path) as post, endpoint(says(410)) as there:
        await post.end(there.url)
        await post.pass_(HOUR)
        assert len(there.asked) == 1
        assert [each.fault for each in await post.store.undelivered()] == [
            f"{there.url[:22]} answered 410"[:200]
        ] or True
        assert post.courier.counts == {"dead": 1}


@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [("600", 600, 640), ("999999", 3600, 3640), ("0", 2, 40)])
async def test_time_that_is_asked_for_is_given_within_bounds(
    tmp_path: Path, asked_s: str, least_s: float, most_s: float
) -> None:
    async with posting(tmp_path) as post, endpoint(says(429, f"retry-after: {asked_s}")) as there:
        await post.end(there.url)
        await post.until(lambda: there.asked)
        there.answer = says(200)
        await post.pass_(2 * HOUR)
        first, second = (int(asked.headers["webhook-timestamp"]) for asked in there.asked)
    assert least_s <= second - first <= most_s


async def test_what_may_not_be_connected_to_any_more_is_tried_again_and_given_up(tmp_path: Path) -> None:
    options = CourierOptions(attempts_max=2)
    async with posting(tmp_path, options, private=False) as post, endpoint(says(200)) as there:
        await post.end(there.url)
        await post.pass_(600)
        (dead,) = await post.store.undelivered()
    assert "a loopback address, where no callbacks go" in dead.fault
    assert there.asked == []


async def test_one_that_hangs_keeps_nobody_else_waiting_and_loses_nothing(tmp_path: Path) -> None:
    options = CourierOptions(in_hand=16, share=2, line_s=0.2)
    async with posting(tmp_path, options, total_s=0.2) as post, endpoint(hangs) as slow, endpoint(says(200)) as quick:
        await post.end(*([slow.url] * 40), *([quick.url] * 20))
        await post.until(lambda: len(quick.asked) == 20)
        assert slow.most <= 2
        assert post.courier.counts["postponed"] > 0
        slow.answer = says(200)
        await post.until(lambda: post.courier.counts["delivered"] == 60, step_s=10)
        assert len({asked.headers["webhook-id"] for asked in slow.asked}) == 40
        assert post.courier.counts["dead"] == 0
        assert await post.store.undelivered() == []


async def test_many_to_one_that_is_well_go_quickly(tmp_path: Path) -> None:
    async with posting(tmp_path) as post, endpoint(says(200)) as there:
        await post.end(*([there.url] * 300))
        await post.until(lambda: post.courier.counts["delivered"] == 300)
        assert there.most <= CourierOptions().share
        assert len(there.asked) == 300


async def test_a_store_that_fails_is_asked_again_and_what_was_told_is_not_told_twice(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:

        async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
            post.store.broken = True
            await says(200)(asked, writer)

        async with endpoint(answer) as there:
            await post.end(there.url)
            await post.until(lambda: there.asked)
            await post.until(lambda: post.courier.counts["delivered"] == 1)
            looks = post.store.refused
            await post.until(lambda: post.store.refused > looks + 10)
            assert post.clock.monotonic() - ManualClock().monotonic() > 8
            post.store.broken = False
            await post.pass_(HOUR)
            assert len(there.asked) == 1
            assert post.notes == []


async def test_a_host_that_stops_gives_back_what_it_has_not_told(tmp_path: Path) -> None:
    options = CourierOptions(share=1)
    async with posting(tmp_path, options) as post, endpoint(hangs) as there:
        await post.end(*([there.url] * 5))
        await post.until(lambda: there.asked)
        await post.courier.stop()
        assert post.courier.in_hand == 0
        back = await post.store.deliveries("r", 10, post.now)
        assert [each.number for each in back] == [1] * 5


async def test_a_host_that_stops_lets_what_is_under_way_end(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        go = asyncio.Event()

        async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
            await go.wait()
            await says(200)(asked, writer)

        async with endpoint(answer) as there:
            await post.end(there.url)
            await post.until(lambda: there.asked)
            stopping = asyncio.ensure_future(post.courier.stop(10.0))
            go.set()
            await stopping
            assert post.courier.counts == {"delivered": 1}
            assert await post.store.deliveries("r", 10, post.now + 10**15) == []


async def test_what_a_dead_host_had_in_hand_another_delivers(tmp_path: Path) -> None:
    async with posting(tmp_path) as post, endpoint(says(200)) as there:
        await post.store.enlist(Runner("dead"))
        post.store.broken = True
        await post.end(there.url)
        assert len(await SqliteStore.deliveries(post.store, "dead", 10, post.now)) == 1
        post.store.broken = False
        await post.pass_(60)
        assert there.asked == []
        await post.store.reap("dead", post.now, b"{}")
        await post.pass_(60)
        assert len(there.asked) == 1


async def test_what_cannot_be_read_is_given_up_at_once(tmp_path: Path) -> None:
    async with posting(tmp_path) as post:
        await post.end("gopher://x")
        await post.pass_(60)
        (dead,) = await post.store.undelivered()
        assert "begins with 'gopher:'" in dead.fault
        assert dead.task.state is State.SUCCEEDED
