"""Foreign values made plain: what a codec does not know (numpy, pandas, paths, pydantic models) becomes what it does.

By the look of the object and never by importing its package, so that nobody pays for a library they do not use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from os import PathLike, fspath
from typing import Any, cast

from dragoman.contract.table import is_table_value

_BUILTIN = frozenset({bool, type(None), list, tuple, dict, set, frozenset})
"""What every codec writes by itself: one of these is asked about only where it stands as a key."""

_MISSING = frozenset({"NAType", "NaTType"})
"""The classes of what pandas puts where a value is missing."""

_VIEWS = (Sequence, AbstractSet, ValuesView, deque, Iterator)


def plain(value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - a flat list of the kinds of value, one line each
    """Turn one value into something plainer. Raises `TypeError` where there is no honest way to."""
    if type(value) in _BUILTIN:
        message = f"{type_name(type(value))} cannot be the key of an object"
        raise TypeError(message)
    if isinstance(value, (str, int, float)):
        return _builtin(value)
    if isinstance(value, date):
        return _moment(value)
    if isinstance(value, timedelta):
        return timedelta(days=value.days, seconds=value.seconds, microseconds=value.microseconds)
    if type(value).__name__ in _MISSING:
        return None
    if is_table_value(value):
        from dragoman.contract import arrow  # noqa: PLC0415 - for the few values that are tables

        return arrow.records(value)
    value = _exact(value)
    for method in ("tolist", "item"):
        if callable(convert := getattr(value, method, None)):
            return _unlike(value, convert())
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(by_alias=True)
    if callable(records := getattr(value, "to_dict", None)) and hasattr(value, "to_numpy"):
        return records("records")
    if isinstance(value, PathLike):
        return fspath(cast("PathLike[str]", value))
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any mapping
    if isinstance(value, _VIEWS):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any sequence
    message = f"{type_name(type(value))} has no form in JSON or MessagePack"
    raise TypeError(message)


def rows(value: Any) -> Any:
    """A table as a list of rows where it is a data frame; anything else as it is."""
    return value.to_numpy().tolist() if hasattr(value, "to_numpy") and not hasattr(value, "tolist") else value


def type_name(kind: Any) -> str:
    """A type as its users write it: `int`, `socket.socket`, `list[int]`."""
    if not isinstance(kind, type) or hasattr(kind, "__origin__"):
        return str(kind).replace("typing.", "").replace("collections.abc.", "")
    if kind.__module__ in {"builtins", "__main__"}:
        return kind.__qualname__
    # `pathlib._local.Path` of Python 3.13 is `pathlib.Path` to everyone.
    module = kind.__module__.partition("._")[0]
    return f"{module}.{kind.__qualname__}"


def _builtin(value: str | float) -> str | int | float:
    if isinstance(value, str):
        return str.__str__(value)
    return int.__int__(value) if isinstance(value, int) else float.__float__(value)


def _moment(value: date) -> date | None:
    if type(value).__name__ in _MISSING:
        return None
    if isinstance(value, datetime):
        return datetime(  # the time zone is the value's own, or none
            *value.timetuple()[:6], value.microsecond, tzinfo=value.tzinfo, fold=value.fold
        )
    return date(value.year, value.month, value.day)


def _exact(value: Any) -> Any:
    """Give numpy's moments in microseconds: in nanoseconds they would become bare numbers."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in {"M", "m"} and type(value).__module__ == "numpy":
        return value.astype("datetime64[us]" if kind == "M" else "timedelta64[us]")
    return value


def _unlike(value: Any, converted: Any) -> Any:
    """Refuse a conversion that leads nowhere: the codec would ask for it for ever."""
    if type(converted) is type(value):
        message = f"{type_name(type(value))} has no form in JSON or MessagePack"
        raise TypeError(message)
    return converted
