"""Go workers: typed calls, streams, calls to and from Python, and what bad luck does to them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import Code, InvalidArgument, OutOfRange, Started, StartFailed
from dragoman.host.blocking import BlockingProject
from tests.integration.bad_luck import PYTHON, BadLuck, Death, Failure, ProjectOf, raised

SOURCES = Path(__file__).parent / "sources"
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
FAILURES = [
    Failure("fail", {}, Code.NOT_FOUND, "no order 7"),
    Failure("error", {}, Code.UNKNOWN, "plain"),
    Failure("panics", {"n": 3}, Code.UNKNOWN, "panic: runtime error: index out of range [3] with length 0"),
    Failure("exits_goroutine", {}, Code.UNKNOWN, "runtime.Goexit"),
    Failure("unserialisable", {}, Code.OUT_OF_RANGE, "/a/1"),
]
DEATHS = [
    Death("goroutine_panics", "exit code 2"),
    Death("exits", "exit code 3"),
    Death("aborts", "died"),
    Death("overflows", "exit code 2"),
    Death("nonsense", "protocol"),
]

pytestmark = pytest.mark.needs("go")


def project_in(folder: Path, *, workers: str = "1", more: str = "", mark: str = "471") -> Path:
    """A project with the Go source `work` and the Python source `py`."""
    shutil.copytree(SOURCES / "work", folder / "work")
    (folder / "py.py").write_text(PYTHON)
    (folder / "dragoman.toml").write_text(TOML.format(workers=workers, more=more, mark=mark))
    return folder


@pytest.fixture
def project_of(tmp_path: Path) -> ProjectOf:
    """Write a project for one test, which may not leave its worker whole."""
    return partial(project_in, tmp_path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingProject]:
    """One project for what leaves its worker whole."""
    with dragoman.open(project_in(tmp_path_factory.mktemp("go"))) as project:
        yield project


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


def test_a_result_that_cannot_be_sent_names_its_place(shop: BlockingProject) -> None:
    fault = raised(shop, "work.unserialisable")
    assert isinstance(fault, OutOfRange)
    assert "chan int" in fault.detail


def test_what_a_function_prints_breaks_nothing(shop: BlockingProject) -> None:
    assert shop.call("work.prints", {"n": 64 * 1024}) == "printed"  # 64 MB
    assert shop.call("work.log", {"n": 1}) is None


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


class TestBadLuck(BadLuck):
    @pytest.fixture(params=FAILURES, ids=lambda each: each.function)
    def failure(self, request: pytest.FixtureRequest) -> Failure:
        return request.param

    @pytest.fixture(params=DEATHS, ids=lambda each: each.function)
    def death(self, request: pytest.FixtureRequest) -> Death:
        return request.param
