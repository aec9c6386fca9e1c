"""Types that name themselves in quotes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import GenericAlias, ModuleType
from typing import Annotated, Any, ForwardRef, Literal, Union

import pytest

from dragoman.contract.annotation import Unresolved, alias_value, hints_of, is_alias, strip
from dragoman.contract.forward import Named, closed
from dragoman.contract.signature import bind
from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument

SOURCE = """
from __future__ import annotations
from typing import Dict, List, Union
from typing_extensions import TypeAliasType

Quoted = "dict[str, Quoted] | list[Quoted] | int | None"
Old = Union[Dict[str, "Old"], List["Old"], int, None]
New = Union[dict[str, "New"], list["New"], int, None]
Backport = TypeAliasType("Backport", "dict[str, Backport] | list[Backport] | int | None")
Itself = "Itself"
Circle = TypeAliasType("Circle", "Circle")
Broken = TypeAliasType("Broken", "dict[str, Nowhere]")

def quoted(v: Quoted) -> Quoted: ...
def old(v: Old) -> Old: ...
def new(v: New) -> list[New]: ...
def backport(v: Backport) -> Backport: ...
def itself(v: Itself) -> None: ...
"""


@pytest.fixture(name="source", scope="module")
def import_source() -> Iterator[ModuleType]:
    module = sys.modules["quoted_source"] = ModuleType("quoted_source")
    exec(SOURCE, vars(module))
    yield module
    del sys.modules["quoted_source"]


@pytest.mark.parametrize("target", ["quoted", "old", "new", "backport"])
def test_a_type_that_contains_itself_is_checked_all_the_way_down(source: ModuleType, target: str) -> None:
    binding = bind(vars(source)[target])
    for body in (b'{"v":{"a":[1,{"b":null}]}}', b'{"v":[[[1]]]}', b'{"v":null}'):
        binding.invoke(body, Codec.JSON)
    with pytest.raises(InvalidArgument) as caught:
        binding.invoke(b'{"v":{"a":[1,{"b":"x"}]}}', Codec.JSON)
    assert caught.value.errors[0].path == "/v/a/1/b"


def test_a_name_that_stands_for_itself_is_refused(source: ModuleType) -> None:
    for kind in (hints_of(source.itself)["v"], source.Circle):
        with pytest.raises(Unresolved, match="nothing but itself"):
            strip(kind)


def test_an_alias_that_cannot_be_read_is_named(source: ModuleType) -> None:
    with pytest.raises(Unresolved, match=r"dict\[str, Nowhere\] cannot be read: NameError"):
        strip(strip(alias_value(source.Broken)))


def test_names_are_aliases_of_one_scope() -> None:
    scope: dict[str, Any] = {"X": int}
    name = Named("X", scope)
    assert is_alias(name)
    assert (alias_value(name), str(name), str(Named("list[X]", scope))) == (int, "X", "Recursive")
    assert len({name, Named("X", scope), Named("X", {}), Named("Y", scope)}) == 3


def test_only_what_is_quoted_is_replaced() -> None:
    scope: dict[str, Any] = {}
    x: Any = Named("X", scope)
    assert closed(GenericAlias(dict, (str, "X")), scope) == dict[str, x]
    assert closed(Annotated[GenericAlias(list, "X"), "note"], scope) == Annotated[list[x], "note"]
    assert closed(Union[int, ForwardRef("X")], scope) == Union[int, x]  # noqa: UP007 - a quoted name has no `|`
    for kind in (int, dict[str, int], Literal["X"], int | None, Annotated[int, "X"]):
        assert closed(kind, scope) is kind
