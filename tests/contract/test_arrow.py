"""Tables cross from every library to every other as Arrow streams, and nothing in a stream is believed."""

from __future__ import annotations

import builtins
import random
import sys
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from dragoman.contract import arrow
from dragoman.contract.malformed import Malformed
from dragoman.core.draft import Draft, whole

if TYPE_CHECKING:
    from collections.abc import Callable

pa: Any = import_module("pyarrow")  # neither of them has types
nanoarrow: Any = import_module("nanoarrow")

ROWS = [{"n": 1, "text": "a"}, {"n": 2, "text": None}, {"n": -3, "text": "🜚"}]
TABLE = pa.table({"n": [1, 2, -3], "text": ["a", None, "🜚"]})
KINDS: list[Any] = [
    pa.Table,
    pa.RecordBatch,
    pa.RecordBatchReader,
    pd.DataFrame,
    pl.DataFrame,
    nanoarrow.Array,
    nanoarrow.ArrayStream,
]
make: dict[Any, Callable[[Any], Any]] = {
    pa.Table: lambda table: table,
    pa.RecordBatch: lambda table: table.to_batches()[0],
    pa.RecordBatchReader: lambda table: table.to_reader(),
    pd.DataFrame: lambda table: table.to_pandas(),
    pl.DataFrame: pl.from_arrow,
    nanoarrow.Array: nanoarrow.Array,
    nanoarrow.ArrayStream: nanoarrow.ArrayStream,
}


def stream_of(table: Any) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def rows_of(table: Any) -> list[dict[str, Any]]:
    """Rows with a missing text as None: pandas has a NaN there."""
    return [{**row, "text": row["text"] if isinstance(row["text"], str) else None} for row in arrow.records(table)]


@pytest.fixture
def no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place where PyArrow is not installed: neither found nor imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    load = builtins.__import__

    def load_module(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)
        return load(name, *rest)

    monkeypatch.setattr(arrow, "has_pyarrow", lambda: False)
    monkeypatch.setattr(builtins, "__import__", load_module)


@pytest.mark.parametrize("given", KINDS)
@pytest.mark.parametrize("wanted", KINDS)
def test_every_kind_of_table_can_be_read_as_every_other(given: Any, wanted: Any) -> None:
    body = whole(arrow.draft(make[given](TABLE)))
    table = arrow.read(wanted, body)
    assert isinstance(table, wanted)
    assert rows_of(table) == ROWS


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_table_keeps_its_columns(kind: Any) -> None:
    empty = TABLE.slice(0, 0)
    table = arrow.read(kind, stream_of(empty))
    assert arrow.read(pa.Table, whole(arrow.draft(table))).column_names == ["n", "text"]


@pytest.mark.parametrize("kind", KINDS)
def test_records_make_a_table(kind: Any) -> None:
    assert rows_of(arrow.table_of(kind, ROWS)) == ROWS


@pytest.mark.parametrize("kind", [pl.DataFrame, nanoarrow.Array, nanoarrow.ArrayStream])
@pytest.mark.usefixtures("no_pyarrow")
def test_a_library_reads_and_writes_by_itself_where_there_is_no_pyarrow(kind: Any) -> None:
    table = arrow.read(kind, stream_of(TABLE))
    assert type(table) is kind
    body = whole(arrow.draft(table))
    assert rows_of(arrow.read(kind, body)) == ROWS


@pytest.mark.usefixtures("no_pyarrow")
def test_a_reply_stays_bytes_where_nothing_can_read_it() -> None:
    body = stream_of(TABLE)
    assert arrow.read_reply(memoryview(body)) == body


def test_a_table_of_numbers_lies_in_the_memory_that_it_came_in() -> None:
    values = np.arange(100_000, dtype=np.float64)
    memory = memoryview(bytearray(whole(arrow.draft(pa.table({"x": values})))))
    table = arrow.read(pa.Table, memory)
    frame = arrow.read(pd.DataFrame, memory)
    polars = arrow.read(pl.DataFrame, memory)
    at = bytes(memory).index(values[1:3].tobytes())
    memory[at : at + 8] = np.float64(7).tobytes()
    assert table["x"][1].as_py() == 7
    assert frame["x"][1] == 7
    assert polars["x"][1] == 7


def test_a_table_is_written_where_it_is_to_lie_and_nowhere_else() -> None:
    table = pa.table({"x": np.arange(1_000_000)})
    before = pa.total_allocated_bytes()
    drafted = arrow.draft(table)
    assert isinstance(drafted, Draft)
    memory = memoryview(bytearray(len(drafted)))
    drafted.write(memory)
    assert pa.total_allocated_bytes() - before < 100_000
    assert arrow.read(pa.Table, memory).equals(table)


def test_a_reply_is_of_the_kind_that_was_given() -> None:
    body = stream_of(TABLE)
    for given in (make[pd.DataFrame](TABLE), {"n": 1, "table": make[pd.DataFrame](TABLE)}):
        assert isinstance(arrow.read_reply(body, given), pd.DataFrame)
    assert isinstance(arrow.read_reply(body, {"n": 1}), pa.Table)


def test_offsets_in_a_reply_cannot_be_changed_after_they_were_checked() -> None:
    memory = memoryview(bytearray(stream_of(TABLE)))
    table = arrow.read_reply(memory)
    memory[:] = b"\xff" * len(memory)
    assert table.to_pylist() == ROWS


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"n": [1, 2], "text": ["x", None]}, index=["p", "q"]),
        pd.DataFrame({"n": [1.5, float("nan")]}),
        pd.DataFrame({"n": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, 2), (3, 4)], names=["a", "b"])),
        pd.DataFrame({"at": pd.to_datetime(["2020-01-01"]).tz_localize("Europe/Paris"), "kind": pd.Categorical(["x"])}),
        pd.DataFrame({"n": [1, 2, 3]}).iloc[1:],
        pd.DataFrame({"n": [2**63]}, dtype="uint64"),
        pd.DataFrame(),
    ],
)
def test_a_data_frame_comes_back_as_it_was(frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(arrow.read(pd.DataFrame, whole(arrow.draft(frame))), frame)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not an Arrow stream"),
        (b"not a table", "not an Arrow stream"),
        (b'[{"n": 1}]', "not an Arrow stream"),
        (b"ARROW1\0\0", "not an Arrow stream"),
        (stream_of(TABLE)[:-40], "not an Arrow stream"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", "not an Arrow stream"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_arrow_stream_is_refused(kind: Any, body: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        arrow.read(kind, body)


def test_a_broken_stream_is_refused_and_never_read_past_its_end() -> None:
    chance = random.Random(7)
    body = stream_of(pa.table({"n": [1, 2, 3] * 20, "text": ["ab", None, "c"] * 20, "rows": [[1], [], None] * 20}))
    for _ in range(2000):
        broken = bytearray(body)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            arrow.records(arrow.read(pa.Table, bytes(broken)))
        except Malformed:
            continue
        except UnicodeDecodeError as error:
            raise AssertionError(error) from error


@pytest.mark.parametrize("value", [1, None, [1], b"bytes", {"n": [1]}, object()])
def test_what_is_no_table_cannot_be_written_as_one(value: Any) -> None:
    with pytest.raises(Malformed, match="a table was promised"):
        arrow.draft(value)
    with pytest.raises(Malformed, match="a table was promised"):
        arrow.records(value)


def test_whatever_exports_arrow_is_as_good_as_a_table() -> None:
    class Mine:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return TABLE.__arrow_c_stream__(requested_schema)

    assert arrow.read(pa.Table, whole(arrow.draft(Mine()))).to_pylist() == ROWS
    assert arrow.records(Mine()) == ROWS


def test_a_table_of_what_arrow_has_no_type_for_says_so() -> None:
    with pytest.raises(Malformed, match="cannot be written as an Arrow stream"):
        arrow.draft(pd.DataFrame({"what": [object()]}))


def test_too_large_a_table_is_not_turned_into_records() -> None:
    large = pa.table({"n": np.zeros(arrow.RECORD_VALUES_MAX + 1)})
    with pytest.raises(Malformed, match="too large for records"):
        arrow.records(large)


@pytest.mark.parametrize("value", ["text", 1, {"n": 1}, [1, 2], [{"n": 1}, 2]])
def test_what_is_no_list_of_records_makes_no_table(value: Any) -> None:
    with pytest.raises(ValueError, match="Expected an array of objects"):
        arrow.table_of(pa.Table, value)


def test_bytes_inside_other_values_are_an_arrow_stream() -> None:
    assert arrow.table_of(pl.DataFrame, stream_of(TABLE)).to_dicts() == ROWS
