"""Messages as Kafka has them: records with a key and headers, and how to reach the servers of a URL.

CloudEvents in binary mode have their attributes as headers that begin with `ce_`, as the Kafka binding says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from dragoman.queues.address import address, asked, tls_of
from dragoman.queues.cloudevents import PREFIX
from dragoman.queues.headers import text_of
from dragoman.queues.message import NO_HEADERS, Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.queues.message import Outgoing

EVENT = "ce_"
IDENTITY = "message-id"
"""The header that tells a message which was sent twice; Kafka has no property for it."""
PORT = 9092


def read(record: Any) -> Message:
    """A message as it was delivered; its lane is its key."""
    headers: dict[str, str] = {}
    for name, value in record.headers:
        text = text_of(value)
        if text is not None:
            low = name.lower()
            headers[f"{PREFIX}{low.removeprefix(EVENT)}" if low.startswith(EVENT) else low] = text
    identity = headers.pop(IDENTITY, "") or f"{record.topic}/{record.partition}/{record.offset}"
    lane = (record.key or b"").decode("utf-8", "surrogateescape")
    return Message(identity, record.value or b"", headers or NO_HEADERS, 0, lane=lane)


def written(outgoing: Outgoing) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """The key and the headers of a record that is to be sent."""
    key = outgoing.key.encode("utf-8", "surrogateescape") if outgoing.key else None
    headers = {
        f"{EVENT}{name.removeprefix(PREFIX)}" if name.startswith(PREFIX) else name: value
        for name, value in outgoing.headers.items()
    }
    headers.setdefault("content-type", "application/json")
    if outgoing.id:
        headers[IDENTITY] = outgoing.id
    return key, [(name, value.encode("utf-8", "replace")) for name, value in headers.items()]


def connecting(url: str) -> Mapping[str, Any]:
    """How to reach the servers of a URL, as aiokafka's clients take it. Raises `OSError` for files of no use.

    `kafka://user:password@one:9092,two:9092?mechanism=SCRAM-SHA-512`; `kafkas` is with TLS, whose files may be named.
    """
    parts, query = urlsplit(url), asked(url, "kafka")
    who, _, _ = parts.netloc.rpartition("@")
    user, _, password = who.partition(":")
    said: dict[str, Any] = {"bootstrap_servers": address(url, PORT).split(",")}
    tls = parts.scheme == "kafkas"
    if tls:
        said["ssl_context"] = tls_of(query)
    if user:
        said |= {
            "sasl_mechanism": query.get("mechanism", "PLAIN"),
            "sasl_plain_username": unquote(user),
            "sasl_plain_password": unquote(password),
        }
    said["security_protocol"] = f"{'SASL_' if user else ''}{'SSL' if tls else 'PLAINTEXT'}"
    return said
