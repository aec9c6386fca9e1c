"""What a setting of the project file is, and the units that bounds of several of them are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.config.kinds import Kind

WARM, EXEC, INLINE, UPSTREAM = "warm", "exec", "inline", "upstream"
ALL = frozenset({WARM, EXEC, INLINE, UPSTREAM})
HOSTED = frozenset({WARM, EXEC, INLINE})
STARTED = frozenset({WARM, EXEC, UPSTREAM})
POOLED = frozenset({WARM, EXEC})

KB, MB, GB = 1024, 1024**2, 1024**3
BODY_BYTES_MAX = GB
"""Every guest language can hold such a body in one run of bytes, and twice as much in one mapping."""


@dataclass(frozen=True)
class Setting:
    """One key. `default` is as a reader of the page sees it.

    `modes` are those that it means something to, and `languages` too: none named is all.
    """

    key: str
    kind: Kind
    default: str
    about: str
    field: str = ""
    modes: frozenset[str] = ALL
    inheritable: bool = True
    languages: tuple[str, ...] = ()
