"""Arrow streams as the tables of the user's own library, and back.

Every library is the caller's: nothing here imports one at the top, and each is looked up where a value of it is at
hand. PyArrow reads without a copy what lies in shared memory, and hands its buffers to the others; where a source has
no PyArrow, polars and nanoarrow read and write by themselves, with one copy more.
"""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any, cast

from dragoman.contract.malformed import Malformed
from dragoman.contract.table import has_pyarrow, is_table, is_table_value, library_of
from dragoman.core.draft import Draft

RECORD_VALUES_MAX = 2_000_000
"""Values of a table that is written as records: some 300 MB as Python objects, 50 times what they are in Arrow."""
_NOT_ARROW = "is not an Arrow stream that can be read"


def read_reply(body: bytes | memoryview, given: object = None) -> Any:
    """The table that a worker answered with: of the class of the one that was `given`, else of PyArrow.

    The bytes themselves where no library can read them. Raises `Malformed`.
    """
    if (kind := kind_given(given)) is None:
        if not has_pyarrow():
            return bytes(body)
        kind = import_module("pyarrow").Table
    # A worker may go on writing where it has answered. That changes numbers; but an offset would lead out of the table.
    fixed = has_pyarrow() and _is_fixed(body)
    return read(kind, body if fixed or isinstance(body, bytes) else bytes(body))


def kind_given(value: Any) -> Any:
    """The class of the table that an input is, or has as one of its parameters; `None` for none."""
    members: list[Any] = [value]
    if isinstance(value, dict):
        members = list(cast("dict[str, Any]", value).values())
    return next((each.__class__ for each in members if is_table_value(each)), None)


def read(kind: type, body: bytes | memoryview) -> Any:
    """The table of class `kind` that an Arrow stream is, over the memory of `body` where the library can.

    Raises `Malformed`.
    """
    library = library_of(kind)
    try:
        if library in {"pyarrow", "pandas"} or has_pyarrow():
            return _converted(kind, _read_pyarrow(body))
        if library == "polars":
            return import_module("polars").read_ipc_stream(BytesIO(body))
        return _read_nanoarrow(kind, import_module("nanoarrow").ArrayStream.from_readable(BytesIO(body)))
    except Malformed:
        raise
    except Exception as error:  # each library has errors of its own
        message = f"{_NOT_ARROW}: {type(error).__name__}: {error}"
        raise Malformed(message[:500]) from error


def draft(value: Any) -> Draft | bytes:
    """A table as an Arrow stream, written when it is known where to. Raises `Malformed` for what is no table."""
    kind: Any = value.__class__
    library = library_of(kind)
    exports = hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")
    if not is_table(kind) and not exports:
        message = f"a table was promised, and this is {_shown(kind)}"
        raise Malformed(message)
    try:
        if library in {"pyarrow", "pandas"} or has_pyarrow():
            return _draft_pyarrow(_to_pyarrow(value))
        stream = BytesIO()
        if library == "polars":
            value.write_ipc_stream(stream)
        else:
            nanoarrow = import_module("nanoarrow")
            with import_module("nanoarrow.ipc").StreamWriter.from_writable(stream) as writer:
                writer.write_stream(nanoarrow.ArrayStream(value))
        return stream.getvalue()
    except Exception as error:  # each library has errors of its own
        message = f"cannot be written as an Arrow stream: {type(error).__name__}: {error}"
        raise Malformed(message[:500]) from error


def records(value: Any) -> list[dict[str, Any]]:
    """A table as a list of its rows. Raises `Malformed` past `RECORD_VALUES_MAX` values, or for what is no table."""
    kind: Any = value.__class__
    if not is_table_value(value):
        if not hasattr(value, "__arrow_c_stream__"):
            message = f"a table was promised, and this is {_shown(kind)}"
            raise Malformed(message)
        value = _to_pyarrow(value)
        kind = value.__class__
    library = library_of(kind)
    if kind.__name__ in {"ArrayStream", "RecordBatchReader"}:
        value = value.read_all()
    rows, columns = (len(value), value.schema.n_fields) if library == "nanoarrow" else value.shape
    if rows * max(columns, 1) > RECORD_VALUES_MAX:
        message = (
            f"a table of {rows} rows and {columns} columns is too large for records, of at most {RECORD_VALUES_MAX}"
            " values: ask for application/vnd.apache.arrow.stream"
        )
        raise Malformed(message)
    if library == "pandas":
        return value.to_dict("records")
    return value.to_dicts() if library == "polars" else value.to_pylist()


def table_of(kind: type, value: Any) -> Any:
    """A table from what came in its place in JSON or MessagePack: its records, or an Arrow stream as bytes.

    Raises `ValueError`.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return read(kind, cast("bytes", value))
    if not isinstance(value, list) or not all(type(row) is dict for row in cast("list[Any]", value)):
        message = "Expected an array of objects, or an Arrow stream as bytes"
        raise ValueError(message)
    rows, library = cast("list[dict[str, Any]]", value), library_of(kind)
    try:
        if library == "pandas":
            return import_module("pandas").DataFrame(rows)
        if library == "polars":
            return import_module("polars").DataFrame(rows, infer_schema_length=None)
        columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(key for row in rows for key in row)}
        return _converted(kind, import_module("pyarrow").table(columns))
    except Exception as error:
        message = f"cannot be made a table: {type(error).__name__}: {error}"
        raise ValueError(message[:300]) from error


def _shown(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _is_fixed(body: bytes | memoryview) -> bool:
    """Whether all columns of a stream are of fixed width: nothing in them points anywhere. Raises `Malformed`."""
    pyarrow: Any = import_module("pyarrow")
    try:
        with import_module("pyarrow.ipc").open_stream(pyarrow.py_buffer(body)) as stream:
            return all(pyarrow.types.is_primitive(kind) for kind in stream.schema.types)
    except Exception as error:  # as `read`
        message = f"{_NOT_ARROW}: {type(error).__name__}: {error}"
        raise Malformed(message[:500]) from error


def _read_pyarrow(body: bytes | memoryview) -> Any:
    pyarrow: Any = import_module("pyarrow")
    with import_module("pyarrow.ipc").open_stream(pyarrow.py_buffer(body)) as stream:
        table = stream.read_all()
    # What came from outside says itself where its texts begin: not checked, it can make a library read anywhere.
    table.validate(full=True)
    return table


def _converted(kind: type, table: Any) -> Any:
    library = library_of(kind)
    if library == "pandas":
        return table.to_pandas(split_blocks=True)
    if library == "polars":
        return import_module("polars").from_arrow(table, rechunk=False)
    if library == "nanoarrow":
        return _read_nanoarrow(kind, import_module("nanoarrow").ArrayStream(table))
    if kind.__name__ == "RecordBatch":
        # A batch is one run of memory: several are copied together.
        batches = table.combine_chunks().to_batches() or [_empty_batch(table)]
        return batches[0]
    return table.to_reader() if kind.__name__ == "RecordBatchReader" else table


def _empty_batch(table: Any) -> Any:
    return import_module("pyarrow").RecordBatch.from_pylist([], schema=table.schema)


def _read_nanoarrow(kind: type, stream: Any) -> Any:
    return stream if kind.__name__ == "ArrayStream" else stream.read_all()


def _to_pyarrow(value: Any) -> Any:
    pyarrow: Any = import_module("pyarrow")
    if isinstance(value, pyarrow.Table):
        return value
    if isinstance(value, pyarrow.RecordBatchReader):
        return value.read_all()
    if library_of(type(value)) == "pandas":
        return _from_numbers(pyarrow, value) or pyarrow.Table.from_pandas(value)
    return pyarrow.table(value)


def _from_numbers(pyarrow: Any, frame: Any) -> Any:
    """A data frame of numbers over the memory that it has: a NaN stays one, and nothing looks for it. Else `None`."""
    # Pandas has types of its own, of numbers too: there a number may be missing.
    plain = all(type(kind).__module__.startswith("numpy") and kind.kind in "fiu" for kind in frame.dtypes)
    if not plain or type(frame.index).__name__ != "RangeIndex":
        return None
    columns = [pyarrow.array(frame.iloc[:, at].to_numpy()) for at in range(frame.shape[1])]
    return pyarrow.Table.from_arrays(columns, schema=pyarrow.Schema.from_pandas(frame))


def _draft_pyarrow(table: Any) -> Draft:
    pyarrow: Any = import_module("pyarrow")
    new_stream: Any = import_module("pyarrow.ipc").new_stream

    def put(sink: Any) -> Any:
        with new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink

    return Draft(
        put(pyarrow.MockOutputStream()).size(),
        lambda memory: put(pyarrow.FixedSizeBufferWriter(pyarrow.py_buffer(memory))),
    )
