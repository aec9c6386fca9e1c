"""What can be wrong with a user's files: problems with their place, gathered, so that one run shows them all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

PROBLEMS_SHOWN_MAX = 50
"""More would scroll the first ones, which often cause the rest, off the screen."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to put right. `line` and `column` count from 1; 0 stands for the file as a whole."""

    file: str
    line: int
    key: str
    message: str
    column: int = 0

    def __str__(self) -> str:
        """As compilers print it: `file:line:column: key: message`."""
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(ValueError):
    """A project cannot be read; `problems` holds every reason found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        lines = [str(problem) for problem in self.problems[:PROBLEMS_SHOWN_MAX]]
        if len(self.problems) > PROBLEMS_SHOWN_MAX:
            lines.append(f"… and {len(self.problems) - PROBLEMS_SHOWN_MAX} more")
        super().__init__("\n".join(lines))

    @classmethod
    def of(cls, file: object, message: str) -> ConfigError:
        """One problem with a file, or a place, as a whole."""
        return cls([Problem(str(file), 0, "", message)])


class Refused(Exception):  # noqa: N818 - a verdict on one value, caught by whoever knows its place; never leaves config
    """A value that may not stand; `below` leads from the value to the part of it that is wrong."""

    def __init__(self, message: str, below: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.below = below


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that names the nearest known word, or lists them all where none is near."""
    choices = list(known)
    near = difflib.get_close_matches(word[:200], choices, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known here: {', '.join(choices)}" if choices else ""
