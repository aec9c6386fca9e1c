"""TypeScript workers: contracts from types, values of those types, and errors of the compiler."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dragoman
from dragoman.core.fault import Code, Fault, InvalidArgument, StartFailed
from dragoman.host.blocking import BlockingProject
from tests.integration.conftest import until

SOURCES = Path(__file__).parent / "sources" / "typescript"
ORDER: dict[str, Any] = {"lines": [{"name": "größe 😀", "count": 3}], "at": "2026-01-31T23:59:59.123Z"}
LEAF: dict[str, Any] = {"value": 2**65, "children": []}

pytestmark = pytest.mark.needs("node", "npm")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingProject]:
    """One project of two TypeScript files and a Python one."""
    folder = tmp_path_factory.mktemp("typescript") / "shop"
    shutil.copytree(SOURCES, folder)
    (folder / "py.py").write_text("def twice(n: int) -> int: return 2 * n\n")
    (folder / "dragoman.toml").write_text('[sources.orders]\npath = "orders.ts"\n[sources.py]\npath = "py.py"\n')
    with dragoman.open(folder) as project:
        until(lambda: _started(project), within_s=120.0)
        yield project


def _started(project: BlockingProject) -> bool:
    with contextlib.suppress(StartFailed):  # said while it is being compiled: the other source is there already
        return project.call("orders.half", {"n": 1}) == 0.5
    return False


def raised(project: BlockingProject, function: str, value: dict[str, Any]) -> Fault:
    """The fault of a call."""
    with pytest.raises(Fault) as caught:
        project.call(function, value)
    return caught.value


def test_values_reach_a_function_in_its_types(shop: BlockingProject) -> None:
    value = {**ORDER, "tags": ["a", "b"], "data": b"\0\xff"}
    result = {"sum": 7.5, "year": 2026, "tags": 2, "bytes": 2, "traced": False}
    assert shop.call("orders.total", value) == {**result, "traced": shop.call("orders.total", ORDER)["traced"]}


def test_integers_are_never_rounded(shop: BlockingProject) -> None:
    assert shop.call("orders.add", {"a": 2**70}) == 2**70 + 1
    assert shop.call("orders.add", {"a": 1, "b": -(2**64)}) == 1 - 2**64
    fault = raised(shop, "orders.half", {"n": 2**60})
    assert isinstance(fault, InvalidArgument)
    assert "declare a bigint" in fault.detail


def test_streams_come_from_their_types(shop: BlockingProject) -> None:
    assert list(shop.stream("orders.count", {"to": 100})) == list(range(100))
    assert list(shop.stream("orders.twice", {"numbers": [1, 2, 3]})) == [2, 4, 6]


def test_unions_records_that_hold_themselves_and_bytes(shop: BlockingProject) -> None:
    assert shop.call("orders.area", {"shape": {"kind": "square", "side": 3}}) == 9
    assert shop.call("orders.depth", {"value": 1, "children": [LEAF, LEAF]}) == 2
    assert shop.call("orders.reverse", {"data": b"abc"}) == b"cba"


@pytest.mark.parametrize(
    ("function", "value", "path"),
    [
        ("total", {**ORDER, "at": "yesterday"}, "/at"),
        ("total", {**ORDER, "at": "2026-01-31T23:59:59.1234567Z"}, "/at"),
        ("total", {**ORDER, "lines": [{"name": "a", "count": 0}]}, "/lines/0/count"),
        ("total", {**ORDER, "lines": [{"name": "a", "count": 1.5}]}, "/lines/0/count"),
        ("total", {**ORDER, "more": 1}, "/more"),
        ("area", {"shape": {"kind": "triangle"}}, "/shape/kind"),
        ("area", {"shape": {"kind": "circle", "side": 1}}, "/shape/radius"),
        ("depth", {"value": 1, "children": [{**LEAF, "value": "1"}]}, "/children/0/value"),
    ],
)
def test_what_breaks_a_type_is_named(shop: BlockingProject, function: str, value: dict[str, Any], path: str) -> None:
    fault = raised(shop, f"orders.{function}", value)
    assert isinstance(fault, InvalidArgument)
    assert path in {breach.path for breach in fault.errors}


def test_calls_and_faults_as_for_any_module(shop: BlockingProject) -> None:
    assert shop.call("orders.ask", {"n": 21}) == 42
    fault = raised(shop, "orders.fails", {"id": "7"})
    assert fault.code is Code.NOT_FOUND
    assert "orders.ts:" in fault.traceback


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('export const f = (): number => "one";', "bad.ts(1,32): error TS2322"),
        ("export const f = (callback: () => void): void => {};", "bad.ts:1: function f: parameter callback: type"),
    ],
)
def test_a_build_that_fails_says_what_the_compiler_says(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "bad.ts").write_text(text)
    with pytest.raises(StartFailed) as caught, dragoman.open(tmp_path / "bad.ts"):
        pass
    assert why in caught.value.detail
