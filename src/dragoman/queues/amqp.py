"""Messages as RabbitMQ has them: properties and headers of AMQP 0-9-1, and places in the notation of AMQP 1.0.

CloudEvents in binary mode have their attributes as headers that begin with `cloudEvents:`, as the AMQP binding says;
those with `cloudEvents_`, which other systems may prefer, are read too.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from dragoman.queues.cloudevents import PREFIX
from dragoman.queues.headers import short, text_of
from dragoman.queues.message import NO_HEADERS, Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.queues.message import Outgoing

SHORT_BYTES_MAX = 255
"""AMQP's "short string": what properties are, and names of headers."""
EVENT = "cloudEvents:"
EVENT_READ = ("cloudevents:", "cloudevents_")
DELIVERIES = "dragoman-deliveries"
"""Of a message that was given back: how often it had been delivered before."""
SERVERS = frozenset({"x-delivery-count", "x-acquired-count", DELIVERIES})
"""Headers about one delivery: told as such, and not repeated to whoever comes after."""
PROPERTIES = {"content-type": "content_type", "correlation-id": "correlation_id", "reply-to": "reply_to"}
"""Headers that are properties here."""
DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)


class Place(NamedTuple):
    """Where a message is published to; `queue` is the queue that this must mean, empty where it is an exchange."""

    exchange: str
    key: str
    queue: str


def place_of(text: str) -> Place:
    """Read a place: the name of a queue, `/queues/NAME` or `/exchanges/NAME/KEY`, whose parts are percent-encoded."""
    if text.startswith("/exchanges/"):
        exchange, _, key = text.removeprefix("/exchanges/").partition("/")
        return Place(unquote(exchange), unquote(key), "")
    queue = unquote(text.removeprefix("/queues/")) if text.startswith("/queues/") else text
    return Place("", queue, queue)


@dataclass(eq=False, slots=True)
class Tag:
    """What settles one delivery: its number on its channel. `deliveries` as the server has counted them."""

    number: int
    deliveries: int


def read(body: bytes, properties: Any, number: int) -> Message:
    """A message as it was delivered."""
    headers: dict[str, str] = {}
    told = properties.headers or NO_HEADERS
    for name, value in told.items():
        text = text_of(value)
        if text is not None and (low := name.lower()) not in SERVERS:
            headers[_plain(low)] = text
    for name, attribute in PROPERTIES.items():
        if value := getattr(properties, attribute):
            headers[name] = value
    deliveries = 1 + _count(told, "x-delivery-count") + _count(told, DELIVERIES)
    identity = properties.message_id or uuid.uuid4().hex
    return Message(identity, body, headers or NO_HEADERS, deliveries, token=Tag(number, deliveries))


def written(outgoing: Outgoing) -> tuple[dict[str, Any], dict[str, str]]:
    """The properties of a message that is to be sent, and its headers."""
    properties: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for name, value in outgoing.headers.items():
        if name in PROPERTIES and len(value.encode("utf-8", "replace")) <= SHORT_BYTES_MAX:
            properties[PROPERTIES[name]] = value
        elif name.startswith(PREFIX):
            headers[f"{EVENT}{name.removeprefix(PREFIX)}"] = value
        else:
            headers[name] = value
    properties.setdefault("content_type", "application/json")
    if outgoing.id:
        properties["message_id"] = short(outgoing.id, SHORT_BYTES_MAX)
    return properties, headers


def _plain(name: str) -> str:
    for prefix in EVENT_READ:
        if name.startswith(prefix):
            return f"{PREFIX}{name.removeprefix(prefix)}"
    return name


def _count(headers: Mapping[str, Any], name: str) -> int:
    text = text_of(headers.get(name, 0)) or ""
    return int(text) if DIGITS.fullmatch(text) else 0
