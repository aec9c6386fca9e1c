"""Node workers: calls, streams, calls to and from Python, and what bad luck does to them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import Code, InvalidArgument, Started, StartFailed, Unavailable
from dragoman.host.blocking import BlockingProject
from tests.integration.bad_luck import PYTHON, BadLuck, Death, Failure, ProjectOf, raised
from tests.integration.conftest import soon, until
from tests.integration.web import Answer, serving

SOURCES = Path(__file__).parent / "sources" / "node"
TOML = """
[sources.work]
path = "work.mjs"
workers = 1
{more}
env = {{ MARK = "{mark}"{env} }}
[sources.py]
path = "py.py"
"""
ORDER = {
    "id": 2**63 + 1,
    "lines": [{"name": "größe 😀", "count": 255}],
    "at": "2026-01-31T23:59:59.123456789Z",
    "data": b"\0\xff",
}
FAILURES = [
    Failure("fail", {}, Code.NOT_FOUND, "no order 7"),
    Failure("error", {}, Code.UNKNOWN, "RangeError: plain"),
    Failure("rejects", {}, Code.UNKNOWN, "SyntaxError: later"),
    Failure("text", {}, Code.UNKNOWN, "only text"),
    Failure("stray", {}, Code.UNKNOWN, "nobody waits for this"),
    Failure("timer", {}, Code.UNKNOWN, "thrown in a timer"),
    Failure("overflows", {}, Code.UNKNOWN, "Maximum call stack"),
    Failure("unserialisable", {}, Code.OUT_OF_RANGE, "/a/1"),
]
DEATHS = [
    Death("exits", "exit code 3"),
    Death("aborts", "died"),
    Death("nonsense", "protocol"),
]

pytestmark = pytest.mark.needs("node")


def project_in(folder: Path, *, more: str = "", mark: str = "471", env: str = "") -> Path:
    """A project with the Node source `work` and the Python source `py`."""
    shutil.copy(SOURCES / "work.mjs", folder / "work.mjs")
    (folder / "py.py").write_text(PYTHON)
    (folder / "dragoman.toml").write_text(TOML.format(more=more, mark=mark, env=env))
    return folder


@pytest.fixture
def project_of(tmp_path: Path) -> ProjectOf:
    """Write a project for one test, which may not leave its worker whole."""
    return partial(project_in, tmp_path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingProject]:
    """One project for what leaves its worker whole, or replaced."""
    with dragoman.open(project_in(tmp_path_factory.mktemp("node"))) as project:
        yield project


def test_a_record_comes_back_as_it_went(shop: BlockingProject) -> None:
    assert shop.call("work.order", {**ORDER, "note": "soon"}) == {**ORDER, "note": "soon"}


def test_every_breach_is_named(shop: BlockingProject) -> None:
    fault = raised(shop, "work.order", {"id": 1.5, "lines": [{"name": 1, "count": 256}], "more": 1})
    assert isinstance(fault, InvalidArgument)
    assert fault.started is Started.NO
    assert {"/id", "/lines/0/name", "/lines/0/count", "/at", "/more"} <= {breach.path for breach in fault.errors}


def test_streams_both_ways(shop: BlockingProject) -> None:
    assert list(shop.stream("work.count", {"n": 1000})) == list(range(1000))
    assert shop.call("work.sum", {"numbers": list(range(100))}) == 4950


async def test_what_goes_in_comes_back_before_more_is_there(tmp_path: Path) -> None:
    sent: asyncio.Queue[int | None] = asyncio.Queue()

    async def numbers() -> AsyncIterator[int]:
        while (number := await sent.get()) is not None:
            yield number

    async with dragoman.open(project_in(tmp_path)) as project, asyncio.timeout(20.0):
        stream = project.stream("work.double", {"numbers": numbers()})
        for number in (7, 8, 2**40):
            await sent.put(number)
            assert await anext(stream) == 2 * number
        await sent.put(None)
        assert [item async for item in stream] == []


async def test_an_item_leaves_though_the_generator_keeps_the_thread(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with dragoman.open(project_in(tmp_path)) as project, asyncio.timeout(20.0):
        stream = project.stream("work.busy", {"gate": str(gate)})
        assert await anext(stream) == 1
        gate.touch()
        assert [item async for item in stream] == [2]


async def test_a_caller_that_leaves_aborts_the_signal(tmp_path: Path) -> None:
    marker = tmp_path / "why"
    async with dragoman.open(project_in(tmp_path)) as project:
        task = asyncio.ensure_future(project.call("work.notices", {"marker": str(marker)}))
        await soon(lambda: marker.exists() and marker.read_text() == "waiting")
        task.cancel()
        await soon(lambda: marker.read_text() == "CANCELLED")
        assert await project.call("work.square", {"n": 7}) == 49


def test_calls_and_streams_over_http(tmp_path: Path) -> None:
    with serving(project_in(tmp_path)) as web:

        def post(function: str, body: bytes, **headers: str) -> Answer:
            return web.ask("POST", f"/v1/call/work.{function}", body, **headers)

        assert post("square", b'{"n": 12}').json == 144
        answer = post("order", b'{"id": 1, "lines": [], "at": "today"}')
        assert answer.status == 400
        assert [error["path"] for error in answer.json["errors"]] == ["/at"]
        assert post("same", b"\0\xff", Content_Type="application/octet-stream").body == b"\0\xff"
        assert post("count", b'{"n": 3}', Accept="application/jsonl").body == b"0\n1\n2\n"
        assert post("sum", b"1\n2\n39\n", Content_Type="application/jsonl").json == 42


@pytest.mark.parametrize("size", [0, 1, 100_000, 300_000, 3_000_000])
def test_large_bytes_come_back_whole(shop: BlockingProject, size: int) -> None:
    data = os.urandom(size)
    assert shop.call("work.same", {"data": data}) == data


def test_node_and_python_call_one_another(shop: BlockingProject) -> None:
    assert shop.call("work.ask", {"n": 2**40}) == 2**41
    assert shop.call("py.ask", {"n": 12}) == 144
    assert shop.call("work.through", {"n": 3}) == 9
    assert shop.call("py.through", {"n": 3}) == 6


def test_an_error_that_no_call_is_at_fault_for_has_the_worker_replaced(shop: BlockingProject) -> None:
    first = shop.call("work.late")
    until(lambda: shop.call("work.pid") != first)


def test_a_heap_that_is_full_ends_one_worker(tmp_path: Path) -> None:
    with dragoman.open(project_in(tmp_path, env=', NODE_OPTIONS = "--max-old-space-size=64"')) as project:
        assert isinstance(raised(project, "work.exhausts"), Unavailable)
        assert project.call("work.square", {"n": 7}) == 49


def test_what_a_function_prints_breaks_nothing(shop: BlockingProject) -> None:
    pid = shop.call("work.pid")
    assert shop.call("work.prints", {"n": 1024}, timeout=60.0) == "printed"  # a gigabyte
    assert shop.call("work.logs") is None
    assert shop.call("work.pid") == pid


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("export const f = () => 1; export default function f2() {}; export { f2 as f3 }; export const a_1 = 1", ""),
        ("export { a as f }; function a() {}; export default Object.assign(() => 2, {}); ", ""),
        ("const one = { f() {} }.f; export const f = () => 1; export default one;", "two functions are called f"),
        ("export const answer = 42;", "exports no function"),
        ("export const f = () => 1; f.input = { type: 'string' };", "an input is an object"),
        ("export const f = () => 1; f.input = 7;", "a JSON Schema or a validator"),
        ("export const f = () => 1; f.inputStream = 'x'; f.input = { properties: {} };", "no array called that"),
        ("export const f = () => 1; export const schemas = { g: {} };", "exports no function of that name"),
        ("const f = () => 1; export { f as 'two words' };", "a name is a letter"),
        ("export const f = () => 1; f.version = 'one';", "semantic version"),
        ("throw new RangeError('at start');", "RangeError: at start"),
        ("export const f = (", "SyntaxError"),
        ("import './missing.js';", "missing.js"),
    ],
)
def test_a_source_that_cannot_be_offered_says_why(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "bad.mjs").write_text(text)
    if not why:
        with dragoman.open(tmp_path / "bad.mjs") as project:
            assert project.call("bad.f") in {1, None}
        return
    with pytest.raises(StartFailed) as caught, dragoman.open(tmp_path / "bad.mjs"):
        pass
    assert why in caught.value.detail


def test_a_worker_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    folder = project_in(tmp_path, more='start_timeout = "1s"')
    with (folder / "work.mjs").open("a") as file:
        file.write("\nawait new Promise(() => {});\n")
    with dragoman.open(folder) as project:
        fault = raised(project, "work.square", {"n": 1})
    assert fault.code is Code.UNAVAILABLE
    assert "start_timeout of 1s" in fault.detail


def test_a_common_js_module_is_served_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/index.js").write_text('module.exports = require("./faults");\n')
    (tmp_path / "lib/faults.js").write_text('exports.again = () => require("dragoman").Fault.aborted("again");\n')
    (tmp_path / "old.cjs").write_text(
        'const { again } = require("./lib");\n'
        "module.exports = {\n"
        "  add: (a, b = 2) => a + b,\n"
        "  fail: () => { throw again(); },\n"
        "};\n"
    )
    with dragoman.open(tmp_path / "old.cjs") as project:
        assert project.call("old.add", {"a": 1}) == 3
        assert raised(project, "old.fail").code is Code.ABORTED


class TestBadLuck(BadLuck):
    recycled_at = "300MB"

    @pytest.fixture(params=FAILURES, ids=lambda each: each.function)
    def failure(self, request: pytest.FixtureRequest) -> Failure:
        return request.param

    @pytest.fixture(params=DEATHS, ids=lambda each: each.function)
    def death(self, request: pytest.FixtureRequest) -> Death:
        return request.param
