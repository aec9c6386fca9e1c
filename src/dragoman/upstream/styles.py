"""How a parameter's value is written into a path, a query, a header or a cookie: the styles of OpenAPI (RFC 6570)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from dragoman.contract.codecs import json
from dragoman.contract.pointer import pointer
from dragoman.core.fault import Breach

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.upstream.operation import Parameter

RESERVED = ":/?#[]@!$&'()*+,;="
"""What `allowReserved` leaves as it is (RFC 3986, section 2.2)."""

_DELIMITERS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


class Unfit(ValueError):  # noqa: N818 - names the condition, as all of our errors do
    """A value that cannot stand where it should go; `breach` says so to the caller."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.breach = Breach(pointer([key]), message)


def in_path(parameter: Parameter, value: Any) -> str:
    """The part of a path. Raises `Unfit` where it would be another path."""
    encode = _encoder("")
    name = encode(parameter.name)
    style, explode = parameter.style, parameter.explode
    if parameter.as_json or not isinstance(value, (list, dict)):
        plain = text(parameter, value)
        if plain in ("", ".", ".."):
            raise Unfit(parameter.key, "is part of a path, and cannot be empty or dots alone")
        joined = encode(plain)
        return {"simple": joined, "label": f".{joined}", "matrix": f";{name}={joined}"}[style]
    parts = _parts(parameter, value, encode)  # pyright: ignore[reportUnknownArgumentType] - any JSON
    if not parts:
        raise Unfit(parameter.key, "is part of a path, and cannot be empty")
    if style == "matrix":
        named = isinstance(value, dict) and explode
        return (
            "".join(f";{part}" if named else f";{name}={part}" for part in parts)
            if explode
            else (f";{name}={','.join(parts)}")
        )
    if style == "label":
        return "." + ("." if explode else ",").join(parts)
    return ",".join(parts)


def in_query(parameter: Parameter, value: Any) -> list[str]:
    """The pairs of a query, encoded."""
    encode = _encoder(RESERVED.replace("&", "").replace("#", "").replace("+", "") if parameter.reserved else "")
    name = encode(parameter.name)
    if parameter.as_json or not isinstance(value, (list, dict)):
        return [f"{name}={encode(text(parameter, value))}"]
    if isinstance(value, dict) and parameter.style == "deepObject":
        members = cast("dict[str, Any]", value).items()
        return [f"{name}%5B{encode(key)}%5D={encode(text(parameter, each))}" for key, each in members]
    parts = _parts(parameter, value, encode)  # pyright: ignore[reportUnknownArgumentType] - any JSON
    if not parts:
        return []
    if parameter.explode:
        return parts if isinstance(value, dict) else [f"{name}={part}" for part in parts]
    return [f"{name}={_DELIMITERS.get(parameter.style, ',').join(parts)}"]


def in_header(parameter: Parameter, value: Any) -> str:
    """The value of a header. Raises `Unfit` for what no header may hold."""
    if parameter.as_json or not isinstance(value, (list, dict)):
        written = text(parameter, value)
    else:
        written = ",".join(_parts(parameter, value, str))  # pyright: ignore[reportUnknownArgumentType] - any JSON
    if not written.isascii() or any(char < " " or char == "\x7f" for char in written) or written != written.strip():
        raise Unfit(parameter.key, "goes into a header: printable ASCII, without space around it")
    return written


def in_cookie(parameter: Parameter, value: Any) -> str:
    """One cookie."""
    encode = _encoder("")
    if parameter.as_json or not isinstance(value, (list, dict)):
        return f"{encode(parameter.name)}={encode(text(parameter, value))}"
    return f"{encode(parameter.name)}={'%2C'.join(_parts(parameter, value, encode))}"  # pyright: ignore[reportUnknownArgumentType] - any JSON


def text(parameter: Parameter, value: Any) -> str:
    """One value as text: strings as they are, everything else as JSON."""
    if isinstance(value, str) and not parameter.as_json:
        return value
    return json.encode(value).decode()


def _parts(parameter: Parameter, value: list[Any] | dict[str, Any], encode: Callable[[str], str]) -> list[str]:
    if isinstance(value, list):
        return [encode(text(parameter, each)) for each in value]
    pairs = [(encode(key), encode(text(parameter, each))) for key, each in value.items()]
    if parameter.explode:
        return [f"{key}={each}" for key, each in pairs]
    return [part for pair in pairs for part in pair]


def _encoder(safe: str) -> Callable[[str], str]:
    def encode(plain: str) -> str:
        return quote(plain, safe=safe)

    return encode
