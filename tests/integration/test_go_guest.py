"""Go workers: typed calls, streams, calls to and from Python, and what bad luck does to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dragoman
from dragoman.core.fault import (
    Code,
    DeadlineExceeded,
    Fault,
    InvalidArgument,
    OutOfRange,
    Started,
    StartFailed,
    Unavailable,
)
from dragoman.host.blocking import BlockingProject
from tests.integration.conftest import Hosting, alive, descendants, marked, until

SOURCES = Path(__file__).parent / "sources"
PYTHON = """
from collections.abc import Callable, Iterator
import time
from dragoman import Context

def twice(n: int) -> int: return 2 * n
def count(n: int) -> Iterator[int]: yield from range(n)
def slow() -> str:
    time.sleep(60)
    return "late"
def ask(n: int, ctx: Context) -> int: return ctx.call("work.square", n=n)
def through(n: int, ctx: Context) -> int: return ctx.call("work.ask", n=n)
"""
TOML = """
[sources.work]
path = "work"
workers = {workers}
{more}
env = {{ MARK = "{mark}" }}
[sources.py]
path = "py.py"
"""
ORDER = {
    "id": 2**63 - 1,
    "lines": [{"name": "größe 😀", "price": "12.50", "count": 255}],
    "at": "2026-01-31T23:59:59.123456789Z",
    "tags": {"": "e\u0301"},
}

pytestmark = pytest.mark.needs("go")


def project_in(folder: Path, *, workers: str = "1", more: str = "", mark: str = "471") -> Path:
    """A project with the Go source `work` and the Python source `py`."""
    shutil.copytree(SOURCES / "work", folder / "work")
    (folder / "py.py").write_text(PYTHON)
    (folder / "dragoman.toml").write_text(TOML.format(workers=workers, more=more, mark=mark))
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingProject]:
    """One project for what leaves its worker whole."""
    with dragoman.open(project_in(tmp_path_factory.mktemp("go"))) as project:
        yield project


def raised(project: BlockingProject, function: str, value: dict[str, Any] | None = None, **options: float) -> Fault:
    """The fault of a call."""
    with pytest.raises(Fault) as caught:
        project.call(function, value, **options)
    return caught.value


def test_a_record_comes_back_as_it_went(shop: BlockingProject) -> None:
    assert shop.call("work.order", ORDER) == ORDER
    assert shop.call("work.order", ORDER | {"note": "soon"}) == ORDER | {"note": "soon"}


def test_every_breach_is_named(shop: BlockingProject) -> None:
    line = {"name": 1, "price": "x", "count": 256}
    fault = raised(shop, "work.order", {"id": 2**63, "lines": [line], "at": "today", "more": 1})
    assert isinstance(fault, InvalidArgument)
    assert fault.started is Started.NO
    assert {breach.path for breach in fault.errors} == {
        "/id",
        "/lines/0/name",
        "/lines/0/price",
        "/lines/0/count",
        "/at",
        "/tags",
        "/more",
    }


def test_streams_and_raw_bytes(shop: BlockingProject) -> None:
    assert list(shop.stream("work.count", {"n": 1000})) == list(range(1000))
    assert shop.call("work.sum", {"numbers": list(range(100))}) == 4950
    fault = raised(shop, "work.sum", {"numbers": [1, "x"]})
    assert [breach.path for breach in fault.errors] == ["/numbers/1"]
    assert shop.call("work.reverse", {"data": b"abc"}) == b"cba"


@pytest.mark.parametrize("size", [1, 100_000, 300_000, 3_000_000])
def test_large_bytes_come_back_whole(shop: BlockingProject, size: int) -> None:
    data = os.urandom(size)
    assert shop.call("work.same", {"data": data}) == data
    assert shop.call("work.reverse", {"data": data}) == data[::-1]


def test_go_and_python_call_one_another(shop: BlockingProject) -> None:
    assert shop.call("work.ask", {"n": 2**40}) == 2**41
    assert shop.call("py.ask", {"n": 12}) == 144
    assert shop.call("py.through", {"n": 3}) == 6


def test_a_deadline_goes_along_the_chain(shop: BlockingProject) -> None:
    begun = time.monotonic()
    assert isinstance(raised(shop, "work.ask_slow", timeout=0.5), DeadlineExceeded)
    assert time.monotonic() - begun < 2.0


def test_a_function_stops_when_its_time_is_up(shop: BlockingProject) -> None:
    pid = shop.call("work.pid")
    assert isinstance(raised(shop, "work.nap", {"s": 60.0}, timeout=0.3), DeadlineExceeded)
    assert shop.call("work.pid") == pid


def test_many_calls_run_side_by_side(shop: BlockingProject) -> None:
    begun = time.monotonic()
    threads = [threading.Thread(target=shop.call, args=("work.nap", {"s": 0.5})) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 2.0


@pytest.mark.parametrize(
    ("function", "value", "code", "detail"),
    [
        ("fail", {}, Code.NOT_FOUND, "no order 7"),
        ("error", {}, Code.UNKNOWN, "plain"),
        ("panics", {"n": 3}, Code.UNKNOWN, "panic: runtime error: index out of range [3] with length 0"),
        ("exits_goroutine", {}, Code.UNKNOWN, "runtime.Goexit"),
        ("unserialisable", {}, Code.OUT_OF_RANGE, "/a/1"),
    ],
)
def test_a_call_that_fails_leaves_its_worker(
    shop: BlockingProject, function: str, value: dict[str, Any], code: Code, detail: str
) -> None:
    pid = shop.call("work.pid")
    fault = raised(shop, f"work.{function}", value)
    assert (fault.code, fault.started) == (code, Started.YES)
    assert detail in fault.detail
    assert shop.call("work.pid") == pid


def test_a_result_that_cannot_be_sent_names_its_place(shop: BlockingProject) -> None:
    fault = raised(shop, "work.unserialisable")
    assert isinstance(fault, OutOfRange)
    assert "chan int" in fault.detail


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("goroutine_panics", "exit code 2"),
        ("exits", "exit code 3"),
        ("aborts", "died"),
        ("overflows", "exit code 2"),
        ("nonsense", "protocol"),
    ],
)
def test_a_worker_that_dies_is_that_calls_loss_alone(shop: BlockingProject, function: str, why: str) -> None:
    pid = shop.call("work.pid")
    fault = raised(shop, f"work.{function}")
    assert isinstance(fault, Unavailable)
    assert fault.started is Started.YES
    assert why in fault.detail
    assert shop.call("work.square", {"n": 7}) == 49
    assert shop.call("work.pid") != pid


def test_a_worker_killed_in_mid_call(shop: BlockingProject) -> None:
    victim = shop.call("work.pid")
    threading.Timer(0.2, os.kill, (victim, signal.SIGKILL)).start()
    fault = raised(shop, "work.nap", {"s": 60.0})
    assert isinstance(fault, Unavailable)
    assert fault.started is Started.YES
    assert shop.call("work.square", {"n": 7}) == 49


@pytest.mark.parametrize("function", ["stubborn", "stops_itself", "spins"])
def test_work_that_does_not_end_is_ended(tmp_path: Path, mark: str, function: str) -> None:
    with dragoman.open(project_in(tmp_path, mark=mark)) as project:
        victim = project.call("work.pid")
        begun = time.monotonic()
        assert isinstance(raised(project, f"work.{function}", timeout=1.0), DeadlineExceeded)
        assert time.monotonic() - begun < 1.3
        until(lambda: not alive(victim) and not marked(mark))
        until(lambda: _squares(project))


def _squares(project: BlockingProject) -> bool:
    with contextlib.suppress(Unavailable):  # said of a call that was sent to the worker that was just being ended
        return project.call("work.square", {"n": 7}) == 49
    return False


def test_what_a_function_prints_breaks_nothing(shop: BlockingProject) -> None:
    assert shop.call("work.prints", {"n": 64 * 1024}) == "printed"  # 64 MB
    assert shop.call("work.log", {"n": 1}) is None


def test_a_worker_that_leaks_is_replaced(tmp_path: Path) -> None:
    more = 'recycle = { memory = "100MB" }'
    with dragoman.open(project_in(tmp_path, more=more)) as project:
        first = project.call("work.pid")

        def replaced() -> bool:
            with contextlib.suppress(Unavailable):
                return project.call("work.leaks") != first
            return True

        until(replaced)
        assert project.call("work.square", {"n": 7}) == 49


BROKEN = """
package main

import "github.com/dragoman/dragoman/sdk/go"

func f() int { return 1 }

func main() {
	%s
	dragoman.Main()
}
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('dragoman.Register("f", f)\n\tdragoman.Register("f", f)', 'two functions are registered as "f"'),
        ("_ = f", "no function is registered"),
        ('dragoman.Register("f", func(c chan int) {})', "chan int cannot be part of a contract"),
        ('dragoman.Register("f", func(n int) {})', "it must be a struct"),
        ('dragoman.Register("two words", f)', "a name is a letter"),
        ('dragoman.Register("f", f, dragoman.Version("one"))', "semantic version"),
        ('dragoman.Register("f", 7)', "not a function"),
        ('panic("at start")', "at start"),
        ("undefined()", "undefined: undefined"),
    ],
    ids=["twice", "none", "channel", "no-record", "name", "version", "no-function", "panic", "compiler"],
)
def test_a_source_that_cannot_be_offered_says_why(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "bad.go").write_text(BROKEN % text)
    with pytest.raises(StartFailed) as caught, dragoman.open(tmp_path / "bad.go"):
        pass
    assert why in caught.value.detail


def test_a_worker_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    folder = project_in(tmp_path, more='start_timeout = "1s"')
    main = folder / "work" / "main.go"
    main.write_text(
        main.read_text().replace("func main() {", "func main() {\n\tselect {\n\tcase <-time.After(time.Hour):\n\t}", 1)
    )
    with dragoman.open(folder) as project:
        fault = raised(project, "work.square", {"n": 1})
    assert fault.code is Code.UNAVAILABLE
    assert "start_timeout of 1s" in fault.detail


def test_go_workers_die_with_their_host(tmp_path: Path, hosting: Callable[..., Hosting]) -> None:
    host = hosting(project_in(tmp_path), "work.pid")
    worker = int(host.line())
    family = descendants(host.process.pid)
    assert worker in family
    host.process.kill()
    host.process.wait()
    until(lambda: not any(alive(pid) for pid in family))


async def test_a_stream_that_is_left_stops_its_function(tmp_path: Path) -> None:
    async with dragoman.open(project_in(tmp_path)) as project:
        async for item in project.stream("work.count", {"n": 2**40}):
            assert item == 0
            break
        async with asyncio.timeout(10.0):
            assert await project.call("work.square", {"n": 7}) == 49
