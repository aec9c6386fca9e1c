"""Records that hold themselves by value: languages that lay them out in place need a pointer there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.generate.model import Kind, Named, Nullable, Record, Row, Union

if TYPE_CHECKING:
    from dragoman.generate.model import Surface


def held(surface: Surface) -> dict[str, frozenset[str]]:
    """What each declaration holds in place, directly or through others: all but what is behind a list or a map."""
    direct: dict[str, set[str]] = {}
    for each in surface.declarations:
        if isinstance(each, Record):
            direct[each.name] = {name for field in each.fields for name in in_place(field.kind)}
        elif isinstance(each, Union):
            direct[each.name] = {name for _, name in each.cases}
    return {name: _reached(name, direct) for name in direct}


def in_place(kind: Kind) -> frozenset[str]:
    """The declarations that a value of a kind holds without a list or map between."""
    match kind:
        case Named(name=name):
            return frozenset({name})
        case Nullable(inner=inner):
            return in_place(inner)
        case Row(members=members):
            return frozenset[str]().union(*map(in_place, members))
        case _:
            return frozenset()


def _reached(name: str, direct: dict[str, set[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for each in direct.get(waiting.pop(), ()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return frozenset(found)
