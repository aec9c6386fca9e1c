"""Every way that takes a table gives the same one back."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from bench import tables
from bench.comparisons import tables as comparison

pa: Any = import_module("pyarrow")  # it has no types
SMALL = pa.table({"x": [1.5, 2.5, -0.0], "y": [0.1, 0.2, 0.3]})


@pytest.mark.parametrize("name", ["copy", "tcp", "flight", "grpc", "msgpack", "Python.open", "Python.http"])
def test_the_table_comes_back(name: str) -> None:
    with tables.CONTESTANTS[name](SMALL) as call:
        assert call().equals(SMALL)
        assert call().equals(SMALL)


@pytest.mark.needs("go")
def test_a_table_comes_back_from_go() -> None:
    with tables.CONTESTANTS["Go.open"](SMALL) as call:
        assert call().equals(SMALL)


def test_every_contestant_of_the_comparison_exists() -> None:
    assert set(comparison.NAMES.values()) == set(tables.CONTESTANTS)


def test_a_table_has_eighty_megabytes() -> None:
    assert tables.made().nbytes == 80_000_000
