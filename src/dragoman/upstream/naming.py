"""Names for what a service calls otherwise: operations become functions, parameters properties, each with one name."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from dragoman.contract.function import NAME_CHARACTERS_MAX, ContractError, check_name

if TYPE_CHECKING:
    from collections.abc import Iterable

_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")


def function_name(operation_id: object, method: str, path: str) -> str:
    """The name of an operation: its id where it has one, else of method and path, `GET /users/{id}`: `get_users_id`."""
    if isinstance(operation_id, str) and operation_id:
        return clean(operation_id)
    return clean(f"{method.lower()}_{path.strip('/')}".strip("_"))


def clean(text: str) -> str:
    """The nearest name that a function may have."""
    try:
        check_name(text)
    except ContractError:
        name = _STRANGE.sub("_", text).strip("_-") or "operation"
        return (name if name[0].isalpha() else f"_{name}")[:NAME_CHARACTERS_MAX]
    return text


def keys(parameters: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The property of each parameter, given as name and place: its name, or `name_place` where places share one."""
    known = list(parameters)
    shared = Counter(name for name, _ in known)
    return {(name, place): name if shared[name] == 1 else f"{name}_{place}" for name, place in known}
