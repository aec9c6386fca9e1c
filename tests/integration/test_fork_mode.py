"""A clean copy of a loaded process for every call."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import DeadlineExceeded, Fault, InvalidArgument, Started, StartFailed, Unavailable, Unknown
from dragoman.host.blocking import BlockingProject
from dragoman.host.embedded import AsyncProject
from dragoman.testing import RecordingJournal
from dragoman.workers.nursery import Nursery
from dragoman.workers.pool import Pool
from dragoman.workers.supervisor import Supervisor
from tests.integration.conftest import Write, alive, descendants, host_of, hosted, marked, pool_of, soon, until

SOURCE = """
import os, random, signal, subprocess, sys, threading, time
from collections.abc import Iterator

import dragoman

seen: list[int] = []
print("imported")

def remember(n: int) -> list[int]:
    seen.append(n)
    return seen

def pid() -> int:
    return os.getpid()

def parent() -> int:
    return os.getppid()

def nap(s: float) -> int:
    time.sleep(s)
    return os.getpid()

def chance() -> float:
    return random.random()

def count(n: int) -> Iterator[int]:
    for number in range(n):
        yield number

def total(numbers: Iterator[int]) -> int:
    return sum(numbers)

def fail(n: int) -> int:
    raise KeyError(n)

def leave(status: int) -> None:
    os._exit(status)

def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)

def daemon(mark: str) -> int:
    return subprocess.Popen(["setsid", "sleep", mark], stdout=subprocess.DEVNULL).pid

def stubborn(mark: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["setsid", "sleep", mark])
    subprocess.Popen(["sleep", mark])
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def twice(n: int, ctx: dragoman.Context) -> int:
    return ctx.call("work.double", n=n) + ctx.call("work.double", n=n)

def double(n: int) -> int:
    return 2 * n

def say(text: str) -> None:
    print(text)

def busy_thread() -> int:
    threading.Thread(target=time.sleep, args=(60,)).start()
    return threading.active_count()
"""
ASYNC = """
import asyncio, os
from collections.abc import AsyncIterator

seen: list[int] = []

async def remember(n: int) -> list[int]:
    await asyncio.sleep(0)
    seen.append(n)
    return seen

async def count(n: int) -> AsyncIterator[int]:
    for number in range(n):
        await asyncio.sleep(0)
        yield number

async def nap(s: float) -> float:
    await asyncio.sleep(s)
    return s

def plain(n: int) -> list[int]:
    seen.append(n)
    return seen
"""


def project_of(write: Write, source: str = SOURCE, *settings: str) -> Path:
    more = "\n".join(settings)
    return write(work__py=source, dragoman__toml=f'[sources.work]\npath = "work.py"\nmode = "fork"\n{more}\n')


@pytest.fixture
def forked(write: Write) -> Iterator[BlockingProject]:
    """The source above, two processes at a time."""
    with dragoman.open(project_of(write, SOURCE, "workers = { min = 1, max = 2 }")) as project:
        yield project


@pytest.fixture
async def forking(write: Write) -> AsyncIterator[AsyncProject]:
    """The same, four processes at a time, on the running loop."""
    async with dragoman.open(project_of(write, SOURCE, "workers = { min = 2, max = 4 }")) as project:
        yield project


def nursery_of(pool: Pool) -> Nursery:
    assert isinstance(pool.crew, Supervisor)
    assert pool.crew.nursery is not None
    return pool.crew.nursery


def zygote_of(pool: Pool) -> int:
    zygote = nursery_of(pool).zygote
    assert zygote is not None
    return zygote.pid


def begun(pool: Pool) -> int:
    """How many calls have entered their functions: one that has not when its worker dies is given to another."""
    return sum(len(worker.begun()) for worker in pool.staff)


def test_nothing_that_a_call_leaves_behind_is_seen_by_the_next(forked: BlockingProject) -> None:
    assert [forked.work.remember(n=number) for number in range(5)] == [[0], [1], [2], [3], [4]]
    assert len({forked.work.pid() for _ in range(5)}) == 5
    assert len({forked.work.chance() for _ in range(5)}) == 5


def test_one_process_has_imported_the_source_and_is_the_parent_of_all(forked: BlockingProject) -> None:
    assert len({forked.work.parent() for _ in range(4)}) == 1
    assert forked.work.parent() == zygote_of(pool_of(host_of(forked), "work"))


def test_async_functions_have_a_loop_of_their_own_in_each_call(write: Write) -> None:
    with dragoman.open(project_of(write, ASYNC)) as project:
        assert [project.work.remember(n=number) for number in range(3)] == [[0], [1], [2]]
        assert [project.work.plain(n=number) for number in range(3)] == [[0], [1], [2]]
        assert list(project.work.count(n=100)) == list(range(100))
        with pytest.raises(DeadlineExceeded):
            project.call("work.nap", {"s": 30.0}, timeout=0.3)
        assert project.work.nap(s=0.0) == 0.0


def test_streams_go_both_ways(forked: BlockingProject) -> None:
    assert list(forked.work.count(n=3000)) == list(range(3000))
    assert forked.work.total(numbers=iter(range(3000))) == sum(range(3000))


def test_faults_say_what_they_say_elsewhere(forked: BlockingProject) -> None:
    with pytest.raises(Unknown, match="KeyError"):
        forked.work.fail(n=7)
    with pytest.raises(InvalidArgument):
        forked.work.double(n="seven")
    assert forked.work.double(n=7) == 14


def test_functions_may_call_others_through_their_host(forked: BlockingProject) -> None:
    assert forked.work.twice(n=4) == 16


def test_a_call_that_ends_its_process_is_that_callers_loss_alone(forked: BlockingProject) -> None:
    for function, value, why in (("work.leave", {"status": 3}, "exit code 3"), ("work.crash", {}, "signal 11")):
        with pytest.raises(Unavailable, match=why) as fault:
            forked.call(function, value)
        assert fault.value.started is Started.YES
    zygote = forked.work.parent()
    for _ in range(5):
        with pytest.raises(Unavailable):
            forked.work.leave(status=0)
    assert forked.work.parent() == zygote


async def test_what_a_call_prints_is_its_own(write: Write) -> None:
    journal = RecordingJournal()
    async with hosted(project_of(write), journal=journal) as host:
        project = AsyncProject(host)
        await asyncio.gather(*(project.call("work.say", {"text": f"line {number}"}) for number in range(5)))
    assert journal.lines("") == ["imported"]
    assert sorted(journal.lines("work.say")) == [f"line {number}" for number in range(5)]


def test_a_daemon_that_a_call_starts_does_not_outlive_it(forked: BlockingProject, mark: str) -> None:
    forked.work.daemon(mark=mark)
    until(lambda: not marked(mark))
    assert forked.work.double(n=1) == 2


def test_a_thread_that_a_call_leaves_running_does_not_keep_its_process(forked: BlockingProject) -> None:
    before = forked.work.parent()
    assert forked.work.busy_thread() > 1
    pool = pool_of(host_of(forked), "work")
    until(lambda: not pool.in_flight and len(descendants(before)) <= 1)


def test_a_call_past_its_time_leaves_nothing(forked: BlockingProject, mark: str) -> None:
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded) as fault:
            forked.call("work.stubborn", {"mark": mark}, timeout=0.5)
        assert time.monotonic() - begun < 0.7
        assert fault.value.started is Started.YES
        until(lambda: not marked(mark), 2.0)
    assert forked.work.double(n=1) == 2


BOMB = """
import os, random, time

def bomb() -> None:
    for _ in range(9):
        if os.fork() == 0 and random.getrandbits(2) == 0:
            os.setsid()
    time.sleep(60)

def double(n: int) -> int:
    return 2 * n
"""


def test_a_fork_bomb_is_ended_at_its_deadline(write: Write) -> None:
    """It stops at 512 processes by itself: root, as whom tests may run, is not bound by any limit on them."""
    with dragoman.open(project_of(write, BOMB, "limits = { processes = 300 }")) as project:
        with pytest.raises(Fault):
            project.call("work.bomb", {}, timeout=1.0)
        zygote = zygote_of(pool_of(host_of(project), "work"))
        until(lambda: len(descendants(zygote)) <= 1, 20.0)
        assert project.work.double(n=4) == 8


CHAIN = """
import os, time

def chain() -> None:
    for _ in range(40):
        if os.fork() == 0:
            os.setsid()
            while True:  # each lives for a moment: its successor is somebody else's child by then
                if os.fork() != 0:
                    os._exit(0)
                os.setsid()
    time.sleep(30)

def double(n: int) -> int:
    return 2 * n
"""


def test_processes_that_are_handed_on_all_the_time_are_ended_too(write: Write) -> None:
    with dragoman.open(project_of(write, CHAIN)) as project:
        with pytest.raises(DeadlineExceeded):
            project.call("work.chain", {}, timeout=0.3)
        zygote = zygote_of(pool_of(host_of(project), "work"))
        until(lambda: len(descendants(zygote)) <= 1, 10.0)
        assert project.work.double(n=4) == 8


THREADS = """
import threading, time

def tick() -> None:
    time.sleep(1000)

threading.Thread(target=tick, name="ticker", daemon=True).start()

def double(n: int) -> int:
    return 2 * n
"""
LOOP = """
import asyncio

loop = asyncio.new_event_loop()

def double(n: int) -> int:
    return 2 * n
"""


@pytest.mark.parametrize(
    ("source", "says"),
    [(THREADS, r"threads running: 'ticker' \(runs work\.tick\)"), (LOOP, "an epoll instance")],
    ids=["thread", "loop"],
)
async def test_a_module_that_cannot_be_forked_is_refused_and_told_why(write: Write, source: str, says: str) -> None:
    async with hosted(project_of(write, source), start=False) as host:
        fault = (await host.start())["work"]
        with pytest.raises(StartFailed, match=says):
            raise fault
        assert "fork_safe = true" in fault.detail
    async with dragoman.open(project_of(write, source, "fork_safe = true")) as project:
        assert [await project.work.double(n=number) for number in range(3)] == [0, 2, 4]


def test_what_is_to_be_preloaded_is(write: Write) -> None:
    source = "import sys\n\ndef loaded(name: str) -> bool:\n    return name in sys.modules\n"
    with dragoman.open(project_of(write, source, 'preload = ["xml.dom.minidom"]')) as project:
        assert project.work.loaded(name="xml.dom.minidom")
        assert not project.work.loaded(name="xml.sax")


async def test_a_preload_that_is_not_there_is_named(write: Write) -> None:
    async with hosted(project_of(write, SOURCE, 'preload = ["no_such_thing"]'), start=False) as host:
        faults = await host.start()
        assert "preload: no_such_thing cannot be imported" in str(faults["work"])


async def test_a_zygote_that_is_killed_costs_the_calls_of_its_children_only(forking: AsyncProject) -> None:
    pool = pool_of(host_of(forking), "work")
    first = zygote_of(pool)
    running = [asyncio.ensure_future(forking.work.nap(s=30.0)) for _ in range(4)]
    await soon(lambda: begun(pool) == 4)
    below = descendants(first)
    assert len(below) >= 4
    waiting = asyncio.ensure_future(forking.work.double(n=4))
    os.kill(first, signal.SIGKILL)
    for call in running:
        with pytest.raises(Unavailable) as fault:
            await call
        assert fault.value.started is Started.YES
    assert await waiting == 8
    assert zygote_of(pool) != first
    await soon(lambda: not any(alive(pid) for pid in below))


async def test_a_zygote_that_is_killed_while_it_forks_leaks_nothing(forking: AsyncProject) -> None:
    pool = pool_of(host_of(forking), "work")
    assert await forking.work.double(n=1) == 2
    before = open_files()
    for _ in range(5):
        calls = [asyncio.ensure_future(forking.work.double(n=number)) for number in range(20)]
        await asyncio.sleep(0)
        os.kill(zygote_of(pool), signal.SIGKILL)
        for number, call in enumerate(calls):
            await asyncio.wait([call])
            answer: object = call.exception() or call.result()
            assert answer == 2 * number or (isinstance(answer, Unavailable) and answer.started is Started.YES)
        await soon(lambda: nursery_of(pool).ready and len(pool.workers) == 2)
    await soon(lambda: open_files() <= before)


async def test_a_zygote_that_is_stopped_is_replaced(forking: AsyncProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.workers.nursery.SILENT_S_MAX", 0.5)
    pool = pool_of(host_of(forking), "work")
    first = zygote_of(pool)
    os.kill(first, signal.SIGSTOP)
    assert await asyncio.gather(*(forking.work.double(n=number) for number in range(6))) == [0, 2, 4, 6, 8, 10]
    assert not alive(first)


async def test_a_child_that_is_killed_in_mid_call_is_that_callers_loss_alone(forking: AsyncProject) -> None:
    pool = pool_of(host_of(forking), "work")
    call = asyncio.ensure_future(forking.work.nap(s=30.0))
    await soon(lambda: begun(pool))
    (running,) = [worker.pid for worker in pool.staff if worker.in_flight]
    os.kill(running, signal.SIGKILL)
    with pytest.raises(Unavailable, match="signal 9") as fault:
        await call
    assert fault.value.started is Started.YES
    assert await forking.work.double(n=2) == 4


async def test_many_calls_leave_no_process_no_descriptor_and_no_memory(forking: AsyncProject) -> None:
    pool = pool_of(host_of(forking), "work")

    async def some(calls: int) -> None:
        for _ in range(calls):
            assert await forking.work.double(n=2) == 4

    await asyncio.gather(*(some(25) for _ in range(4)))
    await soon(lambda: len(pool.workers) == 2 and not pool.at_work)
    zygote = zygote_of(pool)
    await soon(lambda: len(descendants(zygote)) == 2)
    before = open_files(), open_files(zygote)
    resident = rss(zygote)
    await asyncio.gather(*(some(500) for _ in range(4)))
    await soon(lambda: len(descendants(zygote)) == 2)
    await soon(lambda: (open_files(), open_files(zygote)) == before)
    assert zygote_of(pool) == zygote
    assert rss(zygote) - resident < 1024 * 1024


def open_files(pid: int | str = "self") -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096


async def test_ready_processes_wait_for_the_next_calls(forking: AsyncProject) -> None:
    pool = pool_of(host_of(forking), "work")
    await soon(lambda: len(pool.workers) == 2)
    ready = {worker.pid for worker in pool.workers}
    assert await forking.work.pid() in ready
    running = asyncio.ensure_future(forking.work.nap(s=1.0))
    await soon(lambda: pool.at_work == 1 and len(pool.workers) == 2)
    assert await running


async def test_a_reload_ends_the_zygote_and_what_it_has_ready(write: Write) -> None:
    folder = project_of(write, SOURCE, "workers = { min = 2, max = 3 }")
    async with dragoman.open(folder) as project:
        pool = pool_of(host_of(project), "work")
        first = zygote_of(pool)
        await soon(lambda: len(pool.workers) == 2)
        below = descendants(first)
        (folder / "work.py").write_text(SOURCE.replace("2 * n", "3 * n"))
        assert await host_of(project).reload("work") is None
        assert await project.work.double(n=2) == 6
        await soon(lambda: not alive(first) and not any(alive(pid) for pid in below))


@pytest.mark.parametrize(
    "rule", ["recycle = { calls = 5 }", 'recycle = { age = "1s" }', 'recycle = { memory = "1MB" }']
)
async def test_a_zygote_is_replaced_without_losing_a_call(write: Write, rule: str) -> None:
    async with dragoman.open(project_of(write, SOURCE, rule)) as project:
        pool = pool_of(host_of(project), "work")
        first = zygote_of(pool)
        long = asyncio.ensure_future(project.work.nap(s=2.5))
        for _ in range(10):
            assert await project.work.double(n=2) == 4
        await soon(lambda: zygote_of(pool) != first)
        assert await project.work.double(n=2) == 4
        assert await long
        await soon(lambda: not alive(first))


def test_numpy_has_random_numbers_of_its_own_in_each_call_and_threads_as_ever(write: Write) -> None:
    pytest.importorskip("numpy")
    source = """
    import os
    import numpy

    def chance() -> float:
        return float(numpy.random.random())

    def variable() -> str:
        return os.environ.get("OPENBLAS_NUM_THREADS", "none")

    def threads() -> int:
        numpy.ones((600, 600)) @ numpy.ones((600, 600))
        return len(os.listdir("/proc/self/task"))
    """
    processors = len(os.sched_getaffinity(0))
    with dragoman.open(project_of(write, source)) as project:
        assert len({project.work.chance() for _ in range(4)}) == 4
        assert project.work.variable() == "none"
        alone = project.work.threads()
    with dragoman.open(project_of(write, source, 'env = { OPENBLAS_NUM_THREADS = "1" }')) as project:
        assert project.work.variable() == "1"
        assert alone - project.work.threads() == min(processors, 64) - 1


SLOW = """
import time

until = time.process_time() + 0.3
while time.process_time() < until:
    pass

import os

def nap(s: float) -> int:
    time.sleep(s)
    return os.getppid()
"""


@pytest.mark.parametrize("grow", ["fork", "start"])
async def test_a_warm_pool_grows_by_forking(write: Write, grow: str) -> None:
    toml = f'[sources.work]\npath = "work.py"\nworkers = {{ min = 1, max = 4 }}\ngrow = "{grow}"\n'
    async with dragoman.open(write(work__py=SLOW, dragoman__toml=toml)) as project:
        pool = pool_of(host_of(project), "work")
        if grow == "fork":
            await soon(lambda: nursery_of(pool).ready)
        parents = set(await asyncio.gather(*(project.work.nap(s=0.6) for _ in range(4))))
        if grow == "fork":
            assert zygote_of(pool) in parents
            victim = pool.workers[0].pid
            os.kill(victim, signal.SIGKILL)
            assert await project.work.nap(s=0.0)
        else:
            assert isinstance(pool.crew, Supervisor)
            assert pool.crew.nursery is None


async def test_a_warm_pool_that_cannot_be_forked_grows_as_ever(write: Write) -> None:
    source = f"{SLOW}\nimport threading\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
    toml = '[sources.work]\npath = "work.py"\nworkers = { min = 1, max = 2 }\n'
    journal = RecordingJournal()
    async with hosted(write(work__py=source, dragoman__toml=toml), journal=journal) as host:
        pool = pool_of(host, "work")
        await soon(lambda: any("started, not forked" in said for said in journal.messages("debug")))
        assert not journal.messages("warning") + journal.messages("error")
        assert not nursery_of(pool).ready
