"""Workers and hosts that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable

import pytest

import dragoman
from dragoman.core.fault import Started, Unavailable
from tests.integration.conftest import Hosting, Write, alive, descendants, host_of, marked, pool_of, soon, until

SOURCE = """
import os, subprocess, time

def square(n: int) -> int: return n * n
def pid() -> int: return os.getpid()
def nap(s: float) -> int:
    time.sleep(s)
    return os.getpid()
async def calm(s: float) -> float:
    import asyncio
    await asyncio.sleep(s)
    return s
"""
PLAIN = SOURCE.partition("async def")[0]


@pytest.mark.parametrize("source", [PLAIN, SOURCE], ids=["sync", "mixed"])
def test_a_worker_killed_in_mid_call_is_that_callers_loss_alone(write: Write, source: str) -> None:
    with dragoman.open(write(work__py=source) / "work.py") as project:
        victim = project.work.pid()
        threading.Timer(0.2, os.kill, (victim, signal.SIGKILL)).start()
        with pytest.raises(Unavailable) as fault:
            project.work.nap(s=30.0)
        assert fault.value.started is Started.YES
        assert not fault.value.retryable
        assert "signal 9" in fault.value.detail
        assert fault.value.function == "work.nap"
        assert project.work.square(n=7) == 49
        assert project.work.pid() != victim


async def test_an_async_function_killed_in_mid_call(write: Write) -> None:
    async with dragoman.open(write(work__py=SOURCE) / "work.py") as project:
        victim = await project.work.pid()
        running = asyncio.ensure_future(project.work.calm(s=30.0))
        asyncio.get_running_loop().call_later(0.2, os.kill, victim, signal.SIGKILL)
        with pytest.raises(Unavailable) as fault:
            await running
        assert fault.value.started is Started.YES
        assert await project.work.calm(s=0.0) == 0.0


CALLS = 10_000
CALLERS = 50
CALLS_PER_KILL = 400
"""By calls, not by time: so many workers die whatever this machine answers in a second."""


async def test_ten_thousand_calls_while_workers_are_killed_at_random(write: Write) -> None:
    """Every call gets exactly one answer, and none a wrong one."""
    toml = """
    [sources.work]
    path = "work.py"
    workers = { min = 2, max = 3 }
    """
    chance = random.Random(20260101)
    outcomes: Counter[str] = Counter()
    numbers = iter(range(CALLS))
    killed: set[int] = set()
    async with dragoman.open(write(dragoman__toml=toml, work__py=PLAIN)) as project:
        pool = pool_of(host_of(project), "work")

        def kill_one() -> None:
            """Kill a worker that is not dead already, if its turn has come."""
            victims = [worker.pid for worker in pool.workers if worker.pid not in killed]
            if victims and outcomes.total() >= CALLS_PER_KILL * (len(killed) + 1):
                victim = chance.choice(victims)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                killed.add(victim)

        async def call_on() -> None:
            for n in numbers:
                try:
                    answer = await project.work.square(n=n)
                except Unavailable:
                    outcomes["lost"] += 1
                else:
                    outcomes["right" if answer == n * n else "wrong"] += 1
                kill_one()

        await asyncio.wait_for(asyncio.gather(*(call_on() for _ in range(CALLERS))), 100)
        assert outcomes.total() == CALLS
        assert outcomes["wrong"] == 0
        assert outcomes["right"] > CALLS * 0.5
        assert len(killed) >= CALLS // CALLS_PER_KILL - 1
        await soon(lambda: pool.workers)
        assert await project.work.square(n=3) == 9


def test_blocking_callers_in_threads_survive_killed_workers_too(write: Write) -> None:
    answers: Counter[str] = Counter()
    with dragoman.open(write(work__py=PLAIN) / "work.py") as project:

        def call_on(start: int) -> None:
            for n in range(start, start + 500):
                try:
                    answers["right" if project.work.square(n=n) == n * n else "wrong"] += 1
                except Unavailable:
                    answers["lost"] += 1

        threads = [threading.Thread(target=call_on, args=(start,)) for start in range(0, 2000, 500)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            try:
                os.kill(project.work.pid(), signal.SIGKILL)
            except (Unavailable, ProcessLookupError):
                continue
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    assert answers["wrong"] == 0
    assert sum(answers.values()) == 2000


FAMILY = """
import os, subprocess

def family() -> str:
    mark = os.environ["MARK"]
    subprocess.Popen(["sleep", mark])
    subprocess.Popen(["setsid", "sleep", mark])
    subprocess.Popen(["sh", "-c", f"trap '' TERM HUP; (setsid sleep {mark} &) ; wait"])
    return " ".join([str(os.getpid())])
"""


def test_a_killed_host_takes_workers_and_their_children_along(
    write: Write, hosting: Callable[..., Hosting], mark: str
) -> None:
    toml = f"""
    [sources.work]
    path = "work.py"
    env = {{ MARK = "{mark}" }}
    """
    host = hosting(write(dragoman__toml=toml, work__py=FAMILY), "work.family")
    worker = int(host.line())
    until(lambda: len(marked(mark)) == 3)
    below = descendants(host.process.pid) | marked(mark)
    assert worker in below
    os.kill(host.process.pid, signal.SIGKILL)
    took_s = until(lambda: not any(alive(pid) for pid in below))
    assert took_s < 1.0


def test_a_host_that_ends_leaves_nothing_behind(write: Write, hosting: Callable[..., Hosting], mark: str) -> None:
    toml = f'[sources.work]\npath = "work.py"\nenv = {{ MARK = "{mark}" }}'
    host = hosting(write(dragoman__toml=toml, work__py=FAMILY), "work.family")
    host.line()
    until(lambda: len(marked(mark)) == 3)
    assert host.process.stdin is not None
    host.process.stdin.write("\n")
    host.process.stdin.flush()
    assert host.process.wait(10) == 0
    assert not marked(mark)


def test_a_forked_copy_of_the_host_program_cannot_disturb_it(write: Write) -> None:
    folder = write(
        work__py=PLAIN,
        program__py="""
        import os, sys
        import dragoman
        from dragoman import Fault

        with dragoman.open("work.py") as project:
            assert project.work.square(n=2) == 4
            child = os.fork()
            if not child:
                try:
                    project.work.square(n=3)
                except Fault as fault:
                    sys.exit(17 if "forked" in fault.detail else 1)
                sys.exit(2)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert project.work.square(n=4) == 16
            print(status)
        """,
    )
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("17", 0), done.stderr
