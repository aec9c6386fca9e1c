"""JSON, strictly: UTF-8, one value, no duplicate keys, no NaN, integers of any size exact in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from dragoman.contract.culprit import locate, nonfinite
from dragoman.contract.malformed import Malformed
from dragoman.contract.nesting import CONTAINERS, DEPTH_MAX, check_depth, count_pairs
from dragoman.contract.plain import plain, type_name

_decode = msgspec.json.Decoder(strict=True).decode
_encode = msgspec.json.Encoder(enc_hook=plain).encode
_pack = msgspec.msgpack.Encoder(enc_hook=plain).encode
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NONFINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")


def decode(body: bytes | memoryview, decoder: Callable[[bytes | memoryview], Any] = _decode) -> Any:
    """Decode one JSON value, by a strict `decoder` of msgspec's where it is to be other values. Raises `Malformed`."""
    try:
        value = decoder(body)
    except RecursionError:
        message = f"not valid JSON: nested more than {DEPTH_MAX} levels deep"
        raise Malformed(message) from None
    except ValueError as error:
        message = f"not valid JSON: {error}"
        raise Malformed(message) from None
    if type(value) in CONTAINERS:
        _check(bytes(body), value)
    return value


def encode(value: Any) -> bytes:
    """Encode a value as JSON. Raises `Malformed`, with the place, for what JSON cannot say."""
    try:
        body = _encode(value)
    except Exception as error:  # hooks run the user's own objects, which may raise anything
        raise refusal(value, error, _encode) from error
    if b"null" in body and (path := _nonfinite_at(value)) is not None:
        message = (
            "NaN and infinity have no form in JSON: return None or a string in their place, or ask for MessagePack"
        )
        raise Malformed(message, path)
    return body


def refusal(value: Any, error: Exception, encoder: Any) -> Malformed:
    """Say why `encoder` would not write `value`: what, where and of which type."""
    if isinstance(error, RecursionError):
        return Malformed("the value contains itself, or nests too deep to be written")
    path, part = locate(value, encoder)
    kind = type_name(type(part))
    if isinstance(error, UnicodeEncodeError):
        return Malformed("text with a lone surrogate cannot be written as UTF-8", path)
    if isinstance(error, OverflowError):
        return Malformed("an integer past 64 bits does not fit MessagePack: ask for JSON, or return text", path)
    return Malformed(f"a value of type {kind} cannot be written: {error}"[:500], path)


def _check(body: bytes, value: dict[str, Any] | list[Any]) -> None:
    """Refuse depth, and keys that were given twice: the decoder keeps the last, so fewer pairs than colons are left."""
    if len(body) > DEPTH_MAX and body.count(b"[") + body.count(b"{") > DEPTH_MAX:
        check_depth(value)
    colons = body.count(b":")
    if colons == 0 or (isinstance(value, dict) and colons == len(value)):
        return
    pairs, _ = count_pairs(value)
    if pairs != colons and pairs != _STRING.sub(b"", body).count(b":"):
        message = "not valid JSON: an object gives the same key twice"
        raise Malformed(message)


def _nonfinite_at(value: Any) -> str | None:
    """Tell the null of a NaN from that of a None, by the MessagePack form, where the two differ."""
    try:
        if _NONFINITE.search(_pack(value)) is None:
            return None
    except OverflowError:
        pass  # an integer past 64 bits somewhere: look at every value instead
    return nonfinite(msgspec.to_builtins(value, enc_hook=plain, str_keys=True))
