"""One face over the codecs, for whoever must look inside a body: the untyped, strict `decode` and `encode`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman.contract.codecs import json, msgpack
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Codec

__all__ = ["WRITERS", "Malformed", "decode", "encode", "transcode"]


def decode(body: bytes | memoryview, codec: Codec) -> Any:
    """Decode a body. `NONE` must be empty and gives None; `BYTES` gives the bytes. Raises `Malformed`."""
    if codec == Codec.JSON:
        return json.decode(body)
    if codec == Codec.MSGPACK:
        return msgpack.decode(body)
    if codec == Codec.BYTES:
        return bytes(body)
    if codec == Codec.NONE and not body:
        return None
    raise Malformed(_unknown(codec, "read"))


def encode(value: Any, codec: Codec) -> bytes:
    """Encode a value; `BYTES` takes only bytes, `NONE` only None. Raises `Malformed`."""
    return WRITERS[codec](value)


def transcode(body: bytes, source: Codec, target: Codec) -> bytes:
    """Say the same in another codec. Raises `Malformed` where the target cannot say it."""
    return body if source == target else encode(decode(body, source), target)


def _unknown(codec: int, verb: str) -> str:
    name = Codec(codec).name if codec in Codec.__members__.values() else f"number {int(codec)}"
    return f"there is no way to {verb} a body of the codec {name} here: use JSON or MessagePack"


def _nothing(value: Any) -> bytes:
    if value is None:
        return b""
    raise Malformed(_unknown(Codec.NONE, "write"))


def _raw(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)  # pyright: ignore[reportUnknownArgumentType] - a memoryview of any shape
    message = f"raw output takes bytes, not {type(value).__name__}: ask for JSON or MessagePack"
    raise Malformed(message)


WRITERS: tuple[Callable[[Any], bytes], ...] = (_nothing, json.encode, msgpack.encode, _raw, _raw)
"""What writes each codec, by its number; an Arrow stream is bytes to whoever is not told of tables.

Each raises `Malformed`."""
