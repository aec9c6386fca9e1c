"""What is asked of a task besides its input: when it may run, by when it must end, where its end is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from dragoman.client.marks import Marks, marks_of
from dragoman.core.terms import AHEAD_S_MAX, ATTEMPTS_MAX, CALLBACK_CHARS_MAX
from dragoman.core.units import duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack


class Wanted(TypedDict, total=False):
    """The words that `submit` takes besides the function and its input."""

    delay: float | str | None
    deadline: float | str | None
    timeout: float | str | None
    attempts: int | None
    key: str | None
    priority: str | None
    callback: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """The words of one submission, as they are sent; None is what the function's own settings say.

    `delay` seconds until it may first run. `deadline` seconds in which all of it must end, waiting included; `timeout`
    for one attempt, of which there are `attempts` at most. Submissions with the same `key` are one. `callback` is where
    its end is told: a URL, or `queue:NAME`.
    """

    delay: float | None = None
    deadline: float | None = None
    timeout: float | None = None
    key: str | None = None
    priority: str | None = None
    callback: str | None = None
    attempts: int | None = None

    @property
    def marks(self) -> Marks:
        """What it says of the call."""
        return marks_of(self.priority, self.key)

    def headers(self) -> Mapping[str, str]:
        """As headers of a request, beside those of `marks`."""
        said = {"prefer": "respond-async"}
        if self.delay:
            said["dragoman-task-delay"] = _text(self.delay)
        if self.deadline is not None:
            said["dragoman-task-deadline"] = _text(self.deadline)
        if self.timeout is not None:
            said["dragoman-timeout"] = _text(self.timeout)
        if self.attempts is not None:
            said["dragoman-task-attempts"] = str(self.attempts)
        if self.callback is not None:
            said["dragoman-callback"] = self.callback
        return said


def order_of(**wanted: Unpack[Wanted]) -> Order:
    """The words of a submission, checked. Times are seconds, or durations such as `"5m"`.

    Raises:
        ValueError: For words that mean nothing.
        TypeError: For words that there are none of.
    """
    if unknown := wanted.keys() - Wanted.__annotations__.keys():
        message = f"submit() got an unexpected keyword argument {min(unknown)!r}"
        raise TypeError(message)
    marks_of(wanted.get("priority"), wanted.get("key"))
    return Order(
        _span("delay", wanted.get("delay"), may_be_zero=True),
        _span("deadline", wanted.get("deadline")),
        _span("timeout", wanted.get("timeout")),
        wanted.get("key"),
        wanted.get("priority"),
        _callback(wanted.get("callback")),
        _attempts(wanted.get("attempts")),
    )


def _callback(given: object) -> str | None:
    if given is None:
        return None
    if isinstance(given, str) and 0 < len(given) <= CALLBACK_CHARS_MAX and given.isascii() and given.isprintable():
        return given
    message = f"a callback is a URL of 1 to {CALLBACK_CHARS_MAX} printable ASCII characters, or queue:NAME"
    raise ValueError(message)


def _attempts(given: object) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= ATTEMPTS_MAX:
        message = f"a task's attempts are a whole number from 1 to {ATTEMPTS_MAX}, not {given!r:.40}"
        raise ValueError(message)
    return given


def _span(name: str, given: float | str | None, *, may_be_zero: bool = False) -> float | None:
    if given is None:
        return None
    try:
        seconds = duration(given) if isinstance(given, str) else float(given)
    except (TypeError, ValueError, OverflowError) as error:
        message = f"a task's {name}: {error}"
        raise ValueError(message) from None
    least = "0 or more" if may_be_zero else "more than 0"
    if not 0 <= seconds <= AHEAD_S_MAX or (seconds == 0 and not may_be_zero):
        message = f"a task's {name} is a number of seconds, {least} and at most {AHEAD_S_MAX:.0f}, not {given!r}"
        raise ValueError(message)
    return seconds


def _text(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000)}ms"
