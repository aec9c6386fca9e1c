"""The AsyncAPI 3 document of a host: each queue that it reads or writes, and what the messages there look like.

It says what the host does: it receives what others send, and sends what others receive. A message is bare input, or a
CloudEvent; both may come unless the queue takes events alone. Schemas are those of the functions' contracts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from dragoman.contract.components import Components, Schema
from dragoman.contract.older import older
from dragoman.core.fault import Code, Started
from dragoman.queues.address import address
from dragoman.queues.media import JSON, PROBLEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dragoman.contract.function import Contract
    from dragoman.queues.options import QueueOptions

VERSION = "3.0.0"
EVENT = "application/cloudevents+json"
BYTES = "application/octet-stream"
TEXT: Schema = {"type": "string"}
PORTS = {
    "redis": 6379,
    "rediss": 6379,
    "nats": 4222,
    "tls": 4222,
    "amqp": 5672,
    "amqps": 5671,
    "kafka": 9092,
    "kafkas": 9092,
    "mqtt": 1883,
    "mqtts": 8883,
}
PROTOCOLS = {"rediss": "rediss", "unix": "redis", "tls": "nats", "kafkas": "kafka-secure", "mqtts": "secure-mqtt"}
"""Where AsyncAPI calls a protocol otherwise than its URLs are called."""
PATHS = frozenset({"redis", "rabbitmq"})
"""Brokers whose addresses have a path: the number of a database, a virtual host."""
PREFIXES = {"redis": "ce-", "nats": "ce-", "rabbitmq": "cloudEvents:", "kafka": "ce_", "mqtt": ""}
"""What stands before an attribute in the headers of a binary event, as its protocol's binding of CloudEvents says."""
REQUIRED = ("specversion", "id", "source", "type")
ATTRIBUTES: dict[str, Schema] = {
    "specversion": {"const": "1.0"},
    "id": {"type": "string", "minLength": 1},
    "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
    "type": {"type": "string", "minLength": 1},
    "subject": TEXT,
    "time": {"type": "string", "format": "date-time"},
    "datacontenttype": TEXT,
}
_PARAMETER = re.compile(r"\{([^{}]+)\}")
"""What AsyncAPI takes for a parameter of an address."""
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


class _Topic(NamedTuple):
    """One place of one queue: what it is for, where it is, and which messages are there."""

    role: str
    place: str
    title: str
    messages: dict[str, Any]


def build(
    service: str, version: str, queues: Iterable[QueueOptions], functions: Mapping[str, Contract]
) -> dict[str, Any]:
    """Make the document, as JSON values."""
    return _Document(service, version, functions).of(sorted(queues, key=lambda options: options.name))


class _Document:
    def __init__(self, service: str, version: str, functions: Mapping[str, Contract]) -> None:
        self._service = service
        self._version = version
        self._functions = functions
        self._components = Components(_own_schemas())
        self._messages: dict[str, Any] = {}
        self._servers: dict[str, Any] = {}
        self._hosts: dict[str, str] = {}
        self._schemes: dict[str, Any] = {}
        self._payloads: dict[tuple[str, str], Schema] = {}

    def of(self, queues: Iterable[QueueOptions]) -> dict[str, Any]:
        channels: dict[str, Any] = {}
        operations: dict[str, Any] = {}
        for options in queues:
            server = self._server(options)
            for topic in self._topics(options):
                name = _fit(f"{options.name}_{topic.role}")
                channels[name] = self._channel(options, topic, server)
                operations[name] = _operation(options, topic, name)
        schemas = {name: older(schema) for name, schema in self._components.schemas.items()}
        components = {"schemas": schemas, "messages": self._messages, "securitySchemes": self._schemes}
        return {
            "asyncapi": VERSION,
            "info": {
                "title": self._service or "dragoman",
                "version": self._version,
                "description": "Queues that Dragoman reads calls of functions from, and sends what comes of them to.",
            },
            "defaultContentType": JSON,
            "servers": self._servers,
            "channels": channels,
            "operations": operations,
            "components": {name: each for name, each in components.items() if each},
        }

    # Servers

    def _server(self, options: QueueOptions) -> str:
        """The name of the server of a queue; queues with one address have one."""
        known = self._hosts.get(options.url)
        if known is not None:
            return known
        parts = urlsplit(options.url)
        scheme = parts.scheme
        server: dict[str, Any] = {
            "host": parts.path if scheme == "unix" else address(options.url, PORTS[scheme]),
            "protocol": PROTOCOLS.get(scheme, scheme),
        }
        if options.kind in PATHS and scheme != "unix" and parts.path.strip("/"):
            server["pathname"] = parts.path
        if "@" in options.url.partition("?")[0]:
            server["security"] = [{"$ref": f"#/components/securitySchemes/{self._scheme(options)}"}]
        name = f"{options.kind}{len([each for each in self._servers if each.startswith(options.kind)]) + 1}"
        same = [each for each, said in self._servers.items() if said == server]
        self._hosts[options.url] = found = same[0] if same else name
        self._servers[found] = server
        return found

    def _scheme(self, options: QueueOptions) -> str:
        kind = "userPassword"
        if options.kind == "kafka":
            kind = "plain"
            for digits in ("256", "512"):
                if f"SCRAM-SHA-{digits}" in urlsplit(options.url).query:
                    kind = f"scramSha{digits}"
        self._schemes[kind] = {"type": kind}
        return kind

    # Channels

    def _channel(self, options: QueueOptions, topic: _Topic, server: str) -> dict[str, Any]:
        channel: dict[str, Any] = {
            "address": topic.place,
            "title": topic.title,
            "servers": [{"$ref": f"#/servers/{server}"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in topic.messages},
        }
        if named := _PARAMETER.findall(topic.place):
            channel["parameters"] = {name: {"description": "A part of the name as it is written."} for name in named}
        if options.kind == "rabbitmq" and not topic.place.startswith("/"):
            queue = {"name": topic.place, "durable": True, "exclusive": False, "autoDelete": False}
            channel["bindings"] = {"amqp": {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}}
        elif options.kind == "kafka":
            channel["bindings"] = {"kafka": {"topic": topic.place, "bindingVersion": "0.5.0"}}
        return channel

    def _topics(self, options: QueueOptions) -> Iterable[_Topic]:
        function = options.function
        what = f"calls of {function}" if function else "calls of the functions that they name"
        if options.source:
            yield _Topic("in", options.source, f"Messages that are {what}.", self._calls(options))
        if options.to:
            said = f"Results of {what}." if options.source else "What hosts publish: ends of tasks."
            said = f"Ends of tasks that are {what}." if options.becomes == "task" else said
            yield _Topic("out", options.to, said, self._results(options))
        if options.faults:
            said = f"Problems that {what} ended with."
            yield _Topic("faults", options.faults, said, self._faults(options))
        if options.dead:
            said = f"Messages that could not be handled, as {what}, with the reason."
            yield _Topic("dead", options.dead, said, self._dead(options))

    # Messages

    def _calls(self, options: QueueOptions) -> dict[str, Any]:
        headers: Schema = {"$ref": "#/components/schemas/RequestHeaders"}
        if not options.function:
            names: Schema = {"dragoman-function": {"type": "string", "enum": sorted(self._functions)}}
            headers = {"allOf": [headers, {"type": "object", "properties": names, "required": ["dragoman-function"]}]}
        payload, media = self._payload(options.function, "Input")
        found = self._said(options, "call", headers, payload, media)
        contract = self._functions.get(options.function)
        if contract is not None and contract.raw_input and options.format != "cloudevents":
            whole = {"type": "string", "format": "binary"}
            found |= self._keep({f"{options.name}_call_raw": _message("A call as bytes", headers, whole, BYTES)})
        return found

    def _results(self, options: QueueOptions) -> dict[str, Any]:
        if options.becomes == "task" or not options.source:
            return self._ends(options)
        payload, media = self._payload(options.function, "Output")
        return self._said(options, "result", {"$ref": "#/components/schemas/ReplyHeaders"}, payload, media)

    def _ends(self, options: QueueOptions) -> dict[str, Any]:
        """What is told of tasks: bare, or as structured events."""
        end: Schema = {"$ref": "#/components/schemas/TaskEnd"}
        headers: Schema = {"$ref": "#/components/schemas/EndHeaders"}
        if options.format != "cloudevents":
            return self._keep({f"{options.name}_end": _message("The end of a task", headers, end, JSON, "")})
        said: dict[str, Schema] = {"type": {"const": "dragoman.task"}, **_texts({"traceparent": _TRACE["traceparent"]})}
        event = _event(said | {"data": end})
        told = _message("The end of a task as a CloudEvent", headers, event, EVENT, "")
        return self._keep({f"{options.name}_end_event": told})

    def _faults(self, options: QueueOptions) -> dict[str, Any]:
        problem = {"$ref": "#/components/schemas/Problem"}
        return self._said(options, "fault", {"$ref": "#/components/schemas/ReplyHeaders"}, problem, PROBLEM)

    def _dead(self, options: QueueOptions) -> dict[str, Any]:
        payload: Schema = {"description": "The message as it came, whatever it was."}
        headers: Schema = {"$ref": "#/components/schemas/DeadHeaders"}
        return self._keep({f"{options.name}_dead": _message("A dead letter", headers, payload, BYTES)})

    def _said(self, options: QueueOptions, kind: str, headers: Schema, payload: Schema, media: str) -> dict[str, Any]:
        """A message as bare data, unless all are to be events, and as an event, structured and binary."""
        found: dict[str, Any] = {}
        name = f"{options.name}_{kind}"
        if options.format != "cloudevents":
            found[name] = _message(f"A {kind}", headers, payload, media)
        told = _texts(ASKED if kind == "call" else TOLD)
        if kind != "call":
            told["type"] = {"const": f"dragoman.{kind}"}
        data = {"data_base64": TEXT} if media == BYTES else {"data": payload}
        beside: Schema = {"$ref": "#/components/schemas/RequestHeaders"} if kind == "call" else {"type": "object"}
        where = "$message.payload#/correlationid"
        title = f"A {kind} as a CloudEvent"
        found[f"{name}_event"] = _message(f"{title}, structured", beside, _event(told | data), EVENT, where)
        prefix = PREFIXES[options.kind]
        carried: Schema = {
            "type": "object",
            "properties": {prefix + each: said for each, said in (ATTRIBUTES | told).items()},
            "required": [prefix + each for each in REQUIRED],
        }
        both: Schema = {"allOf": [beside, carried]} if kind == "call" else carried
        where = f"$message.header#/{prefix}correlationid"
        found[f"{name}_event_binary"] = _message(f"{title}, binary", both, payload, media, where)
        return self._keep(found)

    def _keep(self, messages: dict[str, Any]) -> dict[str, Any]:
        fit = {_fit(name): {"name": _fit(name), **message} for name, message in messages.items()}
        self._messages |= fit
        return fit

    def _payload(self, function: str, role: str) -> tuple[Schema, str]:
        """What a body is, and its media type."""
        contract = self._functions.get(function)
        if contract is None:
            said = "What the function takes" if role == "Input" else "What the function gives"
            return {"description": f"{said}; its contract is not known now."}, JSON
        if contract.raw_output and role == "Output":
            return {"type": "string", "format": "binary"}, BYTES
        known = self._payloads.get((function, role))
        if known is None:
            schema = contract.input if role == "Input" else contract.output
            known = self._components.add(function, role, schema)
            if contract.streaming and role == "Output":
                known = {"type": "array", "items": known}
            self._payloads[function, role] = known
        return known, JSON


def _message(
    title: str, headers: Schema, payload: Schema, media: str, correlation: str = "$message.header#/correlation-id"
) -> dict[str, Any]:
    message: dict[str, Any] = {"title": title, "contentType": media, "headers": headers, "payload": older(payload)}
    return message | ({"correlationId": {"location": correlation}} if correlation else {})


def _event(told: Mapping[str, Schema]) -> Schema:
    """A structured event that has these members besides what every event has."""
    return {"allOf": [{"$ref": "#/components/schemas/CloudEvent"}, {"type": "object", "properties": {**told}}]}


def _operation(options: QueueOptions, topic: _Topic, channel: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": "receive" if topic.role == "in" else "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": topic.title,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in topic.messages],
    }
    group: Schema = {"type": "string", "enum": [options.group]}
    reading = topic.role == "in"
    if options.kind == "kafka" and reading:
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": "0.5.0"}}
    elif options.kind == "mqtt":
        operation["bindings"] = {"mqtt": {"qos": 1, "bindingVersion": "0.2.0"}}
    elif options.kind == "rabbitmq":
        said = {"ack": True} if reading else {"deliveryMode": 2}
        operation["bindings"] = {"amqp": {**said, "bindingVersion": "0.3.0"}}
    return operation


def _fit(name: str) -> str:
    """A name as references may have it; no two names become one."""
    return _UNFIT.sub(lambda found: f"_{ord(found[0]):x}_", name)


def _own_schemas() -> dict[str, Schema]:
    breach = {"type": "object", "properties": {"path": TEXT, "message": TEXT}, "required": ["path", "message"]}
    problem: dict[str, Schema] = {
        "type": TEXT,
        "title": TEXT,
        "detail": TEXT,
        "instance": TEXT,
        "code": {"type": "string", "enum": [code.value for code in Code]},
        "function": TEXT,
        "started": {"type": "string", "enum": [started.value for started in Started]},
        "retryable": {"type": "boolean"},
        "errors": {"type": "array", "items": breach},
        "call_id": TEXT,
        "trace_id": TEXT,
        "service": TEXT,
        "timestamp": {"type": "string", "format": "date-time"},
    }
    return {
        "Problem": {"type": "object", "properties": problem, "required": ["type", "title", "detail", "code"]},
        "RequestHeaders": _headers(REQUEST),
        "ReplyHeaders": _headers(REPLY),
        "DeadHeaders": _headers(DEAD, required=True),
        "EndHeaders": _headers(END),
        "TaskEnd": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "pattern": "^task[.](succeeded|failed|timed_out|cancelled|dead)$"},
                "timestamp": {"type": "string", "format": "date-time"},
                "data": {"type": "object", "description": "The task, as GET /v1/tasks/{id} shows it."},
            },
            "required": ["type", "timestamp", "data"],
        },
        "CloudEvent": {"type": "object", "properties": ATTRIBUTES, "required": list(REQUIRED)},
    }


def _headers(said: Mapping[str, str], *, required: bool = False) -> Schema:
    return {"type": "object", "properties": _texts(said), **({"required": list(said)} if required else {})}


def _texts(said: Mapping[str, str]) -> dict[str, Schema]:
    return {name: {"type": "string", "description": text} for name, text in said.items()}


_TRACE = {
    "traceparent": "W3C trace context; one that is not valid is passed over.",
    "tracestate": "W3C trace context of the vendors on the way.",
}
REQUEST = {
    **_TRACE,
    "dragoman-timeout": "How long the call may take once it has begun, as in `2s`; it can only shorten.",
    "dragoman-deadline": "When it must have ended, as RFC 3339.",
    "dragoman-priority": "`critical`, `normal` or `batch`.",
    "idempotency-key": "Messages with the same one are one call.",
    "correlation-id": "Comes back with what comes of the message; else the message's id does.",
}
ASKED = {
    **{name.replace("-", ""): text for name, text in REQUEST.items()},
    "dragomanfunction": "Which function, where the queue names none.",
    "expirytime": "When it must have ended, as RFC 3339, where dragomandeadline is not there.",
}
TOLD = {
    **_TRACE,
    "correlationid": "That of the event which this answers, or its id.",
    "causationid": "The id of the event that this answers.",
}
REPLY = {**_TRACE, "correlation-id": "That of the message which this answers, or its id."}
END = {
    "webhook-id": "The message's own id, the same whenever it is sent again.",
    "webhook-timestamp": "When it was sent, in seconds since 1970.",
    "webhook-signature": "As in Standard Webhooks, where the project has a secret.",
    "traceparent": "The trace of whoever submitted the task.",
    "correlation-id": "That of the message that became the task, or its id, where it was one.",
}
DEAD = {
    "dragoman-fault": "The problem, as JSON.",
    "dragoman-code": "Its code.",
    "dragoman-attempts": "How often it was tried.",
    "dragoman-message": "The id of the message.",
    "dragoman-queue": "The queue that it was read from.",
}
