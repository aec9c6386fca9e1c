"""Rust workers: typed calls, streams, calls to and from Python, and what bad luck does to them."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import Code, DeadlineExceeded, InvalidArgument, OutOfRange, Started, StartFailed, Unavailable
from dragoman.host.blocking import BlockingProject
from tests.integration.bad_luck import PYTHON, BadLuck, Death, Failure, ProjectOf, opened, raised
from tests.integration.conftest import alive, host_of, pool_of, until

SOURCES = Path(__file__).parent / "sources"
TOML = """
[sources.work]
path = "rustwork"
workers = {workers}
{more}
env = {{ MARK = "{mark}" }}
"""
BESIDE = """
[sources.py]
path = "py.py"
"""
ORDER = {
    "id": 2**63 - 1,
    "lines": [{"name": "größe 😀", "price": "12.50", "count": 255}],
    "at": "2026-01-31T23:59:59.123456789Z",
    "tags": {"": "e\u0301"},
}
FAILURES = [
    Failure("fail", {}, Code.NOT_FOUND, "no order 7"),
    Failure("error", {}, Code.UNKNOWN, "ParseIntError: invalid digit"),
    Failure("panics", {"n": 3}, Code.UNKNOWN, "panic: index out of bounds: the len is 0 but the index is 3"),
    Failure("panics_async", {}, Code.UNKNOWN, "panic: in the middle"),
    Failure("unserialisable", {}, Code.OUT_OF_RANGE, "/a/1"),
]
DEATHS = [
    Death("exits", "exit code 3"),
    Death("aborts", "signal 6"),
    Death("overflows", "signal 6"),
    Death("crashes", "signal 11"),
    Death("nonsense", "protocol"),
]

pytestmark = [
    pytest.mark.needs("cargo"),
    pytest.mark.timeout(400),  # the first build of a machine compiles the dependencies
]


def project_in(folder: Path, *, workers: str = "1", more: str = "", mark: str = "472") -> Path:
    """A project with the Rust source `work` and the Python source `py`."""
    shutil.copytree(SOURCES / "rustwork", folder / "rustwork")
    (folder / "py.py").write_text(PYTHON)
    (folder / "dragoman.toml").write_text(TOML.format(workers=workers, more=more, mark=mark) + BESIDE)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all projects of these tests, which hold the same source; it is built here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAGOMAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = project_in(tmp_path_factory.mktemp("first"))
        (folder / "dragoman.toml").write_text(TOML.format(workers="1", more="", mark="0"))
        with dragoman.open(folder) as project:  # alone in its project, a source is waited for
            assert project.call("work.square", {"n": 3}) == 9
        yield


@pytest.fixture
def project_of(tmp_path: Path, cache: None) -> ProjectOf:
    """Write a project for one test, which may not leave its worker whole."""
    return partial(project_in, tmp_path)


@pytest.fixture(scope="module")
def shop(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingProject]:
    """One project for what leaves its worker whole."""
    with dragoman.open(project_in(tmp_path_factory.mktemp("rust"))) as project:
        yield project


def test_a_record_comes_back_as_it_went(shop: BlockingProject) -> None:
    assert shop.call("work.order", ORDER) == ORDER
    assert shop.call("work.order", ORDER | {"note": "soon"}) == ORDER | {"note": "soon"}


def test_every_breach_is_named(shop: BlockingProject) -> None:
    line = {"name": 1, "price": "x", "count": 256}
    fault = raised(shop, "work.order", {"id": 2**63, "lines": [line], "at": "today", "more": 1})
    assert isinstance(fault, InvalidArgument)
    assert fault.started is Started.NO
    assert {breach.path for breach in fault.errors} >= {
        "/id",
        "/lines/0/name",
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
    assert shop.call("work.reverse", {"body": b"abc"}) == b"cba"


def test_streams_go_in_as_they_come(shop: BlockingProject) -> None:
    assert shop.call("work.sum", {"numbers": iter(range(20_000))}) == sum(range(20_000))
    endless = itertools.count()
    doubled = shop.stream("work.double", {"numbers": endless})
    assert [next(doubled) for _ in range(1000)] == list(range(0, 2000, 2))
    doubled.close()
    assert shop.call("work.square", {"n": 7}) == 49


@pytest.mark.parametrize("size", [1, 100_000, 300_000, 3_000_000])
def test_large_bytes_come_back_whole(shop: BlockingProject, size: int) -> None:
    data = os.urandom(size)
    assert shop.call("work.same", {"body": data}) == data
    assert shop.call("work.reverse", {"body": data}) == data[::-1]


def test_rust_and_python_call_one_another(shop: BlockingProject) -> None:
    assert shop.call("work.ask", {"n": 2**40}) == 2**41
    assert shop.call("work.ask_blocking", {"n": 2**40}) == 2**41
    assert shop.call("py.ask", {"n": 12}) == 144
    assert shop.call("py.through", {"n": 3}) == 6


def test_streams_go_between_rust_and_python(shop: BlockingProject) -> None:
    assert shop.call("work.ask_stream", {"n": 100_000}) == sum(range(100_000))
    assert list(shop.stream("py.relay", {"n": 1000})) == list(range(1000))


@pytest.mark.parametrize("function", ["dropped", "told"])
def test_an_async_function_learns_that_it_was_cancelled(shop: BlockingProject, tmp_path: Path, function: str) -> None:
    mark = tmp_path / "mark"
    raised(shop, f"work.{function}", {"path": str(mark)}, timeout=0.3)
    until(mark.exists)
    until(lambda: mark.read_text() == function)


def test_a_result_that_cannot_be_sent_names_its_place(shop: BlockingProject) -> None:
    fault = raised(shop, "work.unserialisable")
    assert isinstance(fault, OutOfRange)
    assert "no form" in fault.detail


def test_what_a_function_prints_breaks_nothing(shop: BlockingProject) -> None:
    assert shop.call("work.prints", {"n": 1024 * 1024}) == "printed"  # a gigabyte
    assert shop.call("work.log", {"n": 1}) is None


class TestCleanProcesses:
    """A process for every call, started ahead: here, beside the others, for their build."""

    @pytest.fixture
    def clean(self, project_of: ProjectOf) -> Iterator[BlockingProject]:
        with opened(project_of(workers="{ min = 1, max = 2 }", more='mode = "fork"')) as project:
            yield project

    def test_each_call_has_one_that_nobody_has_used(self, clean: BlockingProject) -> None:
        pids = [clean.call("work.pid") for _ in range(4)]
        assert len(set(pids)) == 4
        until(lambda: not any(alive(pid) for pid in pids))

    def test_streams_both_ways_have_one_to_their_end(self, clean: BlockingProject) -> None:
        assert list(clean.stream("work.count", {"n": 500})) == list(range(500))
        assert clean.call("work.sum", {"numbers": iter(range(20_000))}) == sum(range(20_000))

    def test_one_that_ends_in_mid_call_is_that_callers_loss_alone(self, clean: BlockingProject) -> None:
        with pytest.raises(Unavailable, match="exit code 3") as fault:
            clean.call("work.exits")
        assert fault.value.started is Started.YES
        assert clean.call("work.square", {"n": 7}) == 49

    def test_a_call_past_its_time_is_ended_with_it(self, clean: BlockingProject) -> None:
        pool = pool_of(host_of(clean), "work")
        until(lambda: pool.workers)
        victim = pool.workers[0].pid
        with pytest.raises(DeadlineExceeded):
            clean.call("work.spins", timeout=0.7)
        until(lambda: not alive(victim))
        assert clean.call("work.square", {"n": 7}) == 49


BROKEN = """
use dragoman::Empty;

async fn f(_: dragoman::Context, _: Empty) -> i32 { 1 }

fn main() {
    %s
    dragoman::run();
}
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('dragoman::function("f", f); dragoman::function("f", f);', 'two functions are named "f"'),
        ("let _ = f;", "no function was registered"),
        ('dragoman::function("f", |_, n: u8| async move { n });', "is u8, which is no object"),
        ('dragoman::function("two words", f);', "use a letter"),
        ('dragoman::function("f", f).version("one");', "semantic version"),
        ('panic!("at start");', "at start"),
        ("undefined();", "cannot find function `undefined`"),
    ],
    ids=["twice", "none", "no-record", "name", "version", "panic", "compiler"],
)
def test_a_source_that_cannot_be_offered_says_why(tmp_path: Path, cache: None, text: str, why: str) -> None:
    (tmp_path / "bad.rs").write_text(BROKEN % text)
    with pytest.raises(StartFailed) as caught, dragoman.open(tmp_path / "bad.rs"):
        pass
    assert why in caught.value.detail


def test_a_worker_that_is_never_ready_is_given_up(tmp_path: Path, cache: None) -> None:
    text = (BROKEN % 'dragoman::function("f", f);\n    loop { std::thread::park(); }').replace("dragoman::run();", "")
    (tmp_path / "late.rs").write_text(text)
    (tmp_path / "dragoman.toml").write_text('[sources.late]\npath = "late.rs"\nstart_timeout = "1s"\n')
    with pytest.raises(StartFailed, match="was not ready within its start_timeout of 1s"), dragoman.open(tmp_path):
        pass


class TestBadLuck(BadLuck):
    side_by_side_s = 2.5
    ended_s = 1.5

    @pytest.fixture(params=["nap", "doze"])
    def nap(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture(params=FAILURES, ids=lambda each: each.function)
    def failure(self, request: pytest.FixtureRequest) -> Failure:
        return request.param

    @pytest.fixture(params=DEATHS, ids=lambda each: each.function)
    def death(self, request: pytest.FixtureRequest) -> Death:
        return request.param
