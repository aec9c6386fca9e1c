"""Typed decoding takes what fits and says where something does not."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest

from dragoman.contract.choice import decode_hook
from dragoman.contract.codecs import typed
from dragoman.contract.malformed import Malformed


class Inner(typed.Struct, forbid_unknown_fields=True):
    """A table of a file."""

    port: int = 1


class Outer(typed.Struct, forbid_unknown_fields=True):
    """A file."""

    inner: dict[str, Inner]


def test_builtins_become_the_type() -> None:
    assert typed.convert({"inner": {"x": {"port": 2}}}, Outer) == Outer({"x": Inner(2)})


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({"inner": {"x": {"prot": 2}}}, "/inner", "prot"),
        ({"inner": {"x": {"port": "2"}}}, "/inner", "Expected `int`"),
        ({"inner": 5}, "/inner", "Expected `object`"),
        ({}, "", "inner"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(value: object, path: str, message: str) -> None:
    with pytest.raises(Malformed, match=message) as caught:
        typed.convert(value, Outer)
    assert caught.value.path == path


def test_parameters_may_have_any_name_and_share_their_default() -> None:
    shared = [1]
    kind = typed.arguments("f", [("__init__", int, typed.UNSET), ("class", list[int], shared)])
    record = typed.json_decoder(kind, decode_hook)(b'{"__init__": 3}')
    assert typed.astuple(record) == (3, [1])
    assert typed.astuple(record)[1] is shared


def test_builtins_of_a_rich_value_are_plain() -> None:
    assert typed.builtins({"p": Path("/x"), "b": b"abc", 1: None}) == {"p": "/x", "b": "YWJj", "1": None}


def test_builtins_of_what_has_no_form_are_refused() -> None:
    with pytest.raises(Malformed, match="no form"):
        typed.builtins(object())


def test_every_part_of_a_kept_view_holds_on_to_it() -> None:
    gone: list[bool] = []
    part = memoryview(b"abcdefgh")[2:6]
    watched = weakref.ref(part, lambda _: gone.append(True))
    view = typed.kept(part)
    del part
    assert (bytes(view), view.format, view.readonly) == (b"cdef", "B", True)
    last = view[1:3]
    del view
    assert watched() is not None
    assert bytes(last) == b"de"
    del last
    assert gone == [True]
