"""What a caller says of its call in headers of their own: how much it matters, and which others are the same one."""

from __future__ import annotations

from dragoman.core.call import Priority, priority_of
from dragoman.wire.meta import IDEMPOTENCY_KEY_BYTES_MAX

IDEMPOTENCY_KEY, PRIORITY = b"idempotency-key", b"dragoman-priority"
MARKS = frozenset({IDEMPOTENCY_KEY, PRIORITY})
QUOTE, BACKSLASH = 0x22, 0x5C


def read_key(value: bytes) -> str:
    """The key of an `Idempotency-Key`: a structured string (RFC 9651 §3.3.3), or the bare text that many clients send.

    Raises `ValueError` for one that is empty, too long, or not printable ASCII.
    """
    text = value.strip()
    if text[:1] == b'"':
        text = unquoted(text)
    if not 0 < len(text) <= IDEMPOTENCY_KEY_BYTES_MAX:
        raise ValueError(f"Idempotency-Key: expected 1 to {IDEMPOTENCY_KEY_BYTES_MAX} characters, got {len(text)}")
    if not all(0x20 <= byte < 0x7F for byte in text):  # noqa: PLR2004 - printable ASCII
        raise ValueError("Idempotency-Key: expected printable ASCII")
    return text.decode("ascii")


def unquoted(text: bytes) -> bytes:
    """What a structured string says. Raises `ValueError` where it is none."""
    said, escaped = bytearray(), False
    for at, byte in enumerate(text[1:], 1):
        if escaped:
            if byte not in (QUOTE, BACKSLASH):
                break
            said.append(byte)
            escaped = False
        elif byte == BACKSLASH:
            escaped = True
        elif byte == QUOTE:
            # Parameters may follow; the draft defines none.
            if text[at + 1 :].strip()[:1] not in (b"", b";"):
                break
            return bytes(said)
        else:
            said.append(byte)
    raise ValueError('Idempotency-Key: expected a quoted string, such as "8e03978e-40d5-43e8-bc93-6894a57f9324"')


def read_priority(value: bytes) -> Priority:
    """The priority of a `Dragoman-Priority`. Raises `ValueError` for another word."""
    try:
        return priority_of(value.strip().decode("latin-1").lower())
    except ValueError as error:
        raise ValueError(f"Dragoman-Priority: {error}") from None
