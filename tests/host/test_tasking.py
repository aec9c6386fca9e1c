"""The store of a host's tasks: opened when it is wanted, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from dragoman.config.load import load
from dragoman.core.fault import Fault, InvalidArgument, NotFound, Overloaded, Started, Unavailable
from dragoman.core.terms import Terms
from dragoman.host.applying import Applying
from dragoman.host.assemble import host as assemble
from dragoman.host.assemble import parts
from dragoman.host.journal import SilentJournal
from dragoman.host.tasking import store_of
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.task import Query
from dragoman.testing import RecordingJournal
from tests.host.projects import ask, hosting
from tests.host.submitting import over, prepared, result, submit
from tests.valkey import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dragoman.config.project import Project
    from dragoman.host.tasking import Tasking
    from dragoman.tasks.runner import Runner
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Change
    from tests.host.conftest import Write

CODE = """
import time
def double(x: int) -> int: return 2 * x
def sleep(s: float) -> float:
    time.sleep(s)
    return s
"""
TOML = '[sources.shop]\npath = "shop.py"\n'


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE, dragoman__toml=TOML)


async def test_a_host_without_tasks_has_no_store(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        assert await ask(host, "shop.double", x=2) == 4
        tasks = host.tasking.tasks
        assert await tasks.find(Query()) == {"tasks": [], "next": None}
        assert await tasks.census() == {}
        with pytest.raises(NotFound):
            await tasks.show("01a1fed3-69b0-7000-ba57-288838a0b473")
        assert not host.tasking.present
    assert not (shop / ".dragoman").exists()


async def test_the_first_task_makes_it_and_the_next_host_finds_what_waits(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        first = await submit(host, "shop.double", x=2)
        assert await result(host, first) == 4
        later = await submit(host, "shop.double", Terms(delay_s=0.2), x=3)
        assert (await host.tasking.tasks.show(later))["state"] == "SCHEDULED"
    async with hosting(shop) as host:
        await host.start()
        assert host.tasking.present
        assert await result(host, later) == 6
        assert await result(host, first) == 4


async def test_a_host_that_only_submits_leaves_tasks_to_others(shop: Path) -> None:
    made = parts(load([shop]), lambda _: SilentJournal(), runs_tasks=False)
    host = assemble(made)
    await host.start()
    task = await submit(host, "shop.double", x=2)
    assert (await host.tasking.tasks.wait(task, 0.2))["state"] == "PENDING"
    await host.stop(0)
    async with hosting(shop) as other:
        await other.start()
        assert await result(other, task) == 4


async def test_a_store_that_cannot_be_had_refuses_with_its_own_words(shop: Path) -> None:
    (shop / ".dragoman").write_text("in the way")
    async with hosting(shop) as host:
        await host.start()
        with pytest.raises(Unavailable, match="tasks cannot be kept now") as refused:
            await submit(host, "shop.double", x=2)
        assert refused.value.started is Started.NO
        assert ".dragoman" in refused.value.detail
        (shop / ".dragoman").unlink()
        assert await result(host, await submit(host, "shop.double", x=2)) == 4


async def test_a_store_that_is_there_and_broken_is_told_and_tried_again(shop: Path) -> None:
    journal = RecordingJournal()
    (shop / ".dragoman").mkdir()
    file = shop / ".dragoman/tasks.db"
    file.write_bytes(b"no database at all" * 1000)
    async with hosting(shop, journal=journal) as host:
        await host.start()
        assert await ask(host, "shop.double", x=2) == 4
        async with asyncio.timeout(10):
            while not any(text.startswith("tasks: ") for text in journal.messages("warning")):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
        file.unlink()
        async with asyncio.timeout(20):
            while host.tasking.runner is None:  # noqa: ASYNC110 - nobody sets an event
                await asyncio.sleep(0.01)


async def test_no_more_tasks_wait_than_may(write: Write) -> None:
    toml = TOML + "[tasks]\nbacklog = 3\n"
    async with hosting(write(shop__py=CODE, dragoman__toml=toml)) as host:
        await host.start()
        for x in range(3):
            await submit(host, "shop.double", Terms(delay_s=60), x=x)
        with pytest.raises(Overloaded, match="3 tasks wait already"):
            await submit(host, "shop.double", x=9)


async def test_a_key_makes_submissions_one(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        tasks = host.tasking.tasks

        async def once(x: int, caller: str = "me") -> tuple[str, bool]:
            call = prepared(host, "shop.double", x=x)
            call.idempotency_key, call.caller = "k", caller
            document, created = await tasks.submit(call, Terms())
            return document["id"], created

        made = await asyncio.gather(*(once(1) for _ in range(20)))
        assert len({id_ for id_, _ in made}) == 1
        assert [created for _, created in made].count(True) == 1
        assert (await once(1, "you"))[1]
        with pytest.raises(Fault, match="with another input"):
            await once(2)


async def test_a_cancelled_task_takes_those_that_it_submitted_along(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        tasks, wait = host.tasking.tasks, Terms(delay_s=60)
        top = await submit(host, "shop.double", wait, x=1)
        below, _ = await tasks.submit(prepared(host, "shop.double", x=2), wait, parent=top)
        deepest, _ = await tasks.submit(prepared(host, "shop.double", x=3), wait, parent=below["id"])
        apart = await submit(host, "shop.double", wait, x=4)
        assert (await tasks.cancel(top))["state"] == "CANCELLED"
        states = [(await tasks.show(each))["state"] for each in (below["id"], deepest["id"], apart)]
        assert states == ["CANCELLED", "CANCELLED", "SCHEDULED"]
        with pytest.raises(Fault, match="was cancelled"):
            await tasks.result(top)


async def test_what_ended_without_a_result_is_run_anew_and_nothing_else(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        tasks = host.tasking.tasks
        task = await submit(host, "shop.double", Terms(delay_s=60), x=2)
        with pytest.raises(Fault, match="it is not over"):
            await tasks.retry(task)
        await tasks.cancel(task)
        await tasks.retry(task)
        assert await result(host, task) == 4
        with pytest.raises(Fault, match="it has a result"):
            await tasks.retry(task)


async def test_events_begin_with_how_it_is_and_end_with_its_end(write: Write) -> None:
    code = """
        from dragoman import Context
        import time
        def work(ctx: Context) -> int:
            for step in range(3):
                ctx.progress(step / 4, f"step {step}")
                ctx.log(f"line {step}")
                time.sleep(0.25)
            return 7
    """
    async with hosting(write(shop__py=code, dragoman__toml=TOML)) as host:
        await host.start()
        task = await submit(host, "shop.work")
        seen = [event async for event in host.tasking.tasks.events(task)]
        assert [data["message"] for _, kind, data in seen if kind == "log"] == ["line 0", "line 1", "line 2"]
        assert {data["message"] for _, kind, data in seen if kind == "progress"} <= {f"step {n}" for n in range(3)}
        assert any(kind == "progress" for _, kind, _ in seen)
        states = [data["state"] for _, kind, data in seen if kind == "state"]
        assert states[-1] == "SUCCEEDED"
        logs = [seq for seq, kind, _ in seen if kind == "log"]
        assert logs == sorted(set(logs))
        again = [data["message"] async for _, kind, data in host.tasking.tasks.events(task, logs[0]) if kind == "log"]
        assert again == ["line 1", "line 2"]
        assert [line["message"] for line in await host.tasking.tasks.logs(task, logs[1])] == ["line 2"]
        assert json.dumps(seen)


async def test_settings_of_tasks_are_put_in_force_while_some_run(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        applying = Applying(host, host.tasking.around.clock)
        runs = await submit(host, "shop.sleep", s=0.4)
        (shop / "dragoman.toml").write_text(
            TOML
            + 'task.attempts = 1\n[functions."shop.double"]\ntask.concurrency = 1\n[tasks]\nbacklog = 7\nlease = "2s"'
        )
        told = await applying()
        assert "shop.double: task.concurrency: 0 -> 1" in told.functions
        assert "tasks.backlog: 1000000 -> 7" in told.functions
        assert told.restart == ("tasks.lease",)
        assert host.tasking.backlog == 7
        document = await over(host, await submit(host, "shop.double", x=1))
        assert document["attempts_max"] == 1
        assert await result(host, runs) == 0.4


async def test_a_host_that_stops_takes_no_more(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        await submit(host, "shop.double", x=1)
        call = prepared(host, "shop.double", x=2)
        await host.tasking.stop(1)
        with pytest.raises(Unavailable, match="the host is stopping"):
            await host.tasking.tasks.submit(call, Terms())


async def test_who_waits_for_the_store_as_the_host_stops_is_told_so(shop: Path) -> None:
    asked = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        (shop / "dragoman.toml").write_text(f'{TOML}[tasks]\nstore = "postgres://127.0.0.1:{port}/d?sslmode=disable"')
        async with hosting(shop) as host:
            await host.start()
            call = prepared(host, "shop.double", x=2)
            submitted = asyncio.ensure_future(host.tasking.tasks.submit(call, Terms()))
            await asked.wait()
            await asyncio.sleep(0)
            await host.tasking.stop(0)
            with pytest.raises(Unavailable, match="the host is stopping"):
                await submitted


async def test_times_that_cannot_be_are_refused(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        with pytest.raises(InvalidArgument, match="cannot end within"):
            await submit(host, "shop.double", Terms(delay_s=5, deadline_s=1), x=1)


def test_each_address_has_its_store(tmp_path: Path) -> None:
    assert type(store_of(f"sqlite:{tmp_path}/a.db")).__name__ == "SqliteStore"


def test_what_speaks_with_a_server_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dragoman.tasks.stores.postgres", None)
    with pytest.raises(StoreFailed, match="not installed"):
        store_of("postgres://h/d")


def test_an_address_that_cannot_be_one_says_which_part() -> None:
    with pytest.raises(StoreFailed, match=r"tasks\.store: a schema's name is lower-case"):
        store_of("postgres://h/d?schema=No")


class Falling:
    """A companion that cannot begin at first."""

    def __init__(self) -> None:
        self.failures = 1
        self.told: list[str] = []

    def wanted(self, project: Project) -> bool:
        return bool(project)

    async def begin(self, tasking: Tasking, store: Store, runner: Runner) -> None:
        tasking.watching.listeners.append(self.heard)
        self.told.append("begin")
        await store.beats()
        if self.failures:
            self.failures -= 1
            raise StoreFailed(f"cannot be looked at by {runner.id}")

    def heard(self, changes: Sequence[Change]) -> None:
        self.told += [str(each.state) for each in changes]

    async def end(self) -> None:
        self.told.append("end")


async def test_a_store_whose_companion_fails_leaves_nothing_behind_and_is_tried_again(shop: Path) -> None:
    first, failing = Falling(), Falling()
    first.failures = 0
    async with hosting(shop) as host:
        await host.start()
        host.tasking.companions += [first, failing]
        with pytest.raises(StoreFailed, match="cannot be looked at by"):
            await host.tasking.open()
        assert host.tasking.runner is None
        assert (first.told, failing.told) == (["begin", "end"], ["begin"])
        store = await host.tasking.open()
        runner = host.tasking.runner
        assert runner is not None
        assert [each.runner.id for each in await store.beats()] == [runner.id]
        failing.told.clear()
        assert await result(host, await submit(host, "shop.double", x=2)) == 4
        assert failing.told.count("SUCCEEDED") == 1


class Broken:
    """A companion that cannot end."""

    def wanted(self, project: Project) -> bool:
        return bool(project)

    async def begin(self, tasking: Tasking, store: Store, runner: Runner) -> None:
        """Have begun."""

    async def end(self) -> None:
        raise RuntimeError("it does not end")


async def test_workers_end_and_the_store_is_closed_whatever_goes_wrong_with_tasks(write: Write) -> None:
    code = "import os\ndef pid() -> int: return os.getpid()\n"
    async with hosting(write(shop__py=code, dragoman__toml=TOML)) as host:
        await host.start()
        pid = await ask(host, "shop.pid")
        host.tasking.companions.append(Broken())
        store = await host.tasking.open()
        with pytest.raises(RuntimeError, match="it does not end"):
            await host.stop(0)
        await until(lambda: not psutil.pid_exists(pid))
        with pytest.raises(StoreFailed):
            await store.census()
