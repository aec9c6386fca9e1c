"""JSON bodies of frames: read strictly as I-JSON objects, and written so that any reader takes them.

No NaN, no lone surrogates, UTF-8 only. A reader replaces lone surrogates in place of refusing them: they come in the
text of log lines and exceptions, and a log line must not end a connection.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast

from dragoman.wire.fault import ProtocolFault, Reason


def dump(document: dict[str, Any]) -> bytes:
    """Encode an object. Raises `TypeError` or `ValueError` where a value is not JSON."""
    return _ENCODER.encode(document).encode("utf-8", "replace")


def load(body: bytes, what: str) -> dict[str, Any]:
    """Decode the body of a `what` frame, which must be a JSON object. Raises `ProtocolFault`."""
    try:
        document: object = _DECODER.decode(body.decode("utf-8"))
        if b"\\ud" in body or b"\\uD" in body:
            document = _scrub(document)
    except (ValueError, RecursionError) as error:
        raise ProtocolFault(Reason.JSON, f"the body of {what} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ProtocolFault(Reason.JSON, f"the body of {what} is {type(document).__name__}, not an object")
    return cast("dict[str, Any]", document)


def text(document: dict[str, Any], key: str, what: str, default: str | None = None) -> str:
    """A string of the object; an absent one is the default, or a fault where there is none."""
    value = document.get(key, default)
    if not isinstance(value, str):
        raise ProtocolFault(Reason.JSON, f"{what}: `{key}` must be a string, not {_name(value)}")
    return value


def number(document: dict[str, Any], key: str, what: str, default: float | None = None) -> float:
    """A number of the object; an absent one is the default, or a fault where there is none."""
    value = document.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProtocolFault(Reason.JSON, f"{what}: `{key}` must be a number, not {_name(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ProtocolFault(Reason.JSON, f"{what}: `{key}` is past every number that travels") from None


def integer(document: dict[str, Any], key: str, what: str, least: int, default: int | None = None) -> int:
    """A whole number, at least `least`; an absent one is the default, or a fault where there is none."""
    value = document.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProtocolFault(Reason.JSON, f"{what}: `{key}` must be a whole number, not {_name(value)}")
    if value < least:
        raise ProtocolFault(Reason.HANDSHAKE, f"{what}: `{key}` is {value}; it must be at least {least}")
    return value


def items(document: dict[str, Any], key: str, what: str) -> list[Any]:
    """A list of the object; an absent one is empty."""
    value = document.get(key, [])
    if not isinstance(value, list):
        raise ProtocolFault(Reason.JSON, f"{what}: `{key}` must be a list, not {_name(value)}")
    return cast("list[Any]", value)


def section(document: dict[str, Any], key: str, what: str) -> dict[str, Any]:
    """An object inside the object; an absent one is empty."""
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise ProtocolFault(Reason.JSON, f"{what}: `{key}` must be an object, not {_name(value)}")
    return cast("dict[str, Any]", value)


def _name(value: object) -> str:
    return "missing" if value is None else type(value).__name__


def _refuse(constant: str) -> NoReturn:
    message = f"{constant} is not JSON"
    raise ValueError(message)


def _finite(literal: str) -> float:
    value = float(literal)
    return value if math.isfinite(value) else _refuse(literal)


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_scrub(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {_scrub(key): _scrub(each) for key, each in cast("dict[str, Any]", value).items()}
    return value


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
