"""What a request's `Content-Type` and `Accept` mean for one function: its body's codec, and the form of the reply.

The same few headers come with every call, so each combination is worked out once and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING

from dragoman.contract.table import MEDIA_TYPE
from dragoman.core.call import Codec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.core.target import Target

PLANS_MAX = 1024
"""Remembered combinations: a few per client library; the rest are worked out each time."""
RANGES_MAX = 32
"""Media ranges read from one `Accept`; more is nobody's real header."""

JSON, MSGPACK, BYTES = b"application/json", b"application/msgpack", b"application/octet-stream"
ARROW = MEDIA_TYPE.encode()
JSONL, SSE = b"application/jsonl", b"text/event-stream"

BODY_CODECS = {
    b"application/json": Codec.JSON,
    b"text/json": Codec.JSON,
    b"application/msgpack": Codec.MSGPACK,
    b"application/x-msgpack": Codec.MSGPACK,
    b"application/vnd.msgpack": Codec.MSGPACK,
    b"application/octet-stream": Codec.BYTES,
    ARROW: Codec.ARROW,
}


LINES_TYPES = frozenset({JSONL, b"application/x-ndjson", b"application/x-jsonlines"})
"""Bodies whose lines are the items of an input stream."""


class Form(Enum):
    """How a reply is laid out in the response."""

    UNARY = auto()
    LINES = auto()
    EVENTS = auto()
    ARRAY = auto()
    JOINED = auto()


@dataclass(frozen=True, slots=True)
class Plan:
    """How one call is read and answered. `problem` is set where it cannot be: an HTTP status and why.

    `feeds` says that the body is the function's input stream, and the query the rest of its input.
    """

    codec: Codec = Codec.JSON
    reply_codec: Codec = Codec.JSON
    form: Form = Form.UNARY
    content_type: bytes = JSON
    problem: tuple[int, str] | None = None
    feeds: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What a function takes and gives, as far as media types depend on it."""

    streaming: bool
    raw_input: bool
    raw_output: bool
    input_stream: bool = False
    gives_table: bool = False


def shape_of(target: Target) -> Shape:
    """The shape of a target."""
    return Shape(target.streaming, target.raw_input, target.raw_output, bool(target.input_stream), target.gives_table)


@lru_cache(maxsize=PLANS_MAX)
def plan(content_type: bytes, accept: bytes, shape: Shape) -> Plan:
    """Decide for one combination of headers; absent ones are given as empty."""
    media = content_type.partition(b";")[0].strip().lower()
    feeds = media in LINES_TYPES
    if feeds and not shape.input_stream:
        return Plan(problem=(415, "this function takes no input stream; send application/json or application/msgpack"))
    if not media or feeds:
        codec = Codec.JSON
    elif media in BODY_CODECS:
        codec = BODY_CODECS[media]
    elif media.startswith(b"application/") and media.endswith(b"+json"):
        codec = Codec.JSON
    else:
        shown = media[:100].decode("latin-1")
        return Plan(problem=(415, f"cannot read a body of type {shown}; send application/json or application/msgpack"))
    if codec >= Codec.BYTES and not shape.raw_input:
        what = "raw bytes" if codec is Codec.BYTES else "table by itself"
        return Plan(problem=(415, f"this function takes no {what}; send application/json or application/msgpack"))
    offers = _offers(codec, shape)
    for wanted in _ranges(accept):
        for offer in offers:
            if _matches(wanted, offer[0]):
                return Plan(codec, offer[1], offer[2], offer[0], feeds=feeds)
    known = ", ".join(dict.fromkeys(offer[0].decode() for offer in offers))
    return Plan(problem=(406, f"this function cannot answer with what Accept asks for; it can with {known}"))


def choose(accept: bytes, offers: Sequence[tuple[bytes, Codec]]) -> Codec | None:
    """The codec of the media type, of those on offer with the best first, that an `Accept` asks for; None for none."""
    for wanted in _ranges(accept):
        for media, codec in offers:
            if _matches(wanted, media):
                return codec
    return None


def _offers(codec: Codec, shape: Shape) -> list[tuple[bytes, Codec, Form]]:
    """What a function can answer with, best first."""
    lines = [(JSONL, Codec.JSON, Form.LINES), (b"application/x-ndjson", Codec.JSON, Form.LINES)]
    events = [(SSE, Codec.JSON, Form.EVENTS)]
    if shape.streaming:
        # Arrow streams do not join to one: tables come as the records of each.
        raw = [(BYTES, Codec.BYTES, Form.JOINED)] if shape.raw_output and not shape.gives_table else []
        packed = [(MSGPACK, Codec.MSGPACK, Form.JOINED)]
        return [*raw, *lines, *events, *packed, (JSON, Codec.JSON, Form.ARRAY)]
    unary = {
        Codec.JSON: (JSON, Codec.JSON, Form.UNARY),
        Codec.MSGPACK: (MSGPACK, Codec.MSGPACK, Form.UNARY),
    }
    first = [unary.pop(codec)] if codec in unary else []
    raw = [(BYTES, Codec.BYTES, Form.UNARY), (ARROW, Codec.ARROW, Form.UNARY)] if shape.raw_output else []
    if shape.gives_table or codec is Codec.ARROW:
        raw.reverse()
    ordered = [*raw, *first] if codec >= Codec.BYTES else [*first, *raw]
    return [*ordered, *unary.values(), *lines, *events]


def _ranges(accept: bytes) -> list[bytes]:
    """The media ranges of an `Accept`, most wanted first; those with `q=0` left out."""
    if not accept:
        return [b"*/*"]
    weighted: list[tuple[float, bytes]] = []
    for part in accept.split(b",")[:RANGES_MAX]:
        media, *parameters = part.split(b";")
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.strip().partition(b"=")
            if name.strip().lower() == b"q":
                quality = _quality(value)
        if quality > 0 and media.strip():
            weighted.append((quality, media.strip().lower()))
    weighted.sort(key=lambda pair: -pair[0])
    return [media for _, media in weighted]


def _quality(value: bytes) -> float:
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 1.0


def _matches(wanted: bytes, offer: bytes) -> bool:
    if wanted in (offer, b"*/*"):
        return True
    kind, _, rest = wanted.partition(b"/")
    if rest == b"*":
        return offer.startswith(kind + b"/")
    return wanted in BODY_CODECS and offer in BODY_CODECS and BODY_CODECS[wanted] is BODY_CODECS[offer]
