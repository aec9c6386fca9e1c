"""Contracts know tables by name, without their libraries."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import pandas as pd
import polars as pl
import pytest

from dragoman.contract.table import INPUT, MEDIA_TYPE, is_table, is_table_schema, is_table_value, tables_of

pa: Any = import_module("pyarrow")  # neither of them has types
nanoarrow: Any = import_module("nanoarrow")


@pytest.mark.parametrize(
    "kind",
    [
        nanoarrow.Array,
        nanoarrow.ArrayStream,
        pa.RecordBatch,
        pa.RecordBatchReader,
        pa.Table,
        pd.DataFrame,
        pl.DataFrame,
    ],
)
def test_the_tables_of_each_library_are_known(kind: type) -> None:
    assert is_table(kind)


@pytest.mark.parametrize("kind", [dict, pd.Series, pl.Series, pl.LazyFrame, list[int], "pyarrow.Table", None])
def test_nothing_else_is_a_table(kind: Any) -> None:
    assert not is_table(kind)


def test_a_class_of_that_name_somewhere_else_is_no_table() -> None:
    assert not is_table(type("Table", (), {"__module__": "pyarrowish"}))
    assert not is_table_value(type("DataFrame", (), {"__module__": "shop.pandas"})())


def test_a_schema_says_which_parameters_are_tables() -> None:
    schema = {"properties": {"table": INPUT, "n": {"type": "integer"}, "any": True}}
    assert tables_of(schema) == {"table"}
    assert is_table_schema({"type": "string", "contentMediaType": MEDIA_TYPE})
    assert not is_table_schema(["anything"])


def test_no_library_is_imported_where_nobody_has_a_table() -> None:
    code = (
        "import sys, dragoman.contract.signature as s, dragoman.client.value as v\n"
        "def f(a: bytes) -> bytes: return a\n"
        "b = s.bind(f); b.encode(b.invoke(b'x', 3), 3); v.encode_input({'a': 1})\n"
        "print([n for n in ('pyarrow', 'pandas', 'polars', 'nanoarrow', 'numpy', 'dragoman.contract.arrow')"
        " if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"
