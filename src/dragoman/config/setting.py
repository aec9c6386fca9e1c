"""What a setting of the project file is, and the units that bounds of several of them are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.config.kinds import Kind

WARM, FORK, EXEC, INLINE, UPSTREAM = "warm", "fork", "exec", "inline", "upstream"
PYTHON = "python"

ALL = frozenset({WARM, FORK, EXEC, INLINE, UPSTREAM})
HOSTED = frozenset({WARM, FORK, EXEC, INLINE})
STARTED = frozenset({WARM, FORK, EXEC, UPSTREAM})
POOLED = frozenset({WARM, FORK, EXEC})
GUESTS = frozenset({WARM, FORK})
"""Those of code that a guest library runs in processes of its own."""

NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
"""A source's name is the first part of a function's: fit for a URL, an attribute and a metric's label.
Queues and schedules are named alike."""
KB, MB, GB = 1024, 1024**2, 1024**3
BODY_BYTES_MAX = GB
"""Every guest language can hold such a body in one run of bytes, and twice as much in one mapping."""


@dataclass(frozen=True)
class Setting:
    """One key. `default` is as a reader of the page sees it.

    `modes` are those that it means something to, and `languages` too: none named is all. `short` says that a value in
    place of its inner table stands for this key: `retry = 3` for `retry.attempts`. In mode `fork`, `of_copied` ones are
    about the process that is copied, which only Python has.
    """

    key: str
    kind: Kind
    default: str
    about: str
    field: str = ""
    modes: frozenset[str] = ALL
    inheritable: bool = True
    languages: tuple[str, ...] = ()
    short: bool = False
    of_copied: bool = False

    @property
    def in_words(self) -> bool:
        """Whether the default is told in words: it is worked out, or another's to say."""
        return " " in self.default and self.default[0] not in "[{"

    def suits(self, mode: str, language: str) -> bool:
        """Whether it means something to a source of this mode and language."""
        if mode not in self.modes or (self.languages and language not in self.languages):
            return False
        return not (self.of_copied and mode == FORK and language != PYTHON)


def shorthands(known: Iterable[Setting], group: str) -> list[Setting]:
    """The keys of an inner table that a value in its place stands for."""
    return [setting for setting in known if setting.short and setting.key.startswith(f"{group}.")]
