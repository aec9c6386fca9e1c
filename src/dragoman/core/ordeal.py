"""What a call brings upon whoever runs it, in a rehearsal."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Trouble(StrEnum):
    """What can be done to a worker as it is sent a call, to the frame that it is sent, or to its surroundings."""

    KILL = "kill"
    STOP = "stop"
    DROP = "drop"
    CORRUPT = "corrupt"
    MEMORY = "memory"
    CPU = "cpu"


class Ordeal(NamedTuple):
    """One trouble, and for how many seconds memory or processors are taken."""

    trouble: Trouble
    for_s: float = 0.0
