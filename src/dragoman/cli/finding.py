"""One thing that `dragoman check` has looked at: how it stands, and what mends it."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """`remedy` is a command, or a sentence, for what is wrong; empty where all is well or nothing can be said."""

    topic: str
    well: bool
    detail: str
    remedy: str = ""
