"""What a client cannot say of the contracts, told in words: where any value stands for a type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.generate.model import Anything, Either, Enumeration, Kind, Listing, Mapping, Nullable, Record, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.generate.model import Surface

ROWS = "rows"
CHOICES = "choices"
NUMBERS = "numbers"


def losses(surface: Surface, sayable: frozenset[str], odd: Callable[[Record], bool]) -> list[str]:
    """A line for each place. `sayable` are those of `ROWS`, `CHOICES` and `NUMBERS` that the language has types for.

    They are tuples of several types, one of several types, and enums of integers. A record is `odd` where the language
    cannot say the names of its properties.
    """
    found: list[str] = []
    for group in surface.groups:
        for function in group.functions:
            kinds = [] if function.input is None else [("the input", function.input)]
            for part, kind in [*kinds, ("the output", function.output)]:
                found += [f"{function.full}: {part}: {why}" for why in _losses(kind, sayable)]
    for each in surface.declarations:
        if isinstance(each, Record):
            if odd(each):
                found.append(f"{each.name}: it has properties that cannot be named here, so it is a map of any values")
            for field in each.fields:
                found += [f"{each.name}: {field.wire}: {why}" for why in _losses(field.kind, sayable)]
        elif isinstance(each, Enumeration) and isinstance(each.values[0], int) and NUMBERS not in sayable:
            found.append(f"{each.name}: a choice of integers is any integer here")
    return list(dict.fromkeys(found))


def _losses(kind: Kind, sayable: frozenset[str]) -> Iterator[str]:
    match kind:
        case Anything(why=why) if why:
            yield f"{why}, so it is any value"
        case Either(kinds=kinds):
            if CHOICES not in sayable:
                yield "it is one of several types that no tag tells apart, so it is any value"
            for each in kinds:
                yield from _losses(each, sayable)
        case Row(members=members):
            if ROWS not in sayable and any(member != members[0] for member in members):
                yield "it is a tuple of several types, so it is a list of any values"
            for each in members:
                yield from _losses(each, sayable)
        case Listing(item=inner) | Mapping(value=inner) | Nullable(inner=inner):
            yield from _losses(inner, sayable)
        case _:
            pass
