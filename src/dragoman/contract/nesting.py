"""Bounds on the shape of decoded values: how deep they go and what their keys are.

Native code that walks a value recursively dies of a stack overflow long before Python would notice, so depth is
bounded here, by a walk that keeps its own stack. Lists without containers are passed over at the speed of `map`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman.contract.malformed import Malformed

DEPTH_MAX = 500
"""Levels of arrays and objects: ten times what real data has, a twentieth of what the native validator survives."""

CONTAINERS: frozenset[type[Any]] = frozenset({list, dict, tuple})
"""What holds other values in a decoded one."""

kind_of: Callable[[Any], Any] = type
"""The exact class of a value, as a value that nobody narrows a type by."""


def is_deep(value: Any) -> bool:
    """True when `value` nests past `DEPTH_MAX`, which includes a value that contains itself."""
    kind = kind_of(value)
    if kind is dict and CONTAINERS.isdisjoint(map(type, value.values())):
        return False
    level: list[Any] = [value] if kind in CONTAINERS else []
    for _ in range(DEPTH_MAX):
        nested: dict[int, Any] = {}
        for container in level:
            members: Any = container.values() if kind_of(container) is dict else container
            if CONTAINERS.isdisjoint(map(type, members)):
                continue
            nested.update((id(member), member) for member in members if type(member) in CONTAINERS)
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
        kind = kind_of(container)
        if kind is dict:
            textual = textual and all(type(key) is str for key in container)
            pairs += len(container)
            container = container.values()
        elif kind not in CONTAINERS:
            continue
        if not CONTAINERS.isdisjoint(map(type, container)):
            stack.extend(member for member in container if type(member) in CONTAINERS)
    return pairs, textual
