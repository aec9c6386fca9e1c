import asyncio
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

import pytest

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.postgres import PostgresStore, herald
from dragoman.tasks.stores.postgres.driver import Wire, connect
from dragoman.tasks.stores.postgres.herald import PAYLOAD_BYTES_MAX, Snapshot, understood, written
from dragoman.tasks.stores.postgres.options import read
from dragoman.tasks.task import Change, Outcome, Runner
from tests.postgres import Server
from tests.tasks.stores.postgres.conftest import Make, Open, claim, id_of
from tests.valkey import proxied, until


class Ear:
    """Hears a store."""

    def __init__(self, store: PostgresStore) -> None:
        self.changes: list[Change] = []
        store.listen(self._hear)

    def _hear(self, changes: Sequence[Change]) -> None:
        self.changes += changes

    def last(self, id_: str) -> State | None:
        return next((change.state for change in reversed(self.changes) if change.id == id_), None)


async def test_this_process_hears_at_once_and_others_soon_and_each_once(url: str, opened: Open, make: Make) -> None:
    one, other = await opened(url), await opened(url)
    here, there = Ear(one), Ear(other)
    (told,) = await one.submit([make()])
    assert here.changes == [Change(told.id, "f", State.PENDING, 1)]
    await until(lambda: there.changes)
    await one.enlist(Runner("r"))
    (claimed,) = await claim(other)
    await other.settle([Outcome(told.id, claimed.token, Step.SUCCEED, 2)])
    await until(lambda: here.last(told.id) is State.SUCCEEDED)
    one.herald.nudge()
    other.herald.nudge()
    await asyncio.sleep(0.1)
    assert len(here.changes) == len(there.changes) == 3


async def test_a_submission_on_one_host_is_claimed_on_another_within_milliseconds(
    url: str, opened: Open, make: Make
) -> None:
    one, other = await opened(url), await opened(url)
    await other.enlist(Runner("r"))
    ready = asyncio.Event()
    other.listen(lambda changes: ready.set() if changes[-1].state is State.PENDING else None)
    waits: list[float] = []
    for _ in range(30):
        begun_at = perf_counter()
        await one.submit([make()])
        await ready.wait()
        assert len(await claim(other)) == 1
        waits.append(perf_counter() - begun_at)
        ready.clear()
    assert sorted(waits)[15] < 0.1  # some milliseconds on a machine that is not busy; there is no polling in it


async def test_more_than_fits_a_message_is_looked_up(url: str, opened: Open, make: Make) -> None:
    one, other = await opened(url), await opened(url)
    there = Ear(other)
    await one.submit([make() for _ in range(herald.UNSAID_MAX + 10)])
    await until(lambda: len(there.changes) == herald.UNSAID_MAX + 10)


async def test_what_was_missed_while_the_network_was_cut_is_made_up_for(
    url: str, opened: Open, make: Make, shared_server: Server
) -> None:
    one = await opened(url)
    async with proxied(shared_server.port) as proxy:
        far = replace(read(url.replace(str(shared_server.port), str(proxy.port))), look_s=0.2, timeout_s=0.5)
        other = await opened(far)
        there = Ear(other)
        await one.submit([make()])
        await until(lambda: there.last(id_of(1)) is State.PENDING)
        proxy.partition()
        await one.submit([make() for _ in range(20)])
        await one.cancel(id_of(1), 5)
        await asyncio.sleep(1.0)  # long enough for the connection to be given up
        assert there.last(id_of(1)) is State.PENDING
        proxy.cut()
        proxy.heal()
        await until(lambda: there.last(id_of(1)) is State.CANCELLED)
        await until(lambda: all(there.last(id_of(number)) for number in range(1, 22)))
        await other.close()


async def test_what_a_host_could_not_say_is_found_by_a_look(url: str, opened: Open, make: Make) -> None:
    one = await opened(url)
    other = await opened(replace(read(url), look_s=0.1))
    there = Ear(other)
    one.herald.tell = lambda changes: None  # it dies after the commit, before a word
    await one.submit([make()])
    await until(lambda: there.last(id_of(1)) is State.PENDING)


async def test_who_has_much_to_say_looks_all_the_same(url: str, opened: Open, make: Make) -> None:
    one, other = await opened(url), await opened(replace(read(url), look_s=0.1))
    there = Ear(other)
    one.herald.tell = lambda changes: None  # it dies after the commit, before a word
    (told,) = await one.submit([make()])
    async with asyncio.timeout(5):
        while there.last(told.id) is None:
            await other.submit([make(function="busy")])


async def test_a_migration_is_finished_once_nobody_older_is_there(
    url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(herald, "FINISH_S", 0.05)
    store = await opened(replace(read(url), look_s=0.05))
    finished = asyncio.Event()

    async def finish(wire: object) -> None:
        finished.set()

    store.migration.finish = finish
    async with asyncio.timeout(5):
        await finished.wait()


async def test_a_migration_that_hangs_keeps_nobody_from_hearing(
    url: str, opened: Open, make: Make, shared_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(herald, "FINISH_S", 0.3)
    one = await opened(url)
    async with proxied(shared_server.port) as proxy:
        far = await opened(replace(read(url.replace(str(shared_server.port), str(proxy.port))), look_s=0.1))
        there, finish = Ear(far), far.migration.finish

        async def hang(wire: Wire) -> None:
            proxy.partition()
            proxy.forget()
            proxy.heal()
            far.migration.finish = finish
            async with wire.transaction():
                await wire.execute("SELECT 1")

        far.migration.finish = hang
        await until(lambda: far.migration.finish is finish)
        await one.submit([make()])
        await until(lambda: there.last(id_of(1)) is State.PENDING)
        await far.close()


async def test_a_look_takes_as_long_as_there_is_to_hear_of(
    url: str, opened: Open, make: Make, shared_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(herald, "PAGE", 5)
    one = await opened(url)
    async with proxied(shared_server.port) as proxy:
        near = replace(read(url.replace(str(shared_server.port), str(proxy.port))), look_s=0.1, timeout_s=1.0)
        far = await opened(near)
        there = Ear(far)
        proxy.partition()
        await one.submit([make() for _ in range(100)])
        proxy.cut()
        proxy.delay_s = 0.05  # each page takes twice as long: all of them, longer than one answer may
        proxy.heal()
        await until(lambda: len(there.changes) == 100)
        await far.close()


async def test_what_it_cannot_make_sense_of_does_not_end_the_listening(
    url: str, opened: Open, make: Make, shared_server: Server
) -> None:
    store = await opened(replace(read(url), look_s=0.05))
    ear, failures = Ear(store), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    (told,) = await store.submit([make()])
    change = f"UPDATE {store.options.schema}.tasks SET changed = pg_current_xact_id(), seq = seq + 1, state = "
    shared_server.sql(change + "'OF A NEWER HOST'")
    await until(lambda: failures)
    shared_server.sql(change + "'PENDING'")
    await until(lambda: ear.changes[-1] == Change(told.id, "f", State.PENDING, 3))


async def test_a_look_sees_what_was_under_way_at_the_look_before(
    url: str, opened: Open, make: Make, shared_server: Server
) -> None:
    store = await opened(replace(read(url), look_s=60.0))
    ear = Ear(store)
    (told,) = await store.submit([make()])
    wire = await connect(store.options)
    async with wire.transaction():
        change = "UPDATE tasks SET state = 'CANCELLED', seq = 9, changed = pg_current_xact_id()"
        await wire.execute(change)
        store.herald.nudge()
        await asyncio.sleep(0.1)
        store.herald.nudge()
        await asyncio.sleep(0.1)
        assert ear.last(told.id) is State.PENDING
    store.herald.nudge()
    await until(lambda: ear.last(told.id) is State.CANCELLED)
    await wire.close()


async def test_word_that_comes_late_does_not_hide_what_is_known(url: str, opened: Open) -> None:
    store = await opened(url)
    ear = Ear(store)
    store.herald.tell([Change(id_of(1), "f", State.SUCCEEDED, 3)])
    store.herald.pass_on([Change(id_of(1), "f", State.RUNNING, 2)])
    assert ear.last(id_of(1)) is State.SUCCEEDED


async def test_a_listener_that_fails_harms_nobody(url: str, opened: Open, make: Make) -> None:
    store = await opened(url)
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    store.listen(lambda changes: 1 / 0)
    ear = Ear(store)
    await store.submit([make()])
    assert ear.last(id_of(1)) is State.PENDING
    assert isinstance(failures[0], ZeroDivisionError)


def test_changes_are_written_as_payloads_that_fit_and_read_again() -> None:
    changes = [Change(id_of(number), "ü" * 50, State.RUNNING, number, cancelling=True) for number in range(500)]
    payloads = written(changes)
    assert all(len(payload.encode()) <= PAYLOAD_BYTES_MAX for payload in payloads)
    assert [change for payload in payloads for change in understood(payload)] == changes
    assert written([]) == []


def test_what_only_newer_hosts_know_is_passed_over() -> None:
    assert understood("{") == understood("[[1]]") == understood('[["id","f","NEW",1,0]]') == []


def test_a_snapshot_says_which_transactions_had_not_ended() -> None:
    assert Snapshot.read("10:20:") == ("20", [])
    assert Snapshot.read("10:20:10,14") == ("20", ["10", "14"])
