"""How the value of a setting is written: what was read from the file, as the file would have it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, cast

from dragoman.config.kinds import Duration, Size, Whole
from dragoman.config.measures import Json, Rate
from dragoman.config.tasks import Secrets
from dragoman.core.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from dragoman.config.setting import Setting

VALUE_CHARS_MAX = 200
"""Of a value that is any JSON; the rest can be read in the file."""


def noted(setting: Setting, value: object) -> object:
    """A value in the units of the file, as plain JSON: `"30s"`, `"64MB"`, `0.5`, a list. None for a setting without."""
    match setting.kind:
        case Duration():
            found = format_duration(cast("float", value)) if value or setting.kind.off else None
        case Size():
            found = format_size(cast("int", value))
        case Rate():
            found = format_rate(cast("float", value)) if value else None
        case Whole():
            found = value if cast("int", value) >= setting.kind.least else None
        case Json():
            whole = cast("bytes", value).decode()
            found = json.loads(whole) if 0 < len(whole) <= VALUE_CHARS_MAX else whole[:VALUE_CHARS_MAX] or None
        case Secrets():
            found = _marked(cast("tuple[str, ...]", value))
        case _:
            found = _plain(value)
    return found


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(str(each) for each in cast("frozenset[object]", value))
    if isinstance(value, tuple):
        return list(cast("tuple[object, ...]", value))
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return value if isinstance(value, int) else str(value) or None


def _marked(secrets: tuple[str, ...]) -> object:
    """Secrets, told apart by a mark from which nobody finds them: they are random, and long."""
    mark = hashlib.sha256("\n".join(secrets).encode()).hexdigest()[:8]
    return f"{len(secrets)} secret{'' if len(secrets) == 1 else 's'} ({mark})" if secrets else None


def text(value: object) -> str:
    """A noted value on a line."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
