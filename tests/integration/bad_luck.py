"""What bad luck does to a worker: the same tests for every language, which each language's test file inherits.

A file that has `class TestBadLuck(BadLuck)` brings a `shop` (an opened project for what leaves its worker whole), a
`project_of` (writes a project like it, for a test of its own), and the `failure`s and `death`s of its language.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import dragoman
from dragoman.core.fault import Code, DeadlineExceeded, Fault, Started, Unavailable
from dragoman.host.blocking import BlockingProject
from dragoman.host.embedded import AsyncProject
from dragoman.workers.progress import Progress
from tests.integration.conftest import Hosting, alive, descendants, host_of, marked, pool_of, until

ProjectOf = Callable[..., Path]
"""Writes a project; takes `more` lines of its source's table, and the `mark` that its processes bear."""
BUILT_S = 60.0
"""A build that is not in the cache yet, and the start of a JVM, on a machine that is busy."""
PYTHON = """
from collections.abc import Iterator
import time
from dragoman import Context

def twice(n: int) -> int: return 2 * n
def count(n: int) -> Iterator[int]: yield from range(n)
def slow() -> str:
    time.sleep(60)
    return "late"
def total(numbers: Iterator[int]) -> int: return sum(numbers)
def ask(n: int, ctx: Context) -> int: return ctx.call("work.square", n=n)
def relay(n: int, ctx: Context) -> Iterator[int]: yield from ctx.stream("work.count", n=n)
def through(n: int, ctx: Context) -> int: return ctx.call("work.ask", n=n)
"""
"""The source `py`, beside the source `work` of the language."""
POISON = """
[functions."work.aborts"]
task = { attempts = 3, base = "10ms", max = "50ms" }
[functions."work.square"]
task = { attempts = 10, base = "10ms", max = "50ms" }
"""
"""What is beside a task that ends its worker may be lost with it, and is tried again more often than that can be."""


class Failure(NamedTuple):
    """A call that fails by itself: what it takes, and the fault that its caller is given."""

    function: str
    value: dict[str, Any]
    code: Code
    detail: str


class Death(NamedTuple):
    """A call that ends its worker, and what its caller is told of that."""

    function: str
    why: str


def raised(
    project: BlockingProject, function: str, value: dict[str, Any] | None = None, *, timeout: float | None = None
) -> Fault:
    """The fault of a call."""
    with pytest.raises(Fault) as caught:
        project.call(function, value, timeout=timeout)
    return caught.value


def squares(project: BlockingProject) -> bool:
    """Whether a worker answers now."""
    with contextlib.suppress(Unavailable):  # said of a call that was sent to the worker that was just being ended
        return project.call("work.square", {"n": 7}) == 49
    return False


def progress_of(project: BlockingProject, pid: int) -> Progress:
    """The page in which a worker says what it began last; the loop has the worker, or a thread that calls it."""
    pool = pool_of(host_of(project), "work")

    def found() -> list[Progress]:
        workers = (*pool.workers, *(lease.worker for lease in pool.leases))
        return [worker.progress for worker in workers if worker is not None and worker.pid == pid]

    until(found)
    return found()[0]


@contextlib.contextmanager
def opened(folder: Path) -> Generator[BlockingProject]:
    """A project whose source `work` has been built and is ready: that of Python may be so long before."""
    with dragoman.open(folder) as project:
        until(lambda: squares(project), BUILT_S)
        yield project


async def ready(project: AsyncProject) -> None:
    """Wait like `opened`."""
    async with asyncio.timeout(BUILT_S):
        while True:
            with contextlib.suppress(Unavailable):
                assert await project.call("work.square", {"n": 7}) == 49
                return
            await asyncio.sleep(0.005)


def workers_die_with_their_host(host: Hosting) -> None:
    """Kill a host that has printed the process id of its worker, and see everything end that it had started."""
    worker = int(host.line())
    family = descendants(host.process.pid)
    assert worker in family
    host.process.kill()
    host.process.wait()
    until(lambda: not any(alive(pid) for pid in family))


class BadLuck:
    """The tests, and what may be told otherwise of a language."""

    side_by_side_s = 2.0
    ended_s = 1.3
    recycled_at = "100MB"

    @pytest.fixture
    def nap(self) -> str:
        """A function that takes its time, in seconds `s`, and heeds its cancel."""
        return "nap"

    def test_a_deadline_goes_along_the_chain(self, shop: BlockingProject) -> None:
        begun = time.monotonic()
        assert isinstance(raised(shop, "work.ask_slow", timeout=0.5), DeadlineExceeded)
        assert time.monotonic() - begun < 2.0

    def test_a_function_stops_when_its_time_is_up(self, shop: BlockingProject, nap: str) -> None:
        pid = shop.call("work.pid")
        assert isinstance(raised(shop, f"work.{nap}", {"s": 60.0}, timeout=0.3), DeadlineExceeded)
        assert shop.call("work.pid") == pid

    def test_many_calls_run_side_by_side(self, shop: BlockingProject, nap: str) -> None:
        begun = time.monotonic()
        threads = [threading.Thread(target=shop.call, args=(f"work.{nap}", {"s": 0.5})) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - begun < self.side_by_side_s

    def test_a_call_that_fails_leaves_its_worker(self, shop: BlockingProject, failure: Failure) -> None:
        pid = shop.call("work.pid")
        fault = raised(shop, f"work.{failure.function}", failure.value)
        assert (fault.code, fault.started) == (failure.code, Started.YES)
        assert failure.detail in fault.detail
        assert shop.call("work.pid") == pid

    def test_a_worker_that_dies_is_that_calls_loss_alone(self, shop: BlockingProject, death: Death) -> None:
        pid = shop.call("work.pid")
        fault = raised(shop, f"work.{death.function}")
        assert isinstance(fault, Unavailable)
        assert fault.started is Started.YES
        assert death.why in fault.detail
        assert shop.call("work.square", {"n": 7}) == 49
        assert shop.call("work.pid") != pid

    def test_a_poison_task_is_dead_after_its_attempts_and_blocks_nobody(self, project_of: ProjectOf) -> None:
        folder = project_of()
        with (folder / "dragoman.toml").open("a") as file:
            file.write(POISON)
        with opened(folder) as project:
            poison = [project.submit("work.aborts") for _ in range(2)]
            good = [project.submit("work.square", {"n": n}) for n in range(20)]
            assert [task.result(timeout=BUILT_S) for task in good] == [n * n for n in range(20)]
            for task in poison:
                with pytest.raises(Unavailable):
                    task.result(timeout=BUILT_S)
                shown = task.status()
                assert (shown["state"], shown["attempts"], len(shown["history"])) == ("DEAD", 3, 3)
            assert project.call("work.square", {"n": 7}) == 49

    def test_a_worker_killed_in_mid_call(self, shop: BlockingProject) -> None:
        victim = shop.call("work.pid")
        progress = progress_of(shop, victim)
        before = progress.last_started()
        with ThreadPoolExecutor(1) as caller:
            calling = caller.submit(raised, shop, "work.nap", {"s": 60.0})
            until(lambda: progress.last_started() != before)
            os.kill(victim, signal.SIGKILL)
            fault = calling.result()
        assert isinstance(fault, Unavailable)
        assert fault.started is Started.YES
        assert shop.call("work.square", {"n": 7}) == 49

    @pytest.mark.parametrize("function", ["stubborn", "stops_itself", "spins"])
    def test_work_that_does_not_end_is_ended(self, project_of: ProjectOf, mark: str, function: str) -> None:
        with opened(project_of(mark=mark)) as project:
            victim = project.call("work.pid")
            begun = time.monotonic()
            assert isinstance(raised(project, f"work.{function}", timeout=1.0), DeadlineExceeded)
            assert time.monotonic() - begun < self.ended_s
            until(lambda: not alive(victim) and not marked(mark))
            until(lambda: squares(project))

    def test_a_worker_that_leaks_is_replaced(self, project_of: ProjectOf) -> None:
        with opened(project_of(more=f'recycle = {{ memory = "{self.recycled_at}" }}')) as project:
            first = project.call("work.pid")

            def replaced() -> bool:
                with contextlib.suppress(Unavailable):
                    return project.call("work.leaks") != first
                return True

            until(replaced)
            assert project.call("work.square", {"n": 7}) == 49

    def test_workers_die_with_their_host(self, project_of: ProjectOf, hosting: Callable[..., Hosting]) -> None:
        workers_die_with_their_host(hosting(project_of(), "work.pid"))

    async def test_a_stream_that_is_left_stops_its_function(self, project_of: ProjectOf) -> None:
        # One call at a time: as long as the function goes on, there is no room for the next.
        async with dragoman.open(project_of(more="concurrency = 1")) as project:
            await ready(project)
            async for item in project.stream("work.count", {"n": 2**40}):
                assert item == 0
                break
            async with asyncio.timeout(10.0):
                assert await project.call("work.square", {"n": 7}) == 49
