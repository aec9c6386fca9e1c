"""MessagePack, strictly: one value, no extension types but the timestamp.

Keys that are numbers become text, as JSON writes them: every codec gives the same value for the same input.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

import msgspec

from dragoman.contract.codecs.json import refusal
from dragoman.contract.malformed import Malformed
from dragoman.contract.nesting import CONTAINERS, DEPTH_MAX, check_depth, count_pairs
from dragoman.contract.plain import plain


def no_extension(code: int, _data: memoryview) -> NoReturn:
    """Refuse an extension type: no other codec, language or schema knows what it means."""
    message = f"extension type {code} is not known here"
    raise Malformed(message)


_decode = msgspec.msgpack.Decoder(strict=True, ext_hook=no_extension).decode
_encode = msgspec.msgpack.Encoder(enc_hook=plain).encode


def decode(body: bytes | memoryview) -> Any:
    """Decode one MessagePack value; a timestamp gives a `datetime`. Raises `Malformed`."""
    try:
        value = _decode(body)
    except RecursionError:
        message = f"not valid MessagePack: nested more than {DEPTH_MAX} levels deep"
        raise Malformed(message) from None
    except (ValueError, OverflowError, TypeError) as error:
        message = f"not valid MessagePack: {error}"
        raise Malformed(message) from None
    if type(value) in CONTAINERS:
        check_depth(value)
        pairs, textual = count_pairs(value)
        if not textual:
            return _with_text_keys(value, pairs)
    return value


def encode(value: Any) -> bytes:
    """Encode a value as MessagePack. Raises `Malformed`, with the place, for what it cannot say."""
    try:
        return _encode(value)
    except Exception as error:  # hooks run the user's own objects, which may raise anything
        raise refusal(value, error, _encode) from error


def _with_text_keys(value: Any, pairs: int) -> Any:
    try:
        textual = msgspec.to_builtins(value, builtin_types=(bytes, datetime), str_keys=True, enc_hook=plain)
    except (TypeError, ValueError) as error:
        message = f"the keys of an object must be text or numbers: {error}"
        raise Malformed(message) from None
    if count_pairs(textual) != (pairs, True):
        message = "an object gives the same key twice, as a number and as text"
        raise Malformed(message)
    return textual
