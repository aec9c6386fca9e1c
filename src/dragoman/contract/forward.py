"""Types that name themselves in quotes: `Json = dict[str, "Json"] | list["Json"] | str | None`.

Python resolves such a name once and leaves the one inside of it as it stands. It becomes an alias here, opened when it
is asked for, as the aliases of a `type` statement are.
"""

from __future__ import annotations

import sys
import typing
from types import UnionType
from typing import Any, ForwardRef, Literal, get_args, get_origin

from dragoman.contract.nesting import kind_of


class Named:
    """A quoted name, or any other quoted type, and where its names are looked up."""

    def __init__(self, text: str, scope: dict[str, Any]) -> None:
        self.text = text
        self._scope = scope

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and (self.text, id(self._scope)) == (other.text, id(other._scope))

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text if self.text.isidentifier() else "Recursive"

    def __repr__(self) -> str:
        return self.text

    @property
    def value(self) -> Any:
        """What the name stands for. Raises `NameError` where that is only itself, and whatever reading it raises."""

        def bearer() -> None: ...

        bearer.__annotations__ = {"kind": self.text}
        found = closed(typing.get_type_hints(bearer, self._scope, include_extras=True)["kind"], self._scope)
        if found == self:
            message = f"{self.text!r} stands for nothing but itself"
            raise NameError(message)
        return found


def closed(kind: Any, scope: dict[str, Any]) -> Any:
    """A type with aliases in place of the names in quotes that are left in it."""
    if isinstance(kind, (str, ForwardRef)):
        return Named(kind if isinstance(kind, str) else kind.__forward_arg__, scope)
    origin: Any = get_origin(kind)
    if origin is None or origin is Literal:
        return kind
    if origin is typing.Annotated:
        inner = closed(kind.__origin__, scope)
        return kind if inner is kind.__origin__ else typing.Annotated[(inner, *kind.__metadata__)]
    arguments: tuple[Any, ...] = get_args(kind)
    filled: tuple[Any, ...] = tuple(_closed_below(argument, scope) for argument in arguments)
    if all(new is old for new, old in zip(filled, arguments, strict=True)):
        return kind
    if origin in {typing.Union, UnionType}:
        return typing.Union[filled]  # noqa: UP007 - built at run time
    return kind.copy_with(filled) if hasattr(kind, "copy_with") else origin[filled]


def _closed_below(argument: Any, scope: dict[str, Any]) -> Any:
    """An argument of a generic type; the list of a `Callable`'s parameters stays as it is."""
    return argument if kind_of(argument) is list else closed(argument, scope)


def scope_of(target: Any) -> dict[str, Any]:
    """The names of the module that a type alias, a class or a function is written in."""
    return vars(sys.modules.get(getattr(target, "__module__", None) or "", typing))
