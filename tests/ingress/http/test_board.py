"""What many ask of one task at a time is asked once, and nobody is told less than was so when it asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from dragoman.core.fault import NotFound, Unavailable
from dragoman.core.moment import rfc3339
from dragoman.ingress.http.board import PACE_S_MAX, Board, written
from dragoman.ingress.http.documents import to_json
from dragoman.ingress.http.tasks import Document

from .ledger import SUBMITTED_AT, Ledger, document, number

TIMEOUT_S = 10.0


@dataclass
class Wall:
    """A clock that stands where a test puts it."""

    at: float = SUBMITTED_AT

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class SlowLedger(Ledger):
    """Looks take until they are let through; what they tell is how it was when they began."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Semaphore(0)

    async def show(self, task: str, /) -> Document:
        seen = await super().show(task)
        await self.let.acquire()
        return seen


async def turned(condition: Callable[[], object]) -> None:
    """Let the loop turn until something holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError


def run(test: Callable[[SlowLedger, Board], Awaitable[None]]) -> None:
    async def within() -> None:
        ledger = SlowLedger()
        board = Board(ledger, Wall())
        await asyncio.wait_for(test(ledger, board), TIMEOUT_S)
        for _ in range(5):
            await asyncio.sleep(0)
        assert (board.watched, ledger.following) == (0, 0)

    asyncio.run(within())


def test_those_who_look_together_share_a_look_and_those_who_come_later_the_next() -> None:
    async def test(ledger: SlowLedger, board: Board) -> None:
        id_ = ledger.add()
        early = [asyncio.ensure_future(board.look(id_)) for _ in range(500)]
        await turned(lambda: ledger.asked)
        ledger.change(id_, state="RUNNING")
        late = [asyncio.ensure_future(board.look(id_)) for _ in range(500)]
        ledger.let.release()
        ledger.let.release()
        assert {(await each).task["state"] for each in early} == {"PENDING"}
        assert {(await each).task["state"] for each in late} == {"RUNNING"}
        assert len(ledger.asked) == 2

    run(test)


def test_a_fault_is_told_to_all_who_looked_and_the_next_looks_anew() -> None:
    async def test(ledger: SlowLedger, board: Board) -> None:
        ledger.fault = Unavailable("the store is away")
        looks = [asyncio.ensure_future(board.look(number(1))) for _ in range(3)]
        for look in looks:
            with pytest.raises(Unavailable):
                await look
        ledger.fault = None
        id_ = ledger.add()
        ledger.let.release()
        assert (await board.look(id_)).etag == '"1"'

    run(test)


def test_who_leaves_takes_nothing_from_those_who_look_along() -> None:
    async def test(ledger: SlowLedger, board: Board) -> None:
        id_ = ledger.add()
        first, second = (asyncio.ensure_future(board.look(id_)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        ledger.let.release()
        assert (await second).task["id"] == id_

    run(test)


def test_a_thousand_who_wait_for_an_end_are_one_subscription() -> None:
    async def test(ledger: SlowLedger, board: Board) -> None:
        id_ = ledger.add()
        waiting = [asyncio.ensure_future(board.until_over(id_, TIMEOUT_S)) for _ in range(1000)]
        await turned(lambda: ledger.following)
        assert (board.watched, ledger.following) == (1, 1)
        for each in waiting[:500]:
            each.cancel()
        ledger.change(id_, state="RUNNING")
        ledger.finish(id_)
        await asyncio.gather(*waiting[500:])
        assert [what for what, _ in ledger.asked].count("events") == 1

    run(test)


def test_the_last_who_leaves_ends_the_subscription() -> None:
    async def test(ledger: SlowLedger, board: Board) -> None:
        id_ = ledger.add()
        waiting = asyncio.ensure_future(board.until_over(id_, TIMEOUT_S))
        await turned(lambda: ledger.following)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert board.watched == 0

    run(test)


def test_a_task_that_runs_anew_is_followed_anew() -> None:
    async def test(ledger: SlowLedger, board: Board) -> None:
        id_ = ledger.add(state="FAILED")
        with board.watch(id_) as watcher:
            await watcher.over(TIMEOUT_S)
            ledger.change(id_, state="PENDING")
            with board.watch(id_) as again:
                events = await again.next(TIMEOUT_S)
                assert events is not None
                assert [each.data["state"] for each in events] == ["PENDING"]

    run(test)


def test_who_waits_for_what_is_not_there_is_told() -> None:
    async def test(_: SlowLedger, board: Board) -> None:
        with pytest.raises(NotFound):
            await board.until_over(number(1), TIMEOUT_S)

    run(test)


def test_a_host_that_stops_keeps_nobody_waiting() -> None:
    async def test(ledger: SlowLedger, board: Board) -> None:
        id_ = ledger.add()
        waiting = asyncio.ensure_future(board.until_over(id_, TIMEOUT_S))
        await turned(lambda: ledger.following)
        board.drain()
        await waiting
        await board.until_over(id_, TIMEOUT_S)
        with board.watch(id_) as watcher:
            assert await watcher.next(TIMEOUT_S) is None

    run(test)


@pytest.mark.parametrize(
    ("age_s", "due_in_s", "pace_s"),
    [
        (0.0, 0.0, 1),
        (9.0, 0.0, 1),
        (41.0, 0.0, 5),
        (3600.0, 0.0, PACE_S_MAX),
        (-3600.0, 0.0, 1),
        (0.0, 12.5, 13),
        (0.0, 86400.0, PACE_S_MAX),
    ],
)
def test_the_older_a_task_the_more_rarely_it_is_worth_asking(age_s: float, due_in_s: float, pace_s: int) -> None:
    board = Board(Ledger(), Wall(SUBMITTED_AT + age_s))
    due_at = rfc3339(SUBMITTED_AT + max(age_s, 0.0) + due_in_s) if due_in_s else None
    assert board.pace_s(document(number(1), due_at=due_at)) == pace_s
    assert board.pace_s({"state": "PENDING"}) == 1


def test_a_task_is_written_as_every_document_is() -> None:
    for task in (document(number(1)), document(number(2), message="ä\u2028"), document(number(3), message="\ud800")):
        assert written(task) == to_json(task)
