"""The error of a body or value that a codec cannot carry; apart, so that every codec can raise it."""

from __future__ import annotations


class Malformed(ValueError):  # noqa: N818 - names the condition, as all of our errors do
    """A body that is not what its codec says, or a value that the codec has no way to write.

    `path` is a JSON Pointer to the place where it is known; empty for the whole.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{message} (at {path})" if path else message)
        self.message = message
        self.path = path
