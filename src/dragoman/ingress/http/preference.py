"""What a caller prefers of the way in which it is answered: the `Prefer` header (RFC 7240)."""

from __future__ import annotations

import re

PREFERENCES_MAX = 32
"""Read from one request; more is nobody's real header."""
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PIECE = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
"""What stands between two commas; those in quotes do not count. Each byte is looked at once."""
_PREFERENCE = re.compile(
    rb'[ \t]*(%b)[ \t]*(?:=[ \t]*(?:(%b)|"((?:[^"\\]|\\.)*)")?)?[ \t]*(?:;.*)?' % (_TOKEN, _TOKEN), re.DOTALL
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def preferences(value: bytes) -> dict[str, str]:
    """The preferences of a header by name, in lower case, with their values; an empty one is as good as none.

    The first of a name counts. What is no preference, and the parameters of those that are, is passed over.
    """
    found: dict[str, str] = {}
    for number, piece in enumerate(_PIECE.finditer(value)):
        if number == PREFERENCES_MAX:
            break
        match = _PREFERENCE.fullmatch(piece[0])
        if match is None:
            continue
        name, word, quoted = match.groups()
        said = word or _ESCAPED.sub(rb"\1", quoted or b"")
        found.setdefault(name.lower().decode("ascii"), said.decode("latin-1"))
    return found
