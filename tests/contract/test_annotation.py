"""Annotations are resolved, and records taken apart."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, ClassVar, Generic, NamedTuple, NotRequired, Required, TypedDict, TypeVar

import msgspec
import pytest

from dragoman.contract.annotation import REQUIRED, Unresolved, fields_of, hints_of, is_context, is_path, is_record

T = TypeVar("T")


@dataclass
class Box(Generic[T]):
    """A box."""

    kept: ClassVar[int] = 1
    value: T
    more: list[T] = field(default_factory=list[T])


class IntBox(Box[int]):
    """A box of one type."""


class Partial(TypedDict, total=False):
    """Keys that may be missing."""

    a: Required[int]
    b: str


class Whole(TypedDict):
    """Keys that must be there."""

    a: int
    b: NotRequired[str]


class Row(NamedTuple):
    """A row."""

    a: int
    b: str = "x"


class Camel(msgspec.Struct, rename="camel"):
    """A struct."""

    one_two: int
    three: list[int] = []
    four: int = 4


class Listed(msgspec.Struct, array_like=True):
    """A struct that is an array on the wire."""

    a: int


def test_generic_fields_are_filled_in() -> None:
    wanted = [("value", int, REQUIRED), ("more", list[int], [])]
    assert [(f.name, f.kind, f.default) for f in fields_of(Box[int]) or ()] == wanted
    assert [(f.name, f.kind, f.default) for f in fields_of(IntBox) or ()] == wanted


@pytest.mark.parametrize("kind", [Partial, Whole])
def test_keys_of_a_typed_dict_are_required_or_not(kind: Any) -> None:
    assert [(f.key, f.kind, f.required) for f in fields_of(kind) or ()] == [("a", int, True), ("b", str, False)]


def test_a_named_tuple_has_defaults() -> None:
    assert [(f.key, f.required) for f in fields_of(Row) or ()] == [("a", True), ("b", False)]


def test_a_struct_has_names_on_the_wire() -> None:
    found = [(f.name, f.key, f.default) for f in fields_of(Camel) or ()]
    assert found == [("one_two", "oneTwo", REQUIRED), ("three", "three", []), ("four", "four", 4)]


def test_only_objects_are_records() -> None:
    assert all(is_record(kind) for kind in (Box, Box[int], Partial, Camel))
    assert not any(is_record(kind) for kind in (Row, Listed, dict, int))
    assert fields_of(int) is None


def test_a_name_that_is_nowhere_is_named() -> None:
    def target(a: Nowhere) -> None: ...  # noqa: F821 - what is tested

    with pytest.raises(Unresolved, match="Nowhere"):
        hints_of(target)


def test_a_context_is_told_by_its_mark() -> None:
    class Context:
        __dragoman_context__ = True

    assert is_context(Context)
    assert is_context(Context | None)
    assert not is_context(int)


def test_classes_of_pathlib_are_paths() -> None:
    assert is_path(PurePosixPath)
    assert not is_path(str)


def test_contracts_do_not_import_pathlib() -> None:
    code = "import sys, dragoman.contract.signature; sys.exit('pathlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
