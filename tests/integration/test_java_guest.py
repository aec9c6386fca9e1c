"""Java workers: typed calls, streams, calls to and from Python, and what bad luck does to them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Generator, Iterator
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
from tests.integration.web import serving

SEGMENT_FROM = 256 * 1024
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
def total(numbers: Iterator[int]) -> int: return sum(numbers)
def ask(n: int, ctx: Context) -> int: return ctx.call("work.square", n=n)
def through(n: int, ctx: Context) -> int: return ctx.call("work.ask", n=n)
"""
TOML = """
[sources.work]
path = "Work.java"
workers = {workers}
{more}
env = {{ MARK = "{mark}" }}
[sources.py]
path = "py.py"
"""
ORDER = {
    "id": 2**63 - 1,
    "lines": [{"name": "größe 😀", "price": "12.50", "count": 2**31 - 1}],
    "at": "2026-01-31T23:59:59.123456789Z",
    "tags": {"": "e\u0301"},
}

pytestmark = pytest.mark.needs("javac")


def project_in(folder: Path, *, workers: str = "1", more: str = "", mark: str = "471") -> Path:
    """A project with the Java source `work` and the Python source `py`."""
    shutil.copy(SOURCES / "java" / "Work.java", folder)
    (folder / "py.py").write_text(PYTHON)
    (folder / "dragoman.toml").write_text(TOML.format(workers=workers, more=more, mark=mark))
    return folder


@contextlib.contextmanager
def opened(folder: Path) -> Generator[BlockingProject]:
    """A project whose Java source has been built and is ready: Python's is so long before."""
    with dragoman.open(folder) as project:
        until(lambda: _squares(project), within_s=60.0)
        yield project


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all projects with the same source: it is built once. Who has opened one does not look again."""
    return tmp_path_factory.mktemp("java")


@pytest.fixture(scope="module")
def bad_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the source that cannot be offered."""
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def shop(place: Path) -> Iterator[BlockingProject]:
    """One project for what leaves its worker whole."""
    with opened(project_in(place)) as project:
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
    line = {"name": 1, "price": "1", "count": 2**31}
    fault = raised(shop, "work.order", {"id": 2**63, "lines": [line], "at": "today", "more": 1})
    assert isinstance(fault, InvalidArgument)
    assert fault.started is Started.NO
    assert {breach.path for breach in fault.errors} == {
        "/id",
        "/lines/0/name",
        "/lines/0/count",
        "/at",
        "/tags",
        "/more",
    }


def test_what_only_the_worker_can_tell_is_told_by_it(shop: BlockingProject) -> None:
    line = {"name": "x", "price": "dear", "count": 1}
    fault = raised(shop, "work.order", ORDER | {"lines": [line]})
    assert (fault.code, fault.started) == (Code.INVALID_ARGUMENT, Started.NO)
    assert [breach.path for breach in fault.errors] == ["/lines/0/price"]


def test_streams_and_raw_bytes(shop: BlockingProject) -> None:
    assert list(shop.stream("work.count", {"n": 1000})) == list(range(1000))
    assert shop.call("work.sum", {"numbers": list(range(100))}) == 4950
    fault = raised(shop, "work.sum", {"numbers": [1, "x"]})
    assert [breach.path for breach in fault.errors] == ["/numbers/1"]
    assert shop.call("work.reverse", {"data": b"abc"}) == b"cba"
    assert list(shop.stream("work.published", {"n": 1000})) == list(range(1000))
    assert list(shop.stream("work.doubled", {"numbers": [1, 2, 3]})) == [2, 4, 6]
    assert shop.call("work.sum", {"numbers": iter(range(10_000))}) == sum(range(10_000))
    assert list(shop.stream("work.doubled", {"numbers": iter(range(10_000))})) == [2 * n for n in range(10_000)]
    assert shop.call("work.area", {"shape": {"kind": "Circle", "radius": 2.0}}) == 12.0
    assert shop.call("work.area", {"shape": {"side": 2.0, "kind": "Square"}}) == 4.0


@pytest.mark.parametrize("size", [1, 100_000, 300_000, 3_000_000])
def test_large_bytes_come_back_whole(shop: BlockingProject, size: int) -> None:
    data = os.urandom(size)
    assert shop.call("work.same", {"data": data}) == data
    assert shop.call("work.reverse", {"data": data}) == data[::-1]
    assert shop.call("work.shared", {"data": data}) == (size >= SEGMENT_FROM)


def test_a_caller_that_leaves_interrupts_its_function(shop: BlockingProject) -> None:
    before = shop.call("work.interrupted")
    assert isinstance(raised(shop, "work.naps", timeout=0.2), DeadlineExceeded)
    until(lambda: shop.call("work.interrupted") != before)


def test_java_and_python_call_one_another(shop: BlockingProject) -> None:
    assert shop.call("work.ask", {"n": 2**40}) == 2**41
    assert shop.call("py.ask", {"n": 12}) == 144
    assert shop.call("py.through", {"n": 3}) == 6
    assert shop.call("work.ask_many", {"n": 50}) == [2 * n for n in range(50)]
    assert list(shop.stream("work.relay", {"n": 300})) == list(range(300))
    assert shop.call("work.give", {"n": 300}) == sum(range(300))


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
        ("throws", {}, Code.UNKNOWN, "java.io.IOException: plain"),
        ("panics", {"n": 3}, Code.UNKNOWN, "ArrayIndexOutOfBoundsException: Index 3 out of bounds for length 0"),
        ("overflows", {"n": 1}, Code.UNKNOWN, "java.lang.StackOverflowError"),
        ("unserialisable", {}, Code.OUT_OF_RANGE, "/a/1"),
        ("nasty", {}, Code.UNKNOWN, "its message cannot be read"),
        ("digs", {}, Code.UNKNOWN, "java.lang.StackOverflowError"),
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
    assert "java.lang.Thread" in fault.detail


def test_a_publisher_that_heeds_no_demand_is_stopped(shop: BlockingProject) -> None:
    with pytest.raises(Fault, match="more items than were asked for"):
        list(shop.stream("work.floods"))


def test_an_exception_in_a_thread_of_its_own_is_log(shop: BlockingProject) -> None:
    assert shop.call("work.other_thread") == shop.call("work.pid")


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("exits", "exit code 3"),
        ("halts", "exit code 4"),
        ("crashes", "signal 6"),
        ("out_of_memory", "exit code 3"),
        ("aborts", "died"),
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
def test_work_that_does_not_end_is_ended(place: Path, mark: str, function: str) -> None:
    with opened(project_in(place, mark=mark)) as project:
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


def test_a_worker_that_leaks_is_replaced(place: Path) -> None:
    more = 'recycle = { memory = "100MB" }'
    with opened(project_in(place, more=more)) as project:
        first = project.call("work.pid")

        def replaced() -> bool:
            with contextlib.suppress(Unavailable):
                return project.call("work.leaks") != first
            return True

        until(replaced)
        assert project.call("work.square", {"n": 7}) == 49


BROKEN = """
import dev.dragoman.Dragoman;

public final class Bad {
    record Number(long n) {}

    public static void main(String[] arguments) {
        switch (String.valueOf(System.getenv("BAD"))) {
            case "none":
                break;
            case "twice":
                Dragoman.function("f", Number.class, Long.class, (in, ctx) -> null);
                Dragoman.function("f", Number.class, Long.class, (in, ctx) -> null);
                break;
            case "thread":
                Dragoman.function("f", Number.class, Thread.class, (in, ctx) -> null);
                break;
            case "text":
                Dragoman.function("f", String.class, Long.class, (in, ctx) -> null);
                break;
            case "name":
                Dragoman.function("two words", Number.class, Long.class, (in, ctx) -> null);
                break;
            default:
                Dragoman.function("f", Number.class, Long.class, (in, ctx) -> null);
                throw new IllegalStateException("at start");
        }
        Dragoman.run();
    }
}
"""


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("twice", "two functions of the name f"),
        ("none", "offers no function"),
        ("thread", "java.lang.Thread cannot be part of a contract"),
        ("text", "must be a record"),
        ("name", "the name of a function"),
        ("exception", "at start"),
    ],
)
def test_a_source_that_cannot_be_offered_says_why(bad_place: Path, bad: str, why: str) -> None:
    (bad_place / "Bad.java").write_text(BROKEN)
    (bad_place / "dragoman.toml").write_text(f'[sources.bad]\npath = "Bad.java"\nenv = {{ BAD = "{bad}" }}\n')
    with pytest.raises(StartFailed) as caught, dragoman.open(bad_place):
        pass
    assert why in caught.value.detail


def test_a_source_that_does_not_compile_says_why_in_the_compilers_words(bad_place: Path) -> None:
    (bad_place / "Bad.java").write_text(BROKEN.replace("Dragoman.run();", "undefined();"))
    (bad_place / "dragoman.toml").write_text('[sources.bad]\npath = "Bad.java"\n')
    with pytest.raises(StartFailed) as caught, dragoman.open(bad_place):
        pass
    assert "cannot find symbol" in caught.value.detail


def test_a_jar_of_a_program_is_a_source(tmp_path: Path, bad_place: Path) -> None:
    text = BROKEN.replace('throw new IllegalStateException("at start");', "break;")
    (tmp_path / "Bad.java").write_text(text)
    classes = tmp_path / "classes"
    library = Path(__file__).parents[2] / "sdk" / "java"
    subprocess.run([library / "build.sh"], check=True)
    subprocess.run(["javac", "-cp", library / "target" / "classes", "-d", classes, tmp_path / "Bad.java"], check=True)
    with zipfile.ZipFile(bad_place / "shop.jar", "w") as jar:
        for each in classes.iterdir():
            jar.write(each, each.name)
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nMain-Class: Bad\n")
    (bad_place / "dragoman.toml").write_text('[sources.shop]\npath = "shop.jar"\n')
    with dragoman.open(bad_place) as project:
        with pytest.raises(Fault) as caught:
            project.call("shop.f", {"n": 1})
        assert caught.value.code is Code.OUT_OF_RANGE


def test_functions_are_called_over_http(place: Path) -> None:
    toml = (project_in(place) / "dragoman.toml").read_text()
    with serving(cwd=place, toml=toml) as web:
        until(lambda: web.ask("POST", "/v1/call/work.square", b'{"n": 7}').json == 49, within_s=60.0)
        breach = web.ask("POST", "/v1/call/work.square", b'{"n": "x"}').json
        assert (breach["status"], [each["path"] for each in breach["errors"]]) == (400, ["/n"])
        kinds = {"Content_Type": "application/jsonl", "Accept": "application/jsonl"}
        assert web.ask("POST", "/v1/call/work.doubled", b"1\n2\n", **kinds).body == b"2\n4\n"
        assert web.ask("POST", "/v1/call/work.nap", b'{"s": 60}', Dragoman_Timeout="200ms").status == 504
        data = os.urandom(1_000_000)
        raw = {"Content_Type": "application/octet-stream", "Accept": "application/octet-stream"}
        assert web.ask("POST", "/v1/call/work.same", data, **raw).body == data
        packed = web.ask("POST", "/v1/call/work.square", b"\x81\xa1n\x07", Content_Type="application/msgpack")
        assert packed.body == b"\x31"


def test_a_worker_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    folder = project_in(tmp_path, more='start_timeout = "1s"')
    source = folder / "Work.java"
    never = "        java.util.concurrent.locks.LockSupport.parkNanos(Long.MAX_VALUE);\n        bad();"
    source.write_text(source.read_text().replace("        bad();", never, 1))
    with dragoman.open(folder) as project:
        fault = raised(project, "work.square", {"n": 1})
    assert fault.code is Code.UNAVAILABLE
    assert "start_timeout of 1s" in fault.detail


def test_java_workers_die_with_their_host(place: Path, hosting: Callable[..., Hosting]) -> None:
    # A project of one source is open when that has started.
    project_file = project_in(place) / "dragoman.toml"
    project_file.write_text(project_file.read_text().partition("[sources.py]")[0])
    host = hosting(place, "work.pid")
    worker = int(host.line())
    family = descendants(host.process.pid)
    assert worker in family
    host.process.kill()
    host.process.wait()
    until(lambda: not any(alive(pid) for pid in family))


def test_a_stream_that_is_left_stops_its_function(place: Path) -> None:
    with opened(project_in(place, more="concurrency = 1")) as project:
        items = project.stream("work.count", {"n": 2**40})
        assert next(items) == 0
        items.close()
        assert project.call("work.square", {"n": 7}) == 49
