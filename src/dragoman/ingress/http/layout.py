"""How the items of a streamed reply are laid out in the response's body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.ingress.http.negotiation import Form

if TYPE_CHECKING:
    from collections.abc import Iterable


class Layout:
    """Turns batches of encoded items into bytes of the body, in one of the streaming forms."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._begun = False

    def items(self, batch: Iterable[bytes]) -> bytes:
        """The bytes for the next items."""
        if self._form is Form.LINES:
            return b"".join(item + b"\n" for item in batch)
        if self._form is Form.EVENTS:
            return b"".join(b"data: " + item.replace(b"\n", b"\ndata: ") + b"\n\n" for item in batch)
        if self._form is Form.JOINED:
            return b"".join(batch)
        joined = b",".join(batch)
        start = b"," if self._begun else b"["
        self._begun = True
        return start + joined

    def end(self) -> bytes:
        """The bytes after the last item of a stream that is complete."""
        if self._form is Form.ARRAY:
            return b"]" if self._begun else b"[]"
        return b"event: end\ndata:\n\n" if self._form is Form.EVENTS else b""

    def fault(self, problem: bytes) -> tuple[bytes, bool]:
        """The bytes that tell of a failure after the head was sent, and whether the body may end as if complete.

        Server-sent events have a place for it. JSON Lines get it as a last line, `{"problem": …}`; like the forms
        that have no place at all, their body then breaks off, so that nobody can take it for complete.
        """
        if self._form is Form.EVENTS:
            return b"event: fault\ndata: " + problem + b"\n\n", True
        if self._form is Form.LINES:
            return b'{"problem":' + problem + b"}\n", False
        return b"", False
