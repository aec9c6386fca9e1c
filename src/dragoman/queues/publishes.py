"""Messages as MQTT 5 has them: a content type, a response topic, correlation data and user properties.

CloudEvents in binary mode have their attributes as user properties with their own names, as the MQTT binding says: one
with a `specversion` is an event, and those of its properties that could be attributes are.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from dragoman.queues.cloudevents import NAME, PREFIX
from dragoman.queues.message import NO_HEADERS, Message

if TYPE_CHECKING:
    from dragoman.queues.message import Outgoing

IDENTITY = "message-id"
"""The user property that tells a message which was sent twice; MQTT has no property for it."""
STRING_BYTES_MAX = 65535
"""MQTT counts the bytes of its strings in 16 bits."""
CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION = "ContentType", "ResponseTopic", "CorrelationData"


def read(body: bytes, properties: Any) -> Message:
    """A message as it was delivered."""
    told: dict[str, str] = {name.lower(): value for name, value in getattr(properties, "UserProperty", ())}
    identity = told.pop(IDENTITY, "") or uuid.uuid4().hex
    event = "specversion" in told
    headers = {f"{PREFIX}{name}" if event and NAME.fullmatch(name) else name: value for name, value in told.items()}
    if content_type := getattr(properties, CONTENT_TYPE, ""):
        headers["content-type"] = content_type
    if topic := getattr(properties, RESPONSE_TOPIC, ""):
        headers["reply-to"] = topic
    if correlation := getattr(properties, CORRELATION, b""):
        headers["correlation-id"] = correlation.decode("utf-8", "surrogateescape")
    return Message(identity, body, headers or NO_HEADERS)


def written(outgoing: Outgoing) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The properties of a message that is to be sent, and its user properties."""
    properties: dict[str, Any] = {CONTENT_TYPE: "application/json"}
    said: list[tuple[str, str]] = []
    for name, value in outgoing.headers.items():
        if name == "content-type":
            properties[CONTENT_TYPE] = value
        elif name == "correlation-id":
            properties[CORRELATION] = value.encode("utf-8", "surrogateescape")
        elif name == "reply-to":
            properties[RESPONSE_TOPIC] = value
        else:
            said.append((name.removeprefix(PREFIX), value.encode("utf-8", "replace").decode()))
    if outgoing.id:
        said.append((IDENTITY, outgoing.id))
    return properties, said
