"""Bounds on the shape of decoded values: how deep they go and what their keys are.

Native code that walks a value recursively dies of a stack overflow long before Python would notice, so depth is
bounded here, by a walk that keeps its own stack. Lists without containers are passed over at the speed of `map`.
"""

from __future__ import annotations

from typing import Any

from dragoman.contract.malformed import Malformed

DEPTH_MAX = 500
"""Levels of arrays and objects: ten times what real data has, a twentieth of what the native validator survives."""

_NESTED = frozenset({list, dict, tuple})


def is_deep(value: Any) -> bool:
    """True when `value` nests past `DEPTH_MAX`, which includes a value that contains itself."""
    if type(value) is dict and _NESTED.isdisjoint(map(type, value.values())):
        return False
    level: list[Any] = [value] if type(value) in _NESTED else []
    for _ in range(DEPTH_MAX):
        nested: dict[int, Any] = {}
        for container in level:
            members: Any = container.values() if type(container) is dict else container
            if _NESTED.isdisjoint(map(type, members)):
                continue
            for member in members:
                if type(member) in _NESTED:
                    nested[id(member)] = member
        if not nested:
            return False
        level = list(nested.values())
    return True


def check_depth(value: Any) -> None:
    """Raise `Malformed` where `value` nests past `DEPTH_MAX`."""
    if is_deep(value):
        message = f"nested more than {DEPTH_MAX} levels deep"
        raise Malformed(message)


def count_pairs(value: Any) -> tuple[int, bool]:
    """Count the key/value pairs of all objects in a value that is not too deep; say if every key is a string."""
    pairs = 0
    textual = True
    stack: list[Any] = [value]
    while stack:
        container = stack.pop()
        if type(container) is dict:
            textual = textual and all(type(key) is str for key in container)
            pairs += len(container)
            container = container.values()
        elif type(container) not in _NESTED:
            continue
        if not _NESTED.isdisjoint(map(type, container)):
            stack.extend(member for member in container if type(member) in _NESTED)
    return pairs, textual
