"""On which terms a call is taken as a durable task."""

from __future__ import annotations

from dataclasses import dataclass

ATTEMPTS_MAX = 1000
"""Of one task: as many as a function's settings may give it. Whoever needs more has no failure that passes."""
AHEAD_S_MAX = 10 * 365 * 24 * 3600.0
"""Ten years: what is to happen later than that is a slip of the pen, and past some year no calendar has it."""
CALLBACK_CHARS_MAX = 2000
"""What every server and proxy takes of a URL; it is kept with each task."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What whoever submits a call as a task may ask for besides the call.

    `delay_s` seconds until it may first run. `deadline_s` seconds in which all of it must end, waiting included;
    `attempt_s` for one attempt. `attempts_max` of them, the first one counted. 0 is what the function's own settings
    say; what is asked for may only be less than those. `callback` is where its end is told, as JSON, empty for
    nowhere.
    """

    delay_s: float = 0.0
    deadline_s: float = 0.0
    attempt_s: float = 0.0
    attempts_max: int = 0
    callback: bytes = b""
