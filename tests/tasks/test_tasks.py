import asyncio
import os
from pathlib import Path

import pytest

from dragoman.core.call import Call, Codec
from dragoman.core.fault import FailedPrecondition, InvalidArgument, NotFound, Overloaded
from dragoman.core.target import Target
from dragoman.core.terms import Terms
from dragoman.tasks import tasks as module
from dragoman.tasks.identity import Identities
from dragoman.tasks.options import TaskOptions
from dragoman.tasks.state import State
from dragoman.tasks.store import Store, StoreFailed
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.task import US, Query, Submission
from dragoman.tasks.tasks import Tasks
from dragoman.tasks.watching import Watching
from dragoman.testing import ManualClock

NOW = 1_767_225_600 * US


class Known:
    """One function, of which any input is right."""

    def __init__(self, options: TaskOptions) -> None:
        self._options = options

    async def admit(self, call: Call) -> TaskOptions:
        return self.options(call.target.name)

    def options(self, function: str) -> TaskOptions:
        if function != "shop.buy":
            raise NotFound(f"there is no function {function!r}")
        return self._options


class Broken:
    """A store that cannot be opened."""

    present = True
    backlog = 10

    def due(self, at_us: int) -> None: ...

    async def open(self) -> Store:
        raise StoreFailed("the disk is full")


class Open:
    """A store that is open."""

    present = True
    backlog = 10_000

    def __init__(self, store: Store) -> None:
        self._store = store

    def due(self, at_us: int) -> None: ...

    async def open(self) -> Store:
        return self._store


async def kept(callback: bytes) -> bytes:
    return callback


def tasks_of(options: TaskOptions | None = None) -> Tasks:
    clock = ManualClock()
    known = Known(options or TaskOptions())
    return Tasks(Broken(), known, Watching(), clock, Identities(clock, os.urandom), kept)


async def draw(terms: Terms, options: TaskOptions | None = None, name: str = "shop.buy") -> Submission:
    call = Call(Target(name, "shop", "buy", 0, 30.0, version="2"), b'{"x":1}', Codec.JSON)
    call.caller, call.idempotency_key = "me", "k"
    return await tasks_of(options).draw(call, terms)


async def test_what_is_submitted_takes_its_times_from_the_function() -> None:
    drawn = await draw(Terms())
    assert (drawn.function, drawn.version, drawn.body, drawn.caller, drawn.key) == (
        "shop.buy",
        "2",
        b'{"x":1}',
        "me",
        "k",
    )
    assert (drawn.submitted_at, drawn.not_before, drawn.deadline) == (NOW, NOW, NOW + 86400 * US)
    assert (drawn.attempt_s, drawn.attempts_max) == (30.0, 3)
    assert drawn.fingerprint


async def test_whoever_submits_may_ask_for_less_and_gets_no_more() -> None:
    options = TaskOptions(attempts=4, timeout_s=100.0, deadline_s=1000.0)
    less = await draw(Terms(delay_s=10, deadline_s=50, attempt_s=5, attempts_max=2), options)
    assert (less.not_before - NOW, less.deadline - NOW, less.attempt_s, less.attempts_max) == (10 * US, 50 * US, 5.0, 2)
    more = await draw(Terms(deadline_s=5000, attempt_s=500, attempts_max=9), options)
    assert (more.deadline - NOW, more.attempt_s, more.attempts_max) == (1000 * US, 100.0, 4)


async def test_a_delay_does_not_use_up_the_function_s_own_deadline() -> None:
    drawn = await draw(Terms(delay_s=172_800))
    assert drawn.deadline == drawn.not_before + 86400 * US


async def test_what_cannot_end_in_time_is_refused_at_once() -> None:
    with pytest.raises(InvalidArgument, match="first run in 60s cannot end within 30s"):
        await draw(Terms(delay_s=60, deadline_s=30))


async def test_an_unknown_function_is_refused_before_the_store_is_asked() -> None:
    with pytest.raises(NotFound, match=r"shop\.sell"):
        await draw(Terms(), name="shop.sell")


async def test_all_tasks_below_one_that_is_cancelled_are_cancelled_side_by_side(tmp_path: Path) -> None:
    class Counted(SqliteStore):
        """A store that counts who waits for a cancel."""

        waiting = most = 0

        async def cancel(self, id: str, now: int) -> State | None:  # noqa: A002 - the port's
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            try:
                return await super().cancel(id, now)
            finally:
                self.waiting -= 1

    clock, store = ManualClock(), Counted(tmp_path / "tasks.db")
    vault = Open(store)
    tasks = Tasks(vault, Known(TaskOptions()), Watching(), clock, Identities(clock, os.urandom), kept)
    await store.open()
    try:
        calls = [Call(Target("shop.buy", "shop", "buy", 0, 30.0), b"%d" % each, Codec.JSON) for each in range(1500)]
        top, _ = await tasks.submit(calls[0], Terms())
        below = await tasks.submit_all(calls[1:-1], Terms(), parent=top["id"])
        await tasks.submit(calls[-1], Terms(), parent=below[0][0]["id"])
        assert (await tasks.cancel(top["id"]))["state"] == "CANCELLED"
        assert (await tasks.census())["shop.buy"]["states"].get("PENDING", 0) == 0
        assert store.most > 500
    finally:
        await store.close()


@pytest.mark.parametrize("already", [0, 1, 5])
async def test_no_more_wait_than_may_however_many_come_at_once(tmp_path: Path, already: int) -> None:
    clock, store = ManualClock(), SqliteStore(tmp_path / "tasks.db")
    vault = Open(store)
    vault.backlog = 10
    tasks = Tasks(vault, Known(TaskOptions()), Watching(), clock, Identities(clock, os.urandom), kept)
    await store.open()
    try:

        async def submit(number: int) -> bool:
            call = Call(Target("shop.buy", "shop", "buy", 0, 30.0), b"%d" % number, Codec.JSON)
            try:
                await tasks.submit(call, Terms())
            except Overloaded:
                return False
            return True

        for number in range(already):
            assert await submit(number)
        assert sum(await asyncio.gather(*map(submit, range(60)))) == 10 - already
        assert not await submit(60)
        (one, *_) = (await tasks.find(Query()))["tasks"]
        await tasks.cancel(one["id"])
        assert sum(await asyncio.gather(*map(submit, range(60)))) == 1
    finally:
        await store.close()


async def test_an_input_that_no_store_can_keep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_BYTES_MAX", 6)
    with pytest.raises(InvalidArgument, match="the input has 7 bytes"):
        await draw(Terms())


async def test_where_one_of_several_is_refused_none_of_them_runs(tmp_path: Path) -> None:
    clock, store = ManualClock(), SqliteStore(tmp_path / "tasks.db")
    tasks = Tasks(Open(store), Known(TaskOptions()), Watching(), clock, Identities(clock, os.urandom), kept)
    await store.open()

    def call(number: int, key: str) -> Call:
        made = Call(Target("shop.buy", "shop", "buy", 0, 30.0), b"%d" % number, Codec.JSON)
        made.idempotency_key = key
        return made

    try:
        await tasks.submit_all([call(1, "a"), call(2, "b")], Terms())
        with pytest.raises(FailedPrecondition, match="with another input"):
            await tasks.submit_all([call(1, "a"), call(3, "b"), call(4, "c")], Terms())
        assert (await tasks.census())["shop.buy"]["states"] == {"PENDING": 2, "CANCELLED": 1}
    finally:
        await store.close()
