"""NaN and infinities under JSON Schema, whose validators know numbers of JSON only and call these no numbers at all.

MessagePack can say them (the wire, §18). A value that holds some is checked several times over, each time with other
numbers in their place: an infinity is past every bound on its side, NaN keeps to none, and neither is an integer.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from dragoman.contract.nesting import kind_of

_LARGEST = sys.float_info.max
_FRACTION = 2.0**52 - 0.5
"""The largest float that is no integer."""
_STAND_INS = (
    {"inf": _LARGEST, "-inf": -_LARGEST, "nan": _LARGEST},
    {"inf": _LARGEST, "-inf": -_LARGEST, "nan": -_LARGEST},
    {"inf": _FRACTION, "-inf": -_FRACTION, "nan": 0.5},
)


def is_unbounded(value: Any) -> bool:
    """Whether a decoded value holds NaN or an infinity anywhere."""
    left = [value]
    while left:
        each = left.pop()
        kind = kind_of(each)
        if kind is float:
            if not math.isfinite(each):
                return True
        elif kind is dict:
            left.extend(each.values())
        elif kind is list or kind is tuple:
            left.extend(each)
    return False


def stand_ins(value: Any) -> tuple[Any, ...]:
    """Copies of a value that are finite; it keeps to a schema if all of them do."""
    return tuple(_replaced(value, numbers) for numbers in _STAND_INS)


def _replaced(value: Any, numbers: dict[str, float]) -> Any:
    top = [value]
    left: list[dict[Any, Any] | list[Any]] = [top]  # not by recursion: values nest deeper than Python does
    while left:
        copy = left.pop()
        for key, member in list(copy.items() if isinstance(copy, dict) else enumerate(copy)):
            kind = kind_of(member)
            if kind is float and not math.isfinite(member):
                copy[key] = numbers[repr(member)]
            elif kind is dict or kind is list or kind is tuple:
                copy[key] = inner = dict(member) if kind is dict else list(member)
                left.append(inner)
    return top[0]
