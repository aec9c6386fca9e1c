"""Calls from who knows nothing of the function, made to fit it as far as that can be done without reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.contract.codecs import msgpack
from dragoman.core.call import Codec

if TYPE_CHECKING:
    from dragoman.core.target import Target


def fitted(body: bytes | memoryview, codec: Codec, target: Target) -> tuple[bytes | memoryview, Codec]:
    """An input as its function takes it: an Arrow stream is the one table among the parameters.

    It is not looked at, only named; that copies it.
    """
    if codec is not Codec.ARROW or target.raw_input or len(target.tables) != 1:
        return body, codec
    (name,) = target.tables
    return msgpack.encode({name: body}), Codec.MSGPACK


def in_reach(target: Target, wanted: Codec) -> Codec:
    """The codec that comes nearest to the one wanted by a caller who does not know what the function gives."""
    if wanted < Codec.BYTES or target.gives_table:
        return wanted
    if target.raw_output:
        return Codec.BYTES
    return Codec.MSGPACK if wanted is Codec.ARROW else Codec.JSON
