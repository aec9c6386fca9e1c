"""The `@function` marker: options kept on the function itself, which stays the plain function that it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import FunctionType
from typing import Any, TypeVar, overload

from dragoman.contract.batch import Batch
from dragoman.contract.function import check_name, check_version
from dragoman.contract.nesting import kind_of

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__dragoman_function__"


@dataclass(frozen=True, slots=True)
class Marker:
    """What `@function(...)` says about a function; empty text leaves the function's own name or docstring."""

    name: str = ""
    version: str = ""
    description: str = ""
    idempotent: bool = False
    batch: Batch | None = None

    def __post_init__(self) -> None:
        """Raises `TypeError` for an option of the wrong type, `ContractError` for a bad name or version."""
        for option in fields(self):
            if option.name == "batch" and self.batch is None:
                continue
            wanted = Batch if option.name == "batch" else kind_of(option.default)
            if type(getattr(self, option.name)) is not wanted:
                message = f"@function({option.name}=…) takes a {wanted.__name__}, not {getattr(self, option.name)!r}"
                raise TypeError(message)
        if self.name:
            check_name(self.name)
        check_version(self.version)


_OPTIONS = tuple(option.name for option in fields(Marker))


@overload
def function(target: F, /) -> F: ...
@overload
def function(
    *, name: str = "", version: str = "", description: str = "", idempotent: bool = False, batch: Batch | None = None
) -> Callable[[F], F]: ...
def function(target: Any = None, /, **options: Any) -> Any:
    """Mark a function as callable from outside, with options: `@function` or `@function(version="1.2.0")`.

    Args:
        target: the function, when used without options.
        **options: `name` (instead of the function's own), `version` (semantic), `description` (instead of the
            docstring's), `idempotent` (calling twice does no more than calling once, so it may be retried or cached),
            `batch` (a `Batch`: it takes a list and gives one as long, and calls of it may be gathered into one).

    Returns:
        The function itself, unchanged but for an attribute.

    Raises:
        TypeError: an unknown option, or one of the wrong type.
        ContractError: a name or version that callers could not write down.
    """
    for option in options:
        if option not in _OPTIONS:
            message = f"@function has no option {option!r}; it takes {', '.join(_OPTIONS)}"
            raise TypeError(message)
    marker = Marker(**options)

    def mark(marked: F) -> F:
        if not isinstance(getattr(marked, "__wrapped__", marked), FunctionType):
            hint = "wrap it in a `def`" if callable(marked) else "its options are given by name"
            message = f"@function marks a function, not {marked!r}: {hint}"
            raise TypeError(message)
        setattr(marked, _ATTRIBUTE, marker)
        return marked

    return mark if target is None else mark(target)


def marker_of(target: object) -> Marker | None:
    """The marker that `@function` left, or None."""
    marker = getattr(target, _ATTRIBUTE, None)
    return marker if isinstance(marker, Marker) else None
