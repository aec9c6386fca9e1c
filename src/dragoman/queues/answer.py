"""What a queue is told of a call that has ended: its result, the problem it failed with, or a dead letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dragoman.core.call import Codec
from dragoman.core.problem import clip, to_problem
from dragoman.queues.cloudevents import close_event
from dragoman.queues.intake import CORRELATION_CHARS_MAX
from dragoman.queues.media import PROBLEM, TYPES
from dragoman.queues.message import Outgoing

if TYPE_CHECKING:
    from dragoman.core.call import Call, Trace
    from dragoman.core.fault import Fault
    from dragoman.queues.intake import Asked
    from dragoman.queues.message import Message

DETAIL_CHARS_MAX = 1000
ERRORS_MAX = 10
PROBLEM_CHARS_MAX = 6000
"""A problem that travels in a header: MQTT takes 64 KB there, AMQP 128 KB for all of them, and people read a page."""

DEAD = frozenset({"dragoman-fault", "dragoman-code", "dragoman-attempts", "dragoman-message", "dragoman-queue"})
"""Headers of dead letters that are ours."""

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def traceparent(trace: Trace) -> str:
    """A trace as the header says it, version 00."""
    return f"00-{trace.trace_id.hex()}-{trace.span_id.hex()}-{trace.flags:02x}"


def timestamp(now: float) -> str:
    """A moment, in seconds since the epoch, as RFC 3339 says it."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def correlation(message: Message, asked: Asked | None) -> str:
    """What a message is to be answered with, so that its sender knows what is answered; also one that is not read."""
    return message.headers.get("correlation-id", "")[:CORRELATION_CHARS_MAX] if asked is None else asked.correlation


class Answers:
    """Writes what goes back, in the name of one queue of a project. `events`: as CloudEvents, whatever came."""

    def __init__(self, service: str, queue: str, *, events: bool) -> None:
        self._service = service
        self._queue = queue
        self._prefix = f"{service}/{queue}/"
        self._events = events

    def result(self, message: Message, asked: Asked, call: Call, body: bytes, codec: Codec) -> Outgoing:
        """The result of a call."""
        if asked.event is None and not self._events:
            headers = {"correlation-id": asked.correlation or message.id}
            if codec is not Codec.JSON:
                headers["content-type"] = TYPES[codec]
            if call.trace is not None:
                self._trace(headers, call.trace)
            return Outgoing(body, headers, f"{self._prefix}{message.id}.result", message.lane)
        return self._event(message, asked, call, ("dragoman.result", TYPES[codec], body))

    def problem(self, message: Message, asked: Asked | None, call: Call | None, fault: Fault, now: float) -> Outgoing:
        """The problem document of a call that has failed for good."""
        body = _encode(self.document(message, fault, now)).encode()
        if self._events or (asked is not None and asked.event is not None):
            return self._event(message, asked, call, ("dragoman.fault", PROBLEM, body))
        headers = {"correlation-id": correlation(message, asked) or message.id, "content-type": PROBLEM}
        if call is not None and call.trace is not None:
            self._trace(headers, call.trace)
        return Outgoing(body, headers, f"{self._prefix}{message.id}.fault", message.lane)

    def dead(self, message: Message, fault: Fault, now: float) -> Outgoing:
        """The message as it came, with the problem in its headers."""
        headers = {
            **message.headers,
            "dragoman-fault": self._short(message, fault, now),
            "dragoman-code": fault.code.value,
            "dragoman-attempts": str(message.deliveries),
            "dragoman-message": message.id,
            "dragoman-queue": self._queue,
        }
        return Outgoing(message.body, headers, f"{self._prefix}{message.id}.dead", message.lane)

    def smaller(self, letter: Outgoing) -> Outgoing | None:
        """A dead letter that was too large: without the headers that it came with, then without its body, then none."""
        own = {name: value for name, value in letter.headers.items() if name in DEAD}
        if len(own) < len(letter.headers):
            return letter._replace(headers=own)
        return letter._replace(body=b"") if letter.body else None

    def document(self, message: Message, fault: Fault, now: float) -> dict[str, Any]:
        """The problem of a message; there is no status, which is HTTP's."""
        instance = f"/queues/{self._queue}/{message.id}"
        document = to_problem(fault, status=0, instance=instance, timestamp=timestamp(now))
        del document["status"]
        return document

    def _short(self, message: Message, fault: Fault, now: float) -> str:
        document = self.document(message, fault, now)
        document["detail"] = clip(document["detail"], DETAIL_CHARS_MAX)
        document["errors"] = [
            {"path": clip(each["path"], 100), "message": clip(each["message"], 200)}
            for each in document["errors"][:ERRORS_MAX]
        ]
        text = _encode(document)
        if len(text) > PROBLEM_CHARS_MAX:  # what is not ASCII takes six characters
            document["detail"], document["errors"] = clip(document["detail"], 100), []
            text = _encode(document)
        return text

    def _event(
        self, message: Message, asked: Asked | None, call: Call | None, what: tuple[str, str, bytes]
    ) -> Outgoing:
        kind, content_type, data = what
        asking = None if asked is None else asked.event
        attributes = {
            "id": f"{self._prefix}{message.id}.{kind.rpartition('.')[2]}",
            "source": f"/{self._service}/{self._queue}",
            "type": kind,
            "correlationid": correlation(message, asked) or (message.id if asking is None else asking.id),
        }
        if asking is not None:
            attributes["causationid"] = asking.id
        if call is not None:
            attributes["subject"] = call.target.name
            if call.trace is not None:
                self._trace(attributes, call.trace)
        structured = asking is None or asking.structured
        closed = close_event(attributes, content_type, data, structured=structured)
        headers = {**closed.event.attributes, "content-type": closed.content_type}
        return Outgoing(closed.data, headers, attributes["id"], message.lane)

    def _trace(self, said: dict[str, str], trace: Trace) -> None:
        said["traceparent"] = traceparent(trace)
        if trace.state:
            said["tracestate"] = trace.state
