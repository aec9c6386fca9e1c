"""What a caller may say of a call besides its input: how much it matters, and which others are the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dragoman.core.call import Priority, priority_of
from dragoman.wire.meta import IDEMPOTENCY_KEY_BYTES_MAX, encode_marks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.call import Call


class Marks(NamedTuple):
    """A call's priority, None for its function's own, and its idempotency key, empty for none."""

    priority: Priority | None = None
    idempotency_key: str = ""

    def entries(self) -> bytes:
        """As meta of a CALL."""
        return encode_marks(self.priority, self.idempotency_key)

    def headers(self) -> Mapping[str, str]:
        """As headers of a request. A key is a structured string (RFC 9651 §3.3.3)."""
        said: dict[str, str] = {}
        if self.priority is not None:
            said["dragoman-priority"] = self.priority.name.lower()
        if self.idempotency_key:
            key = self.idempotency_key.replace("\\", "\\\\").replace('"', '\\"')
            said["idempotency-key"] = f'"{key}"'
        return said

    def words(self) -> dict[str, str | None]:
        """As they were given."""
        word = None if self.priority is None else self.priority.name.lower()
        return {"priority": word, "idempotency_key": self.idempotency_key or None}

    def put(self, call: Call) -> None:
        """On a call of this process."""
        if self.priority is not None:
            call.priority = self.priority
        call.idempotency_key = self.idempotency_key


NONE = Marks()


def marks_of(priority: str | None, idempotency_key: object) -> Marks:
    """What a caller has given. Raises `ValueError` for another word, and for a key that cannot travel."""
    if priority is None and idempotency_key is None:
        return NONE
    # One that is empty is a variable that was not set, and whoever gave it counts on a key.
    if idempotency_key is None:
        key = ""
    elif (
        isinstance(idempotency_key, str)
        and 0 < len(idempotency_key) <= IDEMPOTENCY_KEY_BYTES_MAX
        and idempotency_key.isascii()
        and idempotency_key.isprintable()
    ):
        key = idempotency_key
    else:
        raise ValueError(f"an idempotency key is 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters")
    return Marks(None if priority is None else priority_of(priority), key)
