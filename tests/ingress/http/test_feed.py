"""A task is followed once for all who watch it, and each is given all of it, however slowly it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.fault import Fault, NotFound
from dragoman.ingress.http.feed import EVENTS_MAX, Event, Feed, Watcher

from .ledger import Ledger, number

TIMEOUT_S = 10.0
Told = list[tuple[int, str, object]]


def told(events: list[Event] | None) -> Told:
    """Events in short: states by their word, progress by its share, lines by their text."""
    keys = {"state": "state", "progress": "progress", "log": "message"}
    return [(seq, kind, data[keys[kind]]) for seq, kind, data in events or ()]


def run(test: Callable[[Ledger, Callable[[str], Feed]], Awaitable[None]]) -> None:
    async def within() -> None:
        ledger = Ledger()
        ended: list[Feed] = []
        await asyncio.wait_for(test(ledger, lambda id_: Feed(ledger, id_, ended.append)), TIMEOUT_S)
        for _ in range(5):
            await asyncio.sleep(0)
        assert ledger.following == 0, "a task is still followed"

    asyncio.run(within())


async def rest(watcher: Watcher) -> Told:
    """Everything up to the end."""
    found: Told = []
    while (events := await watcher.next(TIMEOUT_S)) is not None:
        found += told(events)
    return found


def test_a_watcher_is_told_how_the_task_is_then_what_becomes_of_it() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add()
        watcher = Watcher(follow(id_))
        assert told(await watcher.next(TIMEOUT_S)) == [(0, "state", "PENDING")]
        ledger.change(id_, state="RUNNING")
        assert told(await watcher.next(TIMEOUT_S)) == [(0, "state", "RUNNING")]
        ledger.log(id_, "one", "two")
        assert told(await watcher.next(TIMEOUT_S)) == [(3, "log", "one"), (4, "log", "two")]
        ledger.change(id_, progress=0.5)
        assert told(await watcher.next(TIMEOUT_S)) == [(4, "progress", 0.5)]
        ledger.finish(id_)
        assert told(await watcher.next(TIMEOUT_S)) == [(6, "state", "SUCCEEDED")]
        assert await watcher.next(TIMEOUT_S) is None
        assert await watcher.next(TIMEOUT_S) is None
        watcher.close()

    run(test)


def test_the_end_comes_last_behind_what_was_logged() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add(state="RUNNING")
        ledger.log(id_, "one")
        ledger.finish(id_)
        watcher = Watcher(follow(id_))
        assert await rest(watcher) == [(2, "log", "one"), (3, "state", "SUCCEEDED")]
        watcher.close()

    run(test)


def test_many_watchers_cost_one_subscription() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add(state="RUNNING")
        ledger.log(id_, "one")
        feed = follow(id_)
        watchers = [Watcher(feed) for _ in range(1000)]
        firsts = [await watcher.next(TIMEOUT_S) for watcher in watchers]
        assert all(told(first) == [(0, "state", "RUNNING"), (2, "log", "one")] for first in firsts)
        ledger.finish(id_)
        assert {tuple(await rest(watcher)) for watcher in watchers} == {((3, "state", "SUCCEEDED"),)}
        assert [what for what, _ in ledger.asked].count("events") == 1
        assert "logs" not in [what for what, _ in ledger.asked]
        for watcher in watchers:
            watcher.close()

    run(test)


def test_who_comes_back_is_told_what_it_missed() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add(state="RUNNING")
        ledger.log(id_, "one", "two", "three")
        watcher = Watcher(follow(id_), after=3)
        assert told(await watcher.next(TIMEOUT_S)) == [(3, "state", "RUNNING"), (4, "log", "three")]
        watcher.close()

    run(test)


def test_who_joins_late_is_told_how_the_task_is_now_and_all_that_was_logged() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add()
        feed = follow(id_)
        first = Watcher(feed)
        await first.next(TIMEOUT_S)
        ledger.change(id_, state="RUNNING")
        ledger.log(id_, "one")
        ledger.change(id_, progress=0.25, message="a quarter")
        await first.next(TIMEOUT_S)
        second = Watcher(feed)
        events = await second.next(TIMEOUT_S)
        assert told(events) == [(0, "state", "RUNNING"), (3, "log", "one")]
        assert events is not None
        assert events[0].data["progress"] == 0.25
        first.close()
        second.close()

    run(test)


def test_who_falls_behind_gets_lines_from_the_store_and_the_task_as_it_is() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add(state="RUNNING")
        feed = follow(id_)
        slow, quick = Watcher(feed), Watcher(feed)
        assert told(await slow.next(TIMEOUT_S)) == [(0, "state", "RUNNING")]
        lines = [str(line) for line in range(3 * EVENTS_MAX)]
        ledger.change(id_, state="RETRYING")
        for start in range(0, len(lines), 100):
            ledger.log(id_, *lines[start : start + 100])
            await quick.next(TIMEOUT_S)
        assert len(feed.events) <= EVENTS_MAX
        events = told(await slow.next(TIMEOUT_S))
        assert events[0] == (0, "state", "RETRYING")
        assert [message for _, _, message in events[1:]] == lines
        late = Watcher(feed)
        assert [message for _, _, message in told(await late.next(TIMEOUT_S))[1:]] == lines
        ledger.finish(id_)
        end = ledger.tasks[id_]["seq"]
        assert await rest(slow) == await rest(late) == [(end, "state", "SUCCEEDED")]
        for watcher in (slow, quick, late):
            watcher.close()

    run(test)


def test_progress_that_was_overtaken_is_left_out() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add(state="RUNNING")
        feed = follow(id_)
        slow, quick = Watcher(feed), Watcher(feed)
        await slow.next(TIMEOUT_S)
        for share in (0.1, 0.2, 0.3):
            ledger.change(id_, progress=share)
            await quick.next(TIMEOUT_S)
        assert told(await slow.next(TIMEOUT_S)) == [(0, "progress", 0.3)]
        slow.close()
        quick.close()

    run(test)


def test_a_task_that_is_not_there_is_told_to_all() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        feed = follow(number(7))
        watchers = [Watcher(feed), Watcher(feed)]
        with pytest.raises(NotFound):
            await watchers[0].next(TIMEOUT_S)
        with pytest.raises(NotFound):
            await watchers[1].over(TIMEOUT_S)
        for watcher in watchers:
            watcher.close()

    run(test)


def test_trouble_in_the_middle_is_told_behind_what_came_before_it() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add(state="RUNNING")
        watcher = Watcher(follow(id_))
        await watcher.next(TIMEOUT_S)
        ledger.fault = Fault.unavailable("the store is away")
        ledger.change(id_)
        with pytest.raises(Fault, match="the store is away"):
            await watcher.next(TIMEOUT_S)
        watcher.close()

    run(test)


def test_nothing_new_is_said_after_a_while() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        watcher = Watcher(follow(ledger.add()))
        await watcher.next(TIMEOUT_S)
        assert await watcher.next(0.001) == []
        watcher.close()

    run(test)


def test_who_stops_is_kept_waiting_no_longer() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        watcher = Watcher(follow(ledger.add()))
        await watcher.next(TIMEOUT_S)
        waiting = asyncio.ensure_future(watcher.next(TIMEOUT_S))
        await asyncio.sleep(0)
        watcher.stop()
        assert await waiting is None
        await watcher.over(TIMEOUT_S)
        watcher.close()

    run(test)


def test_a_feed_that_is_closed_ends_for_everybody() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        feed = follow(ledger.add())
        watcher = Watcher(feed)
        await watcher.next(TIMEOUT_S)
        feed.close()
        assert await watcher.next(TIMEOUT_S) is None
        await watcher.over(TIMEOUT_S)
        watcher.close()

    run(test)


def test_waiting_for_the_end_takes_no_longer_than_it_may() -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add()
        watcher = Watcher(follow(id_))
        await watcher.over(0.001)
        waiting = asyncio.ensure_future(watcher.over(TIMEOUT_S))
        ledger.change(id_, state="RUNNING")
        ledger.finish(id_)
        await waiting
        watcher.close()

    run(test)


STEPS = st.lists(st.sampled_from(["log", "state", "progress", "read", "lose"]), max_size=40)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_whoever_loses_its_connection_again_and_again_misses_no_line_and_gets_none_twice(steps: list[str]) -> None:
    async def test(ledger: Ledger, follow: Callable[[str], Feed]) -> None:
        id_ = ledger.add(state="RUNNING")
        anchor_feed = follow(id_)
        anchor = Watcher(anchor_feed)
        watcher = Watcher(anchor_feed)
        lines: list[object] = []
        last, states = 0, ("RUNNING", "RETRYING")
        logged = changed = 0

        def note(events: Told) -> None:
            nonlocal last
            for seq, kind, what in events:
                assert seq >= last
                last = seq
                lines.extend([what] * (kind == "log"))

        for step in steps:
            if step == "log":
                ledger.log(id_, str(logged))
                logged += 1
            elif step == "state":
                changed += 1
                ledger.change(id_, state=states[changed % 2])
            elif step == "progress":
                changed += 1
                ledger.change(id_, progress=changed / 100)
            elif step == "read":
                note(told(await watcher.next(0.001)))
            else:
                events = told(await watcher.next(0.001))
                note(events[: len(events) // 2])
                watcher.close()
                watcher = Watcher(anchor_feed, last)
        ledger.finish(id_)
        note(await rest(watcher))
        assert lines == [str(line) for line in range(logged)]
        assert last == ledger.tasks[id_]["seq"]
        watcher.close()
        anchor.close()

    run(test)
