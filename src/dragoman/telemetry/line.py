"""One log line: a JSON object of bounded length in which nothing can pose as something else.

Text from workers and callers is untrusted. Control characters, and the invisible ones that turn the direction of
writing, are written as escapes, so that neither a second line nor a terminal command gets through, also after a tool
like jq has decoded the JSON.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any, cast

LINE_BYTES_MAX = 8 * 1024
"""Longest line: log shippers commonly cut at 16 KiB, and a screen holds less than this."""

DEPTH_MAX = 6
"""Nesting that is written out; deeper values are shown by their size."""

ITEMS_MAX = 100
"""Items of a list or a mapping that are written out."""

VALUES_MAX = 1000
"""Values written out in all; more would never fit into a line, and walking them would hold up the host."""

KEY_CHARS_MAX = 100
"""Longest key that is written out."""

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_BLOCKS = frozenset({"traceback"})
"""Fields whose line breaks are kept; JSON escapes them and the terminal indents them."""

_INVISIBLE = (0x061C, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x206A), 0xFEFF)
_ESCAPES = {
    **{number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0))},
    **{number: f"\\u{number:04x}" for number in _INVISIBLE},
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\t",
}
_ESCAPES_IN_BLOCKS = _ESCAPES | {ord("\n"): "\n"}

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def visible(text: str, *, block: bool = False) -> str:
    r"""Write control and invisible characters as escapes (`\x1b`); tabs stay, line breaks only in a `block`."""
    if _UNSAFE.search(text) is None:
        return text
    escaped = text.translate(_ESCAPES_IN_BLOCKS if block else _ESCAPES)
    # What is left to escape are halves of surrogate pairs, which no encoding takes.
    return escaped.encode("utf-8", "backslashreplace").decode()


def render(fields: Mapping[str, object]) -> bytes:
    """Write the fields as one line of JSON, at most `LINE_BYTES_MAX` with its line break, whatever they hold.

    What is too long is cut, with a note in its place; of a traceback the end is kept. Never raises.
    """
    view = _Plain().view
    plain = {
        visible(key[:KEY_CHARS_MAX]): view(value, block=key in _BLOCKS)
        for key, value in islice(fields.items(), ITEMS_MAX)
    }
    line = _encode(plain)
    if len(line) > LINE_BYTES_MAX:
        line = _cut(plain, fields)
    return line


def _encode(plain: Mapping[str, object]) -> bytes:
    return _dumps(plain).encode() + b"\n"


def _cut(plain: dict[str, Any], fields: Mapping[str, object]) -> bytes:
    originals = {key: value for key, value in fields.items() if isinstance(value, str)}
    texts = {key: value if isinstance(value, str) else _dumps(value) for key, value in plain.items()}
    # Each turn shortens the longest text that is left by the whole excess, so a few turns suffice.
    for _ in range(ITEMS_MAX):
        line = _encode(plain)
        excess = len(line) - LINE_BYTES_MAX
        if excess <= 0:
            return line
        key = max(texts, key=lambda name: len(texts[name]))
        length = len(originals.get(key, texts[key]))
        plain[key] = texts[key] = _shortened(texts[key], excess, f"({length} characters)", keep_end=key in _BLOCKS)
    return _encode({key: visible(_text(fields[key]))[:KEY_CHARS_MAX] for key in list(fields)[:3]})


def _shortened(text: str, excess: int, note: str, *, keep_end: bool) -> str:
    def part(chars: int) -> str:
        return text[len(text) - chars :] if keep_end else text[:chars]

    target_bytes = _size(text) - excess - len(f"{note} …".encode())
    kept = bisect_right(range(len(text) + 1), target_bytes, key=lambda chars: _size(part(chars))) - 1
    if kept <= 0:
        return note if len(note) < len(text) else ""
    return f"{note} …{part(kept)}" if keep_end else f"{part(kept)}… {note}"


def _size(text: str) -> int:
    return len(_dumps(text).encode())


class _Plain:
    """Views any value as what JSON can hold, within a budget of values."""

    def __init__(self) -> None:
        self.left = VALUES_MAX
        self.chars_left = LINE_BYTES_MAX * 4

    def view(self, value: object, depth: int = 0, *, block: bool = False) -> Any:
        self.left -= 1
        if isinstance(value, str):
            return self._text(str(value), block=block)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value) if -(2**63) <= value < 2**64 else hex(value)[:LINE_BYTES_MAX]
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            items = cast("Mapping[object, object] | Collection[object]", value)
            return self._items(items, depth) if depth < DEPTH_MAX and self.left > 0 else f"({len(items)} items)"
        return visible(_text(value)[:LINE_BYTES_MAX])

    def _text(self, text: str, *, block: bool) -> str:
        # A text that is too long is cut to its final size later, when the rest of the line is known.
        room = min(LINE_BYTES_MAX, self.chars_left)
        end = slice(max(len(text) - room, 0), None) if block else slice(room)
        kept = visible(text[end], block=block)
        kept = kept[max(len(kept) - room, 0) :] if block else kept[:room]
        self.chars_left -= len(kept)
        return kept

    def _items(self, items: Mapping[object, object] | Collection[object], depth: int) -> Any:
        room = min(ITEMS_MAX, self.left)
        if isinstance(items, Mapping):
            pairs = islice(cast("Mapping[object, object]", items).items(), room)
            return {visible(_text(key)[:KEY_CHARS_MAX]): self.view(item, depth + 1) for key, item in pairs}
        return [self.view(item, depth + 1) for item in islice(items, room)]


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a value that cannot be shown must not cost the line
        return f"<{type(value).__name__}: {type(error).__name__}>"
