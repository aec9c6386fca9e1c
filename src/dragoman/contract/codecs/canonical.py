"""One form for all bodies that say the same: whatever the order of their properties, JSON or MessagePack.

The form is MessagePack with sorted keys. What a function could tell apart stays apart: an integer from a number with a
fraction (1 and 1.0), a negative zero, bytes from text, and a decimal of more digits than a float holds.
"""

from __future__ import annotations

from decimal import Decimal
from math import isinf
from typing import Any, cast

import msgspec

from dragoman.contract.codecs import json, msgpack
from dragoman.contract.malformed import Malformed
from dragoman.contract.nesting import kind_of
from dragoman.core.call import Codec

INTEGER, FRACTION = 1, 2
"""Extension types for numbers that MessagePack cannot say, as text. No body has any: the codecs refuse extensions."""


def canonical(body: bytes, codec: Codec, names: tuple[str, ...] = ()) -> bytes | None:
    """The one form of what a body says; `None` for a body that is not what its codec says, or is raw bytes.

    With `names`, only these properties of an object count. An empty body is an empty object, as functions read it.
    """
    if not body:
        return EMPTY
    if codec is not Codec.JSON and codec is not Codec.MSGPACK:
        return None
    try:
        value = json.decode(body, _decode_exactly) if codec is Codec.JSON else msgpack.decode(body)
        if names and type(value) is dict:
            given = cast("dict[str, Any]", value)
            value = {name: given[name] for name in names if name in given}
        try:
            return _encode(value)
        except OverflowError:
            return _encode(_boxed(value))
    except (Malformed, RecursionError):
        return None


def _boxed(value: Any) -> Any:
    """A value whose integers past 64 bits are text, marked as what they are."""
    kind = kind_of(value)
    if kind is dict:
        return {key: _boxed(each) for key, each in value.items()}
    if kind is list:
        return [_boxed(each) for each in value]
    if kind is int and not -(2**63) <= value < 2**64:
        # In hexadecimal, which takes no time that grows with the square of its length, and is not bounded.
        return msgspec.msgpack.Ext(INTEGER, b"%x" % value)
    return value


def _fraction(text: str) -> float | msgspec.msgpack.Ext:
    """A number as a float, where that loses nothing that its writer wrote. Raises `ValueError` past them all."""
    value = float(text)
    shortest = repr(value)
    if text == shortest:
        return value
    if isinf(value):
        raise ValueError("a number past what a float holds")
    try:
        if Decimal(text) == Decimal(shortest):
            return value
    except ArithmeticError:
        pass  # an exponent past what even a decimal holds
    return msgspec.msgpack.Ext(FRACTION, text.encode())


_decode_exactly = msgspec.json.Decoder(float_hook=_fraction).decode
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
EMPTY = _encode({})
