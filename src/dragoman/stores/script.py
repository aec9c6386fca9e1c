"""A Lua script of a server: named by its SHA-1, as `EVALSHA` wants, and sent whole only to a server that lacks it."""

from __future__ import annotations

import hashlib


class Script:
    """The text of a script, and the name by which a server knows it."""

    __slots__ = ("name", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.name = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
