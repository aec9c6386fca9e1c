"""Dragoman: call any function, in any language, from anywhere.

Names are looked up when they are first used: a worker that imports `function` and `Context` from here does not pay for
a host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.contract.marker import function
    from dragoman.core.fault import Breach, Code, Fault, Started
    from dragoman.guest.context import Context
    from dragoman.host.embedded import open_project as open  # noqa: A004 - the public name, used as dragoman.open

__all__ = ["Breach", "Code", "Context", "Fault", "Started", "function", "open"]

_HOMES = {
    "Breach": "dragoman.core.fault",
    "Code": "dragoman.core.fault",
    "Context": "dragoman.guest.context",
    "Fault": "dragoman.core.fault",
    "Started": "dragoman.core.fault",
    "function": "dragoman.contract.marker",
    "open": "dragoman.host.embedded:open_project",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'dragoman' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415 - only when a name is first used

    module, _, attribute = home.partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value
