"""What a running call tells besides its reply: log lines and progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the log. `stream` is `stdout` or `stderr` for printed output, `log` for `ctx.log`."""

    message: str
    level: str = "info"
    stream: str = "log"
    fields: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is: a share between 0 and 1, and a word about it."""

    share: float
    message: str = ""


Event = Log | Progress
