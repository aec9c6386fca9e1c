"""Java workers: typed calls, streams, calls to and from Python, and what bad luck does to them."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import Code, DeadlineExceeded, Fault, InvalidArgument, OutOfRange, Started, StartFailed
from dragoman.host.blocking import BlockingProject
from tests.integration.bad_luck import (
    PYTHON,
    BadLuck,
    Death,
    Failure,
    ProjectOf,
    opened,
    raised,
    workers_die_with_their_host,
)
from tests.integration.conftest import Hosting, until
from tests.integration.web import serving

SEGMENT_FROM = 256 * 1024
SOURCES = Path(__file__).parent / "sources"
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
FAILURES = [
    Failure("fail", {}, Code.NOT_FOUND, "no order 7"),
    Failure("throws", {}, Code.UNKNOWN, "java.io.IOException: plain"),
    Failure("panics", {"n": 3}, Code.UNKNOWN, "ArrayIndexOutOfBoundsException: Index 3 out of bounds for length 0"),
    Failure("overflows", {"n": 1}, Code.UNKNOWN, "java.lang.StackOverflowError"),
    Failure("unserialisable", {}, Code.OUT_OF_RANGE, "/a/1"),
    Failure("nasty", {}, Code.UNKNOWN, "its message cannot be read"),
    Failure("digs", {}, Code.UNKNOWN, "java.lang.StackOverflowError"),
]
DEATHS = [
    Death("exits", "exit code 3"),
    Death("halts", "exit code 4"),
    Death("crashes", "signal 6"),
    Death("out_of_memory", "exit code 3"),
    Death("aborts", "died"),
    Death("nonsense", "protocol"),
]

pytestmark = pytest.mark.needs("javac")


def project_in(folder: Path, *, workers: str = "1", more: str = "", mark: str = "471") -> Path:
    """A project with the Java source `work` and the Python source `py`."""
    shutil.copy(SOURCES / "java" / "Work.java", folder)
    (folder / "py.py").write_text(PYTHON)
    (folder / "dragoman.toml").write_text(TOML.format(workers=workers, more=more, mark=mark))
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all projects with the same source: it is built once. Who has opened one does not look again."""
    return tmp_path_factory.mktemp("java")


@pytest.fixture(scope="module")
def bad_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the source that cannot be offered."""
    return tmp_path_factory.mktemp("bad")


@pytest.fixture
def project_of(place: Path) -> ProjectOf:
    """Write a project for one test, which may not leave its worker whole."""
    return partial(project_in, place)


@pytest.fixture(scope="module")
def shop(place: Path) -> Iterator[BlockingProject]:
    """One project for what leaves its worker whole."""
    with opened(project_in(place)) as project:
        yield project


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


def test_a_result_that_cannot_be_sent_names_its_place(shop: BlockingProject) -> None:
    fault = raised(shop, "work.unserialisable")
    assert isinstance(fault, OutOfRange)
    assert "java.lang.Thread" in fault.detail


def test_a_publisher_that_heeds_no_demand_is_stopped(shop: BlockingProject) -> None:
    with pytest.raises(Fault, match="more items than were asked for"):
        list(shop.stream("work.floods"))


def test_an_exception_in_a_thread_of_its_own_is_log(shop: BlockingProject) -> None:
    assert shop.call("work.other_thread") == shop.call("work.pid")


def test_what_a_function_prints_breaks_nothing(shop: BlockingProject) -> None:
    assert shop.call("work.prints", {"n": 64 * 1024}) == "printed"  # 64 MB
    assert shop.call("work.log", {"n": 1}) is None


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


class TestBadLuck(BadLuck):
    @pytest.fixture(params=FAILURES, ids=lambda each: each.function)
    def failure(self, request: pytest.FixtureRequest) -> Failure:
        return request.param

    @pytest.fixture(params=DEATHS, ids=lambda each: each.function)
    def death(self, request: pytest.FixtureRequest) -> Death:
        return request.param

    def test_workers_die_with_their_host(self, project_of: ProjectOf, hosting: Callable[..., Hosting]) -> None:
        # A project of one source is open when that has started.
        folder = project_of()
        project_file = folder / "dragoman.toml"
        project_file.write_text(project_file.read_text().partition("[sources.py]")[0])
        workers_die_with_their_host(hosting(folder, "work.pid"))
