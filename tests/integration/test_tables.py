"""Tables go into functions and come back, by every way into a host, and the host never looks at them."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

import dragoman
from dragoman.contract.arrow import draft
from dragoman.core.draft import whole
from dragoman.core.fault import InvalidArgument, Started, Unknown
from tests.client.native_host import TIMEOUT_S, NativeHost, native_host

pa: Any = import_module("pyarrow")  # neither of them has types
nanoarrow: Any = import_module("nanoarrow")

ARROW = "application/vnd.apache.arrow.stream"
TABLES = """
import pyarrow as pa, pandas as pd, polars as pl, nanoarrow as na
from dragoman import Context
from collections.abc import Iterator

def arrow(table: pa.Table) -> pa.Table: return table
def batch(table: pa.RecordBatch) -> pa.RecordBatch: return table
def reader(table: pa.RecordBatchReader) -> pa.RecordBatchReader: return table
def pandas(table: pd.DataFrame) -> pd.DataFrame: return table
def polars(table: pl.DataFrame) -> pl.DataFrame: return table
def nano(table: na.Array) -> na.Array: return table
def nanos(table: na.ArrayStream) -> na.ArrayStream: return table
def count(table: pa.Table) -> int: return table.num_rows
def top(table: pd.DataFrame, n: int = 1) -> pd.DataFrame: return table.head(n)
def column(table: pa.Table) -> int: return table["n"][0].as_py()
def wrong(n: int) -> pa.Table: return n
def unwritable(n: int) -> pd.DataFrame: return pd.DataFrame({"what": [object()]})
def parts(table: pa.Table) -> Iterator[pa.Table]:
    for at in range(table.num_rows): yield table.slice(at, 1)
def joined(tables: Iterator[pa.Table]) -> pa.Table: return pa.concat_tables(tables)
async def topped(table: pa.Table, ctx: Context) -> int: return (await ctx.call("tables.top", table=table)).num_rows
def topped_more(table: pa.Table, ctx: Context) -> int: return ctx.call("tables.top", table=table, n=2).num_rows
async def through(table: pa.Table, ctx: Context) -> pa.Table: return await ctx.call("tables.arrow", table=table)
async def counted(table: pa.Table, ctx: Context) -> int: return await ctx.call("tables.count", table=table)
def made(rows: int) -> pa.Table: return pa.table({"n": range(rows)})
def raw(data: bytes) -> bytes: return data
def plain(n: int) -> int: return n
def loaded() -> list[str]:
    import sys
    return [name for name in ("pyarrow", "pandas", "polars", "nanoarrow") if name in sys.modules]
"""
BARE = """
import sys

def view(data: memoryview) -> memoryview:
    assert data.readonly
    return data[3:]

def loaded() -> list[str]:
    known = ("pyarrow", "pandas", "polars", "nanoarrow", "numpy", "dragoman.contract.arrow")
    return [name for name in known if name in sys.modules]
"""
TABLE = pa.table({"n": [1, 2, 3], "x": [1.5, None, -0.0], "text": ["a", None, "🜚"]})
LARGE = pa.table({"n": np.arange(500_000), "text": [str(n) for n in range(500_000)]})
ECHOES = ("arrow", "batch", "reader", "pandas", "polars", "nano", "nanos")


class Ways(NamedTuple):
    """The same functions, by three ways."""

    open: Any
    http: Any
    native: Any
    host: NativeHost


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("tables")
    for name, text in (("tables", TABLES), ("bare", BARE)):
        (folder / f"{name}.py").write_text(text)
    sources = [str(folder / "tables.py"), str(folder / "bare.py")]
    with (
        native_host(folder, *sources, http=True) as host,
        dragoman.open(sources[0]) as opened,
        dragoman.connect(host.http) as http,
        dragoman.connect(host.url) as native,
    ):
        yield Ways(opened, http, native, host)


@pytest.fixture(params=["open", "http", "native"])
def project(request: pytest.FixtureRequest, ways: Ways) -> Any:
    return getattr(ways, request.param)


def post(host: NativeHost, function: str, body: bytes, **headers: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(host.http.removeprefix("http://"), timeout=TIMEOUT_S)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", f"/v1/call/{function}", body, named)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type") or "", answer.read()
    finally:
        connection.close()


def stream_of(table: Any) -> bytes:
    return bytes(whole(draft(table)))


def table_of(body: bytes) -> Any:
    return pa.ipc.open_stream(body).read_all()


@pytest.mark.parametrize("function", ECHOES)
@pytest.mark.parametrize("table", [TABLE, LARGE], ids=["small", "large"])
def test_a_table_comes_back_as_it_went(project: Any, function: str, table: Any) -> None:
    assert project.call(f"tables.{function}", table).to_pylist() == table.to_pylist()


@pytest.mark.parametrize(
    "given",
    [TABLE.to_pandas(), pl.DataFrame(TABLE.to_pydict()), nanoarrow.Array(TABLE)],
    ids=["pandas", "polars", "nanoarrow"],
)
def test_a_table_comes_back_as_its_caller_has_it(project: Any, given: Any) -> None:
    back = project.call("tables.polars", given)
    assert type(back) is type(given)
    assert len(back) == 3


def test_a_table_is_a_parameter_like_any_other(project: Any) -> None:
    assert project.call("tables.top", {"table": TABLE, "n": 2}).num_rows == 2
    assert project.call("tables.top", {"table": TABLE.to_pandas()})["n"].tolist() == [1]
    assert project.tables.count(table=TABLE) == 3
    assert project.tables.top(table=TABLE).num_rows == 1


def test_a_table_alone_is_the_one_parameter_that_it_can_be(ways: Ways) -> None:
    assert ways.native.call("tables.top", TABLE).num_rows == 1


def test_a_table_may_come_as_records_and_as_bytes(project: Any) -> None:
    assert project.tables.count(table=[{"n": 1}, {"n": 2}]) == 2
    assert project.call("tables.count", stream_of(TABLE)) == 3
    assert project.call("tables.top", {"table": stream_of(TABLE), "n": 3}).num_rows == 3


def test_functions_pass_tables_on(project: Any) -> None:
    assert project.call("tables.through", LARGE).equals(LARGE)
    assert project.call("tables.counted", LARGE) == LARGE.num_rows
    assert project.call("tables.topped", TABLE) == 1
    assert project.call("tables.topped_more", TABLE) == 2


def test_a_function_may_stream_tables(project: Any) -> None:
    streamed = list(project.stream("tables.parts", {"table": TABLE}))
    one_by_one: Any = [part if type(part) is list else part.to_pylist() for part in streamed]
    assert one_by_one == [[row] for row in TABLE.to_pylist()]


async def test_streamed_tables_come_as_their_caller_has_its_own(ways: Ways) -> None:
    given = pl.DataFrame(TABLE.to_pydict())
    with dragoman.connect(ways.host.url) as remote:
        assert [type(part) for part in remote.stream("tables.parts", {"table": given})] == [pl.DataFrame] * 3
    async with dragoman.connect(ways.host.url) as remote:
        assert [type(part) async for part in remote.stream("tables.parts", {"table": given})] == [pl.DataFrame] * 3


def test_a_stream_of_tables_goes_in(ways: Ways) -> None:
    half = LARGE.slice(0, 250_000)
    joined = ways.open.call("tables.joined", {"tables": iter([half, half])})
    assert joined.num_rows == LARGE.num_rows
    assert ways.http.call("tables.joined", {"tables": [[{"n": 1}], [{"n": 2}]]})["n"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    "body", [b"", b"no table", b"[1]", stream_of(TABLE)[:-30], b"\xff\xff\xff\xff\xff\xff\xff\x7f"]
)
def test_what_is_no_arrow_stream_is_the_callers_fault(project: Any, body: bytes) -> None:
    with pytest.raises(InvalidArgument, match="not an Arrow stream that can be read") as told:
        project.call("tables.count", body)
    assert told.value.started is Started.NO
    assert len(told.value.errors) == 1


def test_columns_that_are_missing_are_told_by_the_function_itself(project: Any) -> None:
    with pytest.raises(Unknown, match="KeyError") as told:
        project.call("tables.column", TABLE.drop_columns("n"))
    assert told.value.started is Started.YES


def test_a_function_that_gives_no_table_is_at_fault(project: Any) -> None:
    for function in ("wrong", "unwritable"):
        with pytest.raises(Unknown, match="cannot be sent") as told:
            project.call(f"tables.{function}", {"n": 1})
        assert told.value.started is Started.YES


def test_a_stream_posted_over_http_is_answered_with_one(ways: Ways) -> None:
    status, kind, body = post(ways.host, "tables.arrow", stream_of(LARGE), Content_Type=ARROW)
    assert (status, kind) == (200, ARROW)
    assert table_of(body).equals(LARGE)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [(ARROW, ARROW), ("application/json", "application/json"), ("application/msgpack", "application/msgpack")],
)
def test_accept_says_how_a_table_is_answered(ways: Ways, accept: str, kind: str) -> None:
    status, told, body = post(ways.host, "tables.arrow", stream_of(TABLE), Content_Type=ARROW, Accept=accept)
    assert (status, told) == (200, kind)
    if kind == ARROW:
        assert table_of(body).equals(TABLE)
    if kind == "application/json":
        assert json.loads(body) == TABLE.to_pylist()


def test_records_posted_over_http_may_be_answered_by_a_stream(ways: Ways) -> None:
    body = b'{"table": [{"n": 1}, {"n": 2}]}'
    status, _, answer = post(ways.host, "tables.arrow", body, Content_Type="application/json", Accept=ARROW)
    assert status == 200
    assert table_of(answer)["n"].to_pylist() == [1, 2]
    status, kind, answer = post(ways.host, "tables.made", b'{"rows": 2}', Content_Type="application/json")
    assert (status, kind, json.loads(answer)) == (200, "application/json", [{"n": 0}, {"n": 1}])


def test_a_number_comes_of_a_table(ways: Ways) -> None:
    status, kind, body = post(ways.host, "tables.count", stream_of(TABLE), Content_Type=ARROW)
    assert (status, kind, body) == (200, "application/json", b"3")


def test_what_takes_no_table_refuses_one(ways: Ways) -> None:
    assert post(ways.host, "tables.plain", stream_of(TABLE), Content_Type=ARROW)[0] == 415
    assert post(ways.host, "tables.top", stream_of(TABLE), Content_Type=ARROW)[0] == 415
    assert post(ways.host, "tables.plain", b'{"n": 1}', Content_Type="application/json", Accept=ARROW)[0] == 406


def test_who_takes_bytes_gets_the_stream_as_it_is(ways: Ways) -> None:
    status, _, body = post(ways.host, "tables.raw", stream_of(TABLE), Content_Type=ARROW)
    assert (status, body) == (200, stream_of(TABLE))


def test_what_is_wrong_with_a_stream_is_a_problem_in_json(ways: Ways) -> None:
    status, kind, body = post(ways.host, "tables.count", b"no table", Content_Type=ARROW)
    problem = json.loads(body)
    assert (status, kind, problem["code"]) == (400, "application/problem+json", "INVALID_ARGUMENT")
    assert "Arrow" in problem["errors"][0]["message"]


def test_a_guest_without_tables_imports_no_library_for_them(ways: Ways) -> None:
    assert ways.native.call("bare.view", b"abc" * 200_000) == b"abc" * 199_999
    assert ways.native.call("bare.loaded") == []


def test_the_host_reads_no_table(ways: Ways) -> None:
    ways.http.call("tables.arrow", LARGE)
    maps = Path(f"/proc/{ways.host.process.pid}/maps").read_text()
    assert "httptools" in maps, "what it has loaded can be seen"
    assert "libarrow" not in maps


def test_openapi_tells_of_the_codec(ways: Ways) -> None:
    connection = http.client.HTTPConnection(ways.host.http.removeprefix("http://"), timeout=TIMEOUT_S)
    connection.request("GET", "/openapi.json")
    document = json.loads(connection.getresponse().read())
    connection.close()
    operation = document["paths"]["/v1/call/tables.arrow"]["post"]
    assert ARROW in operation["requestBody"]["content"]
    assert ARROW in operation["responses"]["200"]["content"]


def test_the_command_line_prints_a_table_as_records(ways: Ways, tmp_path: Path) -> None:
    (tmp_path / "tables.py").write_text(TABLES)
    at = {"there": ["--url", ways.host.http], "here": [str(tmp_path / "tables.py")]}
    commands = [
        [sys.executable, "-m", "dragoman", "call", "tables.made", '{"rows": 2}', *at["there"]],
        [sys.executable, "-m", "dragoman", "call", "tables.made", '{"rows": 2}', "--project", *at["here"]],
    ]
    for command in commands:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        assert json.loads(ran.stdout) == [{"n": 0}, {"n": 1}], ran.stderr


def test_a_table_by_an_async_client(ways: Ways) -> None:
    async def echo(url: str) -> Any:
        async with dragoman.connect(url) as remote:
            return await remote.call("tables.arrow", TABLE)

    for url in (ways.host.http, ways.host.url):
        assert asyncio.run(echo(url)).equals(TABLE)
