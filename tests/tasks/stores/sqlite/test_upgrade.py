"""Tasks that were stored by the first release still run after an upgrade, while old and new hosts use one file."""

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from dragoman.tasks.state import State, Step
from dragoman.tasks.store import Store, StoreFailed
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.stores.sqlite.options import Options
from dragoman.tasks.stores.sqlite.schema import MIGRATIONS, Migration
from dragoman.tasks.task import US, Claimed, Delivered, Keeping, Outcome, Query, Runner, Submission, Want
from dragoman.testing.task_store import TaskStoreSuite

KEPT = Path(__file__).parent / "first_schema.sql"
"""The first released tables with tasks in them. It is never changed."""
WANT = Want("old.report", 1)
FIRST = Options(steps=MIGRATIONS[:1])
TABLES = [
    "meta",
    "tasks",
    "bodies",
    "attempts",
    "notes",
    "waits",
    "flows",
    "clocks",
    "tallies",
    "runners",
    "deliveries",
    "schedules",
    "listeners",
    "changes",
]
LATER = (
    *MIGRATIONS,
    Migration(
        len(MIGRATIONS) + 1,
        (
            *(f"ALTER TABLE {table} ADD COLUMN novelty TEXT NOT NULL DEFAULT 'none'" for table in TABLES),
            "CREATE TABLE novelties (id INTEGER PRIMARY KEY)",
            "CREATE INDEX tasks_novelty ON tasks (novelty, id)",
        ),
    ),
)
"""What a later release might add: something to everything."""


class TestOldBesideNew(TaskStoreSuite):
    """Of the hosts of each test, every other one is of the first release, and the others are later ones."""

    @pytest.fixture(autouse=True)
    def keep(self, tmp_path: Path) -> None:
        self.path = tmp_path / "tasks.db"
        self.turn = count()

    def make(self) -> Store:
        return SqliteStore(self.path, Options(steps=LATER) if next(self.turn) % 2 else FIRST)


async def test_what_the_first_release_stored_runs_after_the_upgrade(tmp_path: Path) -> None:
    old = SqliteStore(tmp_path / "tasks.db", FIRST)
    await old.open()
    await old.enlist(Runner("old"))
    given = [
        Submission("pending", "f", "1", b"x" * 5000, key="k", submitted_at=1, attempts_max=3, callback=b"there"),
        Submission("later", "f", "1", b"", submitted_at=1, not_before=5 * US),
        Submission("failed", "g", "1", b"in", submitted_at=1, attempts_max=3),
        Submission("running", "g", "1", b"in", submitted_at=1, attempts_max=3),
        Submission("over", "h", "1", b"in", submitted_at=1, callback=b"there"),
    ]
    await old.submit(given)
    failed, running = await old.claim("old", [Want("g", 2)], 1)
    (over,) = await old.claim("old", [Want("h", 1)], 1)
    await old.settle(
        [
            Outcome("failed", failed.token, Step.RETRY, 2, fault=b"first"),
            Outcome("over", over.token, Step.SUCCEED, 2, b"r" * 5000),
        ]
    )
    await old.close()

    new = SqliteStore(tmp_path / "tasks.db", Options(steps=LATER))
    await new.open()
    await new.enlist(Runner("new"))
    assert not (await new.submit([Submission("again", "f", "1", b"x" * 5000, key="k")]))[0].created
    assert await new.settle([Outcome("running", running.token, Step.RETRY, 3, fault=b"first")]) == [True]
    await new.tick(9 * US)
    claimed = await new.claim("new", [Want("f", 9), Want("g", 9)], 9 * US)
    assert {each.task.id: each.task.submission.body for each in claimed} == {
        "pending": b"x" * 5000,
        "later": b"",
        "failed": b"in",
        "running": b"in",
    }
    assert all(await new.settle([Outcome(each.task.id, each.token, Step.SUCCEED, 9 * US, b"done") for each in claimed]))
    assert {each.state for each in await new.find(Query())} == {State.SUCCEEDED}
    assert [each.fault for each in await new.attempts("failed")] == [b"first", b""]
    deliveries = await new.deliveries("new", 9, 9 * US)
    assert {each.task.id: each.task.result for each in deliveries} == {"over": b"r" * 5000, "pending": b"done"}
    await new.delivered([Delivered(each.id, each.token, done=True) for each in deliveries])
    await new.close()


async def test_a_file_of_the_first_release_is_used_by_old_and_new_hosts_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(KEPT.read_text())
    last = Migration(LATER[-1].number + 1, (), ("CREATE TABLE grown (a)",))
    old, new = SqliteStore(path, FIRST), SqliteStore(path, Options(steps=(*LATER, last)))
    for host, name in ((old, "old"), (new, "new")):
        host.listen(lambda _: None)
        await host.open()
        await host.enlist(Runner(name))
    assert await new.reap("dead-runner", 9 * US, b"{}") == 1
    await new.tick(10**18)
    claimed: list[Claimed] = []
    while taken := await old.claim("old", [WANT], 10**18) + await new.claim("new", [WANT], 10**18):
        claimed += taken
        assert all(await new.settle([Outcome(each.task.id, each.token, Step.SUCCEED, 10**18) for each in taken]))
    bodies = {each.task.id: each.task.submission.body for each in claimed}
    assert bodies == {f"01a1fed9-3b8c-7000-8000-{n:012d}": b'{"pages": %d}' % n for n in (1, 3, 4, 6, 7, 8)}
    assert {task.state for task in await old.find(Query())} == {State.SUCCEEDED, State.DEAD}
    assert [note.message for note in await new.notes("01a1fed9-3b8c-7000-8000-000000000003")] == ["half way"]
    assert await new.last_slot("nightly") == 1_700_000_000_000_000
    assert len(await new.undelivered()) == 1

    # What takes away waits for the older host; then that one is refused.
    await new.prune(Keeping(age_s=0, count=0), 10**18)
    await old.submit([Submission("more", "f", "1", b"")])
    await old.close()
    await new.prune(Keeping(age_s=0, count=0), 10**18)
    with pytest.raises(StoreFailed, match="newer Dragoman"):
        await SqliteStore(path, FIRST).open()
    assert await new.get("more") is not None
    await new.close()


async def test_a_release_that_old_hosts_cannot_live_with_shuts_them_out(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    version = len(MIGRATIONS) + 1
    new = SqliteStore(path, Options(steps=(*MIGRATIONS, Migration(version, (), ("CREATE TABLE novelties (a)",)))))
    await new.open()
    await new.submit([Submission("t", "f", "1", b"")])

    with pytest.raises(StoreFailed, match=r"tasks\.db was written by a newer Dragoman .* upgrade this host"):
        await SqliteStore(path).open()

    assert await new.get("t") is not None
    await new.close()
