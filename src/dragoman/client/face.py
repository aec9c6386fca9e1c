"""How a program calls functions: by name, or as attributes, blocking or awaited.

    shop.call("stats.correlation", {"data": rows})        remote.stats.correlation(data=rows)
    shop.submit("reports.build", {"year": 2026})          remote.reports.build.submit(year=2026)

A face owns no connection: it turns names and inputs into calls on a `Caller`. Values are plain Python: what a
function returned, decoded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, cast


class Caller(Protocol):
    """Runs calls and waits for them."""

    def call(self, function: str, /, input: Any = None, *, timeout: float | None = None) -> Any:  # noqa: A002 - the public word
        """Call a function; its result, or the `Fault` raised."""
        ...

    def submit(self, function: str, /, input: Any = None) -> Any:  # noqa: A002 - as above
        """Submit a function as a task; its handle."""
        ...


class AsyncCaller(Protocol):
    """Runs calls that are awaited."""

    def call(self, function: str, /, input: Any = None, *, timeout: float | None = None) -> Awaitable[Any]:  # noqa: A002 - as above
        """Call a function; awaiting gives its result, or raises the `Fault`."""
        ...

    def submit(self, function: str, /, input: Any = None) -> Awaitable[Any]:  # noqa: A002 - as above
        """Submit a function as a task; awaiting gives its handle."""
        ...


class Name:
    """A function's name, or the part of one before the next dot; calling it calls the function.

    The parameters are given by name. One that is not named, and the only one, is the whole input: a record.
    """

    def __init__(self, caller: Caller | AsyncCaller, name: str) -> None:
        self._call = caller.call
        self._caller = caller
        self._name = name

    def __getattr__(self, part: str) -> Name:
        if part.startswith("__"):
            raise AttributeError(part)
        # Kept as an attribute, so that the next look-up is the interpreter's own.
        # Full names have one dot at most, so that `submit` behind one is no function.
        submits = part == "submit" and "." in self._name
        found = Submission(self._caller, self._name) if submits else Name(self._caller, f"{self._name}.{part}")
        self.__dict__[part] = found
        return found

    def __call__(self, /, *whole: Any, **parameters: Any) -> Any:
        """Call the function. Raises `TypeError` for arguments that are neither one record nor all named."""
        return self._call(self._name, whole_input(self._name, whole, parameters) if whole else parameters)

    def __repr__(self) -> str:
        return f"<function {self._name}>"


class Named:
    """A `Caller` or `AsyncCaller` with its functions as attributes: `remote.stats.correlation(data=rows)`."""

    def __getattr__(self, name: str) -> Name:
        if name.startswith("_"):
            raise AttributeError(name)
        # Kept as an attribute, as the parts of names are.
        first = self.__dict__[name] = Name(cast("Caller", self), name)
        return first


class Submission(Name):
    """A function's name with `.submit` behind it; calling it submits the function as a task."""

    def __init__(self, caller: Caller | AsyncCaller, name: str) -> None:
        super().__init__(caller, name)
        self._call = caller.submit


def whole_input(name: str, whole: tuple[Any, ...], parameters: Mapping[str, Any]) -> Any:
    """The input that a call's arguments make. Raises `TypeError` where they are neither one record nor all named."""
    if len(whole) == 1 and not parameters:
        return whole[0]
    if whole:
        message = f"{name}: give parameters by name, or one whole input"
        raise TypeError(message)
    return parameters
