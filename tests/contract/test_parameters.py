"""Parameters are read once, and passed on as they are written."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.contract import parameters
from dragoman.contract.annotation import REQUIRED
from dragoman.contract.codecs.typed import UNSET, arguments
from dragoman.contract.function import ContractError


class Context:
    """Marked as the guest's is."""

    __dragoman_context__ = True


def none(a: int, b: int) -> Any:
    return a, b


def first(ctx: Context, a: int, b: int) -> Any:
    return ctx, a, b


def last_by_name(a: int, *, b: int, ctx: Context) -> Any:
    return a, b, ctx


def between(a: int, ctx: Context, *, b: int) -> Any:
    return a, ctx, b


def by_name(*, a: int, b: int) -> Any:
    return a, b


def hints(target: Any) -> dict[str, Any]:
    return {"ctx": Context, "a": int, "b": int}


@pytest.mark.parametrize(
    ("target", "result"),
    [
        (none, (1, 2)),
        (first, ("ctx", 1, 2)),
        (last_by_name, (1, 2, "ctx")),
        (between, (1, "ctx", 2)),
        (by_name, (1, 2)),
    ],
)
def test_values_and_context_reach_their_places(target: Any, result: Any) -> None:
    found = parameters.read(target, "f", hints(target))
    record = arguments("input", [(parameter.name, int, UNSET) for parameter in found.inputs])(p0=1, p1=2)
    assert parameters.spread(target, found)(record, "ctx") == result


@pytest.mark.parametrize(
    "target",
    [
        lambda a: (a, "ctx"),
        lambda a, ctx: (a, ctx),
        lambda ctx, a: (a, ctx),
        lambda *, a, ctx: (a, ctx),
        lambda a, *, ctx: (a, ctx),
        lambda ctx, *, a: (a, ctx),
        lambda *, a: (a, "ctx"),
    ],
)
def test_a_single_record_reaches_its_place(target: Any) -> None:
    assert parameters.whole(target, parameters.read(target, "f", hints(target)))("all", "ctx") == ("all", "ctx")


def test_defaults_are_kept_as_they_are() -> None:
    shared: list[int] = []

    def target(a: Any = shared, b: Any = None) -> None: ...

    found = parameters.read(target, "f", {})
    assert found.inputs[0].default is shared
    assert found.inputs[1].default is None
    assert parameters.read(none, "f", {}).inputs[0].default is REQUIRED


def test_two_contexts_are_refused() -> None:
    def target(a: Context, b: Context) -> None: ...

    with pytest.raises(ContractError, match="`a` and `b` both"):
        parameters.read(target, "f", {"a": Context, "b": Context})


def test_what_has_no_signature_is_refused() -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        parameters.read(type, "f", {})
