"""Handles of tasks of real hosts, over HTTP and the native ingress: hosts are killed and started again meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import dragoman
from tests.cli.commandline import COMMAND_S_MAX, read_line, start
from tests.integration.conftest import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

CODE = """
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dragoman import Context, Fault

HERE = Path(__file__).parent

def double(n: int) -> int:
    return 2 * n

def count(n: int) -> Iterator[int]:
    yield from range(n)

def total(numbers: Iterator[int]) -> int:
    return sum(numbers)

def sized(data: bytes) -> bytes:
    return data * 2

def columns(table: pa.Table) -> pa.Table:
    return table.select(["a"])

def steps(parts: int, ctx: Context) -> str:
    '''The first attempt stops halfway, and waits to be killed.'''
    with (HERE / "attempts").open("a") as file:
        file.write("x")
    first = (HERE / "attempts").stat().st_size == 1
    for part in range(parts):
        print(f"line {part}", flush=True)
        ctx.progress((part + 1) / parts, f"part {part}")
        if first and part == parts // 2:
            time.sleep(60)
    return "done"

def refuses() -> None:
    raise Fault.failed_precondition("no paper")
"""
TOML = """
[sources.shop]
path = "shop.py"
workers = 2
task = { base = "10ms", max = "50ms" }
timeout = "2m"
"""
WAYS = ["http", "native"]


class Site:
    """A project that is served at one place for as long as its host lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop.py").write_text(CODE)
        (folder / "dragoman.toml").write_text(TOML)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.urls = {"http": f"http://127.0.0.1:{self._port}", "native": f"unix://{folder}/n.sock"}
        self._host: contextlib.ExitStack = contextlib.ExitStack()
        self._process: subprocess.Popen[str] | None = None

    def serve(self) -> None:
        words = ("serve", "--port", str(self._port), "--native", self.urls["native"], "--json", "--log", "error")
        self._process = self._host.enter_context(start(*words, cwd=self.folder))
        assert read_line(self._process)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._host.close()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=COMMAND_S_MAX)
            self._host.close()

    @property
    def attempts(self) -> int:
        file = self.folder / "attempts"
        return file.stat().st_size if file.exists() else 0


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    site = Site(tmp_path)
    site.serve()
    yield site
    site.stop()


@contextlib.asynccontextmanager
async def awaiting(site: Site, way: str) -> AsyncGenerator[Any]:
    async with dragoman.connect(site.urls[way]) as remote:
        yield remote


@pytest.mark.parametrize("way", WAYS)
def test_values_of_all_kinds_are_given_and_come_back(site: Site, way: str) -> None:
    pa = pytest.importorskip("pyarrow")
    with dragoman.connect(site.urls[way]) as remote:
        assert remote.submit("shop.double", {"n": 2**40}).result(60) == 2**41
        assert remote.shop.sized.submit(data=b"\x00\xff").result(60) == b"\x00\xff" * 2
        assert remote.submit("shop.sized", {"data": b"\xff" * 3_000_000}).result(60) == b"\xff" * 6_000_000
        assert remote.submit("shop.count", {"n": 3}).result(60) == [0, 1, 2]
        assert remote.submit("shop.total", {"numbers": [1, 2, 3]}).result(60) == 6
        table = pa.table({"a": [1, 2], "b": [3, 4]})
        assert remote.submit("shop.columns", {"table": table}).result(60).column_names == ["a"]
        with pytest.raises(dragoman.Unimplemented, match="give a list"):
            remote.submit("shop.total", {"numbers": iter([1])})


@pytest.mark.parametrize("way", WAYS)
def test_a_result_is_waited_for_while_the_host_dies_and_is_back(site: Site, way: str) -> None:
    with dragoman.connect(site.urls[way]) as remote, ThreadPoolExecutor(2) as threads:
        task = remote.submit("shop.steps", {"parts": 4})
        away: list[dragoman.Fault] = []
        task.on_away = away.append
        result = threads.submit(task.result, 90)
        other = threads.submit(remote.task(task.id).wait, 90)
        until(lambda: site.attempts == 1)
        site.kill()
        site.serve()
        assert result.result(90) == "done"
        assert other.result(90)["state"] == "SUCCEEDED"
        assert [each["number"] for each in task.status()["history"]] == [1, 2]
        assert away, "whoever wants to know is told"


@pytest.mark.parametrize("way", WAYS)
def test_events_are_told_once_while_the_host_dies_and_is_back(site: Site, way: str) -> None:
    with dragoman.connect(site.urls[way]) as remote:
        task = remote.submit("shop.steps", {"parts": 4})
        lines: list[str] = []
        states: list[str] = []
        killer: threading.Thread | None = None
        for event in task.events():
            if event.kind == "log":
                lines.append(event.data["message"])
            if event.kind == "state":
                states.append(event.data["state"])
            if len(lines) == 3 and killer is None:
                killer = threading.Thread(target=lambda: (site.kill(), site.serve()))
                killer.start()
        assert killer is not None
        killer.join()
        assert lines == [f"line {n}" for n in (0, 1, 2, 0, 1, 2, 3)], "three of the first attempt, then the second's"
        assert states[-1] == "SUCCEEDED"
        assert states.count("SUCCEEDED") == 1


@pytest.mark.parametrize("way", WAYS)
async def test_many_are_awaited_while_the_host_dies_and_is_back(site: Site, way: str) -> None:
    async with awaiting(site, way) as remote:
        tasks: list[dragoman.AsyncTask] = [
            await remote.submit("shop.double", {"n": n}, delay="500ms") for n in range(40)
        ]
        waiting = asyncio.ensure_future(dragoman.gather(*tasks, timeout=90))
        await asyncio.to_thread(site.kill)
        await asyncio.to_thread(site.serve)
        assert await waiting == [2 * n for n in range(40)]
        listed = [each.id async for each in remote.tasks(function="shop.double", state="SUCCEEDED")]
        assert listed == [each.id for each in reversed(tasks)]


@pytest.mark.parametrize("way", WAYS)
async def test_a_submission_with_a_key_outlives_the_host_that_it_was_made_to(site: Site, way: str) -> None:
    async with awaiting(site, way) as remote:
        first = await remote.submit("shop.double", {"n": 1}, key="once", delay="1h")
        submitting = [asyncio.ensure_future(_insist(remote, n)) for n in range(50)]
        await asyncio.to_thread(site.kill)
        await asyncio.to_thread(site.serve)
        again = await asyncio.gather(*submitting)
        assert len(set(again)) == 50
        assert (await remote.submit("shop.double", {"n": 1}, key="once", delay="1h")).id == first.id
        assert len([each async for each in remote.tasks()]) == 51, "each was stored once, whatever broke meanwhile"


async def _insist(remote: Any, n: int) -> str:
    """Submit until that is known to have been heard: what was surely not sent is the caller's to try again."""
    while True:
        try:
            return (await remote.submit("shop.double", {"n": n}, key=f"key-{n}", delay="1h")).id
        except dragoman.Unavailable:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("way", WAYS)
def test_pages_of_a_long_list_are_asked_for_as_they_are_needed(site: Site, way: str) -> None:
    with dragoman.connect(site.urls[way]) as remote:
        given = [{"n": n} for n in range(250)]
        with ThreadPoolExecutor(16) as threads:
            ids = {each.id for each in threads.map(partial(remote.submit, "shop.double", delay="1h"), given)}
        assert {each.id for each in remote.tasks()} == ids
        assert len(list(remote.tasks(state=["SCHEDULED", "DEAD"], function="shop.double"))) == 250
        assert list(remote.tasks(function="shop.nothing")) == []
        with pytest.raises(dragoman.InvalidArgument):
            list(remote.tasks(state="nonsense"))


@pytest.mark.parametrize("way", WAYS)
def test_both_ways_give_the_same_documents_and_faults(site: Site, way: str) -> None:
    with dragoman.connect(site.urls["http"]) as remote, dragoman.connect(site.urls[way]) as other:
        task = remote.submit("shop.refuses")
        with pytest.raises(dragoman.FailedPrecondition, match="no paper") as fault:
            other.task(task.id).result(60)
        assert (fault.value.function, fault.value.remote) == ("shop.refuses", True)
        assert json.dumps(other.task(task.id).document) == json.dumps(task.status())
        with pytest.raises(dragoman.NotFound):
            other.task("019c3a5e-7c1d-7000-8000-0123456789ab")
        for function, given, kind in (
            ("shop.nothing", {}, dragoman.NotFound),
            ("shop.double", {"n": "x"}, dragoman.InvalidArgument),
        ):
            with pytest.raises(kind):
                other.submit(function, given)
