"""Media types of bodies, by codec."""

from __future__ import annotations

from dragoman.contract.table import MEDIA_TYPE as ARROW
from dragoman.core.call import Codec

JSON = "application/json"
PROBLEM = "application/problem+json"

CODECS = {
    JSON: Codec.JSON,
    "text/json": Codec.JSON,
    "application/msgpack": Codec.MSGPACK,
    "application/x-msgpack": Codec.MSGPACK,
    "application/vnd.msgpack": Codec.MSGPACK,
    "application/octet-stream": Codec.BYTES,
    ARROW: Codec.ARROW,
}
TYPES = {
    Codec.NONE: JSON,
    Codec.JSON: JSON,
    Codec.MSGPACK: "application/msgpack",
    Codec.BYTES: "application/octet-stream",
    Codec.ARROW: ARROW,
}


def essence(content_type: str) -> str:
    """A media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def codec_of(content_type: str) -> Codec | None:
    """The codec of a body; JSON where nothing is said, None for a type that is none of ours."""
    media = essence(content_type)
    if not media or media.endswith("+json"):
        return Codec.JSON
    return CODECS.get(media)
