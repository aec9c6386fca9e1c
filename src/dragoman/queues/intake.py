"""From a message to a call: its body, and what its headers ask for. All of it was written by somebody else.

    content-type          codec of the body; JSON where nothing is said, or raw bytes where the function takes those
    traceparent           trace context (W3C), with tracestate
    dragoman-timeout      how long the call may take once it has begun here, as "2s"
    dragoman-deadline     when it must have ended, as RFC 3339; a CloudEvent's expirytime says the same
    dragoman-priority     critical, normal or batch
    dragoman-function     which function, where the queue leaves that to messages
    idempotency-key       makes messages one; else the message's id does, so that one delivered twice is one call
    correlation-id        comes back with the result; else the message's id does

A CloudEvent may have traceparent, tracestate, expirytime, correlationid and the others (without their dashes) as
extension attributes.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from dragoman.core.call import Codec, Priority, priority_of
from dragoman.core.fault import Breach, InvalidArgument
from dragoman.core.units import duration
from dragoman.queues.cloudevents import Event, open_event
from dragoman.queues.media import codec_of, essence
from dragoman.queues.message import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.queues.message import Message

KEY_CHARS_MAX = 255
"""A UUID has 36; nobody who keeps keys takes longer ones than this."""
TIMEOUT_S_MAX = 30 * 24 * 3600.0
TIME_CHARS_MAX = 40
"""RFC 3339 with nanoseconds and a zone has 35."""
NAME_CHARS_MAX = 256
CORRELATION_CHARS_MAX = 1024

HEADERS = (
    "traceparent",
    "tracestate",
    "dragoman-timeout",
    "dragoman-deadline",
    "dragoman-priority",
    "dragoman-function",
    "idempotency-key",
    "correlation-id",
)
"""Those that are read, besides content-type; as attributes of an event they have no dashes."""


class Asked(NamedTuple):
    """What a message asks for. Empty, NONE or 0 where it says nothing; `deadline_at` in seconds since the epoch."""

    body: bytes
    codec: Codec = Codec.NONE
    function: str = ""
    key: str = ""
    correlation: str = ""
    traceparent: str = ""
    tracestate: str = ""
    timeout_s: float = 0.0
    deadline_at: float = 0.0
    priority: Priority | None = None
    event: Event | None = None


def read(message: Message, *, events: bool = False) -> Asked:
    """Read a message; `events`: it must be a CloudEvent. Raises `InvalidArgument` with what is wrong, and where."""
    headers = message.headers
    if not headers and not events:
        return Asked(message.body)
    opened = open_event(message, required=events)
    if opened is None:
        return _read(message.body, headers.get("content-type", ""), headers, None)
    # What stands beside an event is about this one delivery of it, and comes first.
    attributes = opened.event.attributes
    said = {name: attributes[plain] for name in HEADERS if (plain := name.replace("-", "")) in attributes}
    if "expirytime" in attributes:
        said.setdefault("dragoman-deadline", attributes["expirytime"])
    said.setdefault("idempotency-key", _event_key(opened.event))
    said |= {name: headers[name] for name in HEADERS if name in headers}
    return _read(opened.data, opened.content_type, said, opened.event)


def _read(body: bytes, content_type: str, headers: Mapping[str, str], event: Event | None) -> Asked:
    codec = codec_of(content_type) if content_type else Codec.NONE
    if codec is None:
        shown = essence(content_type)[:100]
        raise _wrong("content-type", f"cannot read a body of type {shown}: send application/json")
    if headers is NO_HEADERS:
        return Asked(body, codec, event=event)
    get = headers.get
    priority = get("dragoman-priority")
    return Asked(
        body,
        codec,
        _bounded("dragoman-function", get("dragoman-function", ""), NAME_CHARS_MAX),
        _key(get("idempotency-key", "")),
        _bounded("correlation-id", get("correlation-id", ""), CORRELATION_CHARS_MAX),
        get("traceparent", ""),
        get("tracestate", ""),
        _timeout(get("dragoman-timeout", "")),
        _moment(get("dragoman-deadline", "")),
        None if priority is None else _priority(priority),
        event,
    )


def _event_key(event: Event) -> str:
    """An event is the same where source and id are; too long for a key, and the message's own id has to do."""
    key = f"{event.attributes['source']} {event.id}"
    return key if len(key) <= KEY_CHARS_MAX and key.isascii() and key.isprintable() else ""


def _key(text: str) -> str:
    if text and not (len(text) <= KEY_CHARS_MAX and text.isascii() and text.isprintable()):
        raise _wrong("idempotency-key", f"expected at most {KEY_CHARS_MAX} printable ASCII characters")
    return text


def _bounded(name: str, text: str, chars_max: int) -> str:
    if len(text) > chars_max:
        raise _wrong(name, f"expected at most {chars_max} characters, found {len(text)}")
    return text


def _timeout(text: str) -> float:
    if not text:
        return 0.0
    try:
        seconds = duration(text)
    except ValueError as error:
        raise _wrong("dragoman-timeout", str(error)) from None
    if not 0 < seconds <= TIMEOUT_S_MAX:
        raise _wrong("dragoman-timeout", f"expected more than 0s and at most 30d, found {text}")
    return seconds


def _moment(text: str) -> float:
    if not text:
        return 0.0
    try:
        if len(text) > TIME_CHARS_MAX:
            raise ValueError  # noqa: TRY301 - one way out for every reason
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError  # noqa: TRY301 - as above
        return max(moment.timestamp(), 1e-6)
    except (ValueError, OverflowError):
        shown = repr(text[:TIME_CHARS_MAX])
        raise _wrong("dragoman-deadline", f"expected a moment such as 2026-01-31T12:00:00Z, found {shown}") from None


def _priority(text: str) -> Priority:
    try:
        return priority_of(text.strip().lower())
    except ValueError as error:
        raise _wrong("dragoman-priority", str(error)) from None


def _wrong(header: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"the header {header}: {message}", errors=(Breach(f"/headers/{header}", message),))
