"""CloudEvents 1.0, structured (JSON) and binary: read from headers and a body, and written as such.

In binary mode attributes are headers that begin with `ce-`: each broker renames them to what its protocol binding says
(https://github.com/cloudevents/spec, `bindings/`). Data are never decoded: they stay the bytes that they came as.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, NamedTuple, cast

from dragoman.contract.codecs import json as strict
from dragoman.contract.codecs.typed import DECODING_ERRORS, keys_json
from dragoman.contract.malformed import Malformed
from dragoman.core.fault import Breach, InvalidArgument
from dragoman.queues.media import JSON, essence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.queues.message import Message

VERSION = "1.0"
STRUCTURED = "application/cloudevents+json"
PREFIX = "ce-"
REQUIRED = ("id", "source", "type")
NAME = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
"""The specification asks for 20 characters at most, and takes more."""
ATTRIBUTES_MAX = 256
"""Brokers bound headers to much less; this is for events that are JSON."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class Event(NamedTuple):
    """The attributes of an event, without its data; `structured` says in which mode it came."""

    attributes: Mapping[str, str]
    structured: bool

    @property
    def id(self) -> str:
        """What tells it apart from others of its source."""
        return self.attributes["id"]


class Opened(NamedTuple):
    """An event, and its data with their media type."""

    event: Event
    content_type: str
    data: bytes


def open_event(message: Message, *, required: bool) -> Opened | None:
    """Read the event that a message says it is; None for one that does not, where an event is not `required`.

    A message that says nothing is read as a structured event where one is required. Raises `InvalidArgument`.
    """
    headers = message.headers
    media = essence(headers.get("content-type", ""))
    if media.startswith("application/cloudevents"):
        if media != STRUCTURED:
            raise InvalidArgument(f"cannot read an event of type {media[:100]}: send {STRUCTURED}, or binary mode")
        return _structured(message.body)
    if f"{PREFIX}specversion" in headers:
        return _binary(headers, message.body)
    if not required:
        return None
    if media and media != JSON:
        raise InvalidArgument(f"expected a CloudEvent, found a body of type {media[:100]} and no ce-specversion")
    return _structured(message.body)


def close_event(attributes: Mapping[str, str], content_type: str, data: bytes, *, structured: bool) -> Opened:
    """Write an event: the type and the body of its message, and in binary mode an `Event` with what goes to headers."""
    said = {"specversion": VERSION, **attributes}
    if not structured:
        return Opened(
            Event({f"{PREFIX}{name}": value for name, value in said.items()}, structured=False), content_type, data
        )
    said["datacontenttype"] = content_type
    head = _encode(said)[:-1].encode("utf-8", "replace")
    media = essence(content_type)
    if media == JSON or media.endswith("+json"):
        body = b'%b,"data":%b}' % (head, data or b"null")
    else:
        body = b'%b,"data_base64":"%b"}' % (head, base64.b64encode(data))
    return Opened(Event({}, structured=True), STRUCTURED, body)


def _binary(headers: Mapping[str, str], body: bytes) -> Opened:
    attributes = {
        name.removeprefix(PREFIX): value
        for name, value in headers.items()
        if name.startswith(PREFIX) and NAME.fullmatch(name, len(PREFIX))
    }
    _check(attributes)
    return Opened(Event(attributes, structured=False), headers.get("content-type", JSON), body)


def _structured(body: bytes) -> Opened:
    try:
        members = keys_json(body)
    except DECODING_ERRORS as error:
        raise InvalidArgument(f"expected a CloudEvent as a JSON object: {error}") from None
    if len(members) > ATTRIBUTES_MAX:
        raise InvalidArgument(f"an event has at most {ATTRIBUTES_MAX} attributes, this one {len(members)}")
    data, encoded = members.pop("data", None), members.pop("data_base64", None)
    if data is not None and encoded is not None:
        raise InvalidArgument("an event has data or data_base64, not both")
    attributes: dict[str, str] = {}
    for name, raw in members.items():
        if NAME.fullmatch(name) and (value := _attribute(name, bytes(raw))) is not None:
            attributes[name] = value
    _check(attributes)
    content_type = attributes.get("datacontenttype", JSON)
    event = Event(attributes, structured=True)
    if encoded is not None:
        return Opened(event, content_type, _decoded(bytes(encoded)))
    return Opened(event, content_type, _data(bytes(data or b""), content_type))


def _attribute(name: str, raw: bytes) -> str | None:
    try:
        value = strict.decode(raw)
    except Malformed as error:
        raise InvalidArgument(f"the attribute {name}: {error}") from None
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    raise _broken(name, "expected a string, a whole number or a boolean")


def _check(attributes: Mapping[str, str]) -> None:
    found = attributes.get("specversion")
    if found != VERSION:
        raise _broken("specversion", f"expected {VERSION!r}, found {(found or '')[:20]!r}")
    for name in REQUIRED:
        if not attributes.get(name):
            raise _broken(name, "is required")


def _broken(name: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"the event's {name} {message}", errors=(Breach(f"/{name}", message),))


def _data(raw: bytes, content_type: str) -> bytes:
    """The data of a structured event: JSON as it stands there, other types as the text of a JSON string."""
    media = essence(content_type)
    if media == JSON or media.endswith("+json") or not raw:
        return raw
    try:
        text = strict.decode(raw)
    except Malformed as error:
        raise InvalidArgument(f"the event's data: {error}") from None
    if not isinstance(text, str):
        raise _broken("data", f"of type {media[:100]} are a string, or data_base64")
    return text.encode()


def _decoded(raw: bytes) -> bytes:
    try:
        return base64.b64decode(cast("str", strict.decode(raw)), validate=True)
    except (Malformed, TypeError, ValueError, binascii.Error):
        raise _broken("data_base64", "is not a string of base64") from None
