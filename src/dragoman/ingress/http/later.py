"""What a request says that wants its call run as a durable task: `Prefer: respond-async`, and on which terms.

    `Prefer: respond-async, wait=5`    the task; or its result, if there is one within five seconds
    `Dragoman-Task-Delay: 10m`         not before then
    `Dragoman-Task-Deadline: 2h`       over by then, or stopped
    `Dragoman-Task-Attempts: 1`        so many attempts, and no more
    `Dragoman-Callback: https://…`     who is told of its end

What only a task can do makes a call one by itself: run at once, it would not be what was asked for.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from dragoman.core.terms import AHEAD_S_MAX, ATTEMPTS_MAX, CALLBACK_CHARS_MAX, Terms
from dragoman.core.units import duration, format_duration
from dragoman.ingress.http.preference import preferences

PREFER = b"prefer"
DELAY, DEADLINE, CALLBACK = b"dragoman-task-delay", b"dragoman-task-deadline", b"dragoman-callback"
ATTEMPTS = b"dragoman-task-attempts"
NAMES = {
    DELAY: "Dragoman-Task-Delay",
    DEADLINE: "Dragoman-Task-Deadline",
    ATTEMPTS: "Dragoman-Task-Attempts",
    CALLBACK: "Dragoman-Callback",
}
WISHES = frozenset({PREFER, *NAMES})
"""The headers that say it."""
ASYNC, WAIT = "respond-async", "wait"
WAIT_S_MAX = 60.0
"""Nobody is kept waiting for longer: proxies cut a connection on which nothing comes for a minute."""
DIGITS_MAX = 9


@dataclass(frozen=True, slots=True)
class Later:
    """That a call is to be a task: on which terms, and for how many seconds its caller waits for its result.

    `applied` are the preferences that a `202` meets, as `Preference-Applied` says them.
    """

    terms: Terms
    wait_s: float = 0.0
    applied: bytes = b"respond-async"


class Wishes:
    """Gathers the headers of one request."""

    __slots__ = ("_prefer", "_said")

    def __init__(self) -> None:
        self._prefer: list[bytes] = []
        self._said: dict[bytes, bytes] = {}

    def take(self, name: bytes, value: bytes) -> None:
        """Take one of the headers. Raises `ValueError` for two that differ."""
        if name == PREFER:
            self._prefer.append(value)
        elif self._said.setdefault(name, value) != value:
            raise ValueError(f"there are two {NAMES[name]} headers that differ")

    def later(self, attempt_s: float) -> Later | None:
        """What they come to; None where the call is to be answered at once. Raises `ValueError` where it is wrong.

        `attempt_s` is what the caller gives an attempt, infinite where it does not say.
        """
        preferred = preferences(b",".join(self._prefer))
        if ASYNC not in preferred and not self._said:
            return None
        terms = Terms(
            delay_s=self._seconds(DELAY),
            deadline_s=self._seconds(DEADLINE, least_s=0.001),
            attempt_s=attempt_s if attempt_s < math.inf else 0.0,
            attempts_max=attempts(self._said[ATTEMPTS]) if ATTEMPTS in self._said else 0,
            callback=callback(self._said[CALLBACK]) if CALLBACK in self._said else b"",
        )
        waits_s = wait_s(preferred[WAIT]) if WAIT in preferred else 0.0
        applied = [b"respond-async"] * (ASYNC in preferred) + [b"wait=%d" % waits_s] * (waits_s > 0)
        return Later(terms, waits_s, b", ".join(applied))

    def _seconds(self, name: bytes, least_s: float = 0.0) -> float:
        if name not in self._said:
            return 0.0
        try:
            seconds = duration(self._said[name].decode("latin-1").strip())
        except ValueError as error:
            raise ValueError(f"{NAMES[name]}: {error}") from None
        if not least_s <= seconds <= AHEAD_S_MAX:
            most = format_duration(AHEAD_S_MAX)
            raise ValueError(f"{NAMES[name]}: expected {'more than 0' if least_s else '0s'} to {most}")
        return seconds


def wait_s(text: str) -> float:
    """The seconds of a `wait` preference, at most those that anybody is kept. Raises `ValueError`."""
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise ValueError(f'Prefer: wait: expected whole seconds, as in "wait=5", found {text[:40]!r}')
    return min(float(text), WAIT_S_MAX)


def attempts(value: bytes) -> int:
    """How many attempts there may be. Raises `ValueError`."""
    text = value.decode("latin-1").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX and 1 <= int(text) <= ATTEMPTS_MAX):
        raise ValueError(f"{NAMES[ATTEMPTS]}: expected a whole number from 1 to {ATTEMPTS_MAX}, found {text[:40]!r}")
    return int(text)


def callback(value: bytes) -> bytes:
    """A callback as JSON; whoever stores it looks at what it says. Raises `ValueError` where it cannot be one."""
    text = value.decode("latin-1").strip()
    if not (0 < len(text) <= CALLBACK_CHARS_MAX and text.isascii() and text.isprintable()):
        raise ValueError(
            f'Dragoman-Callback: expected a URL such as "https://example.org/done", of at most {CALLBACK_CHARS_MAX} '
            f"characters of ASCII"
        )
    return json.dumps(text).encode()
