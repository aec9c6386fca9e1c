"""The part of the OpenAPI document that is about durable tasks: their routes, and what makes a call one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.ingress.http.asking import TEXT_CHARS_MAX
from dragoman.ingress.http.tasks import PAGE, PAGE_MAX, STATES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.contract.components import Schema

TAG = {"name": "tasks", "description": "Calls that are stored before they run, and survive the death of anything."}
TEXT: Schema = {"type": "string"}
MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
WHOLE: Schema = {"type": "integer", "minimum": 0}
ID: Schema = {
    "type": "string",
    "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "examples": ["0198f1a0-6c1e-7d2b-9c55-2f1d6f0f7a10"],
}
DURATION = "^([1-9][0-9]{0,3}ms|[1-9][0-9]?s)$"
PARAMETERS: dict[str, Any] = {
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": (
            "`respond-async` stores the call as a task and answers with that; with `wait=5` beside it, with the result "
            "where there is one within five seconds. Other preferences are passed over (RFC 7240). Besides, "
            "`Dragoman-Task-Delay: 10m` says not to run it before then, `Dragoman-Callback` names a URL that is told "
            "of its end, and submissions with the same `Idempotency-Key` are one."
        ),
        "schema": TEXT,
        "examples": {"task": {"value": "respond-async"}, "patient": {"value": "respond-async, wait=5"}},
    },
    "TaskDeadline": {
        "name": "Dragoman-Task-Deadline",
        "in": "header",
        "required": False,
        "description": "Stores the call as a task that must be over within so long, waiting included, as in `2h`.",
        "schema": {"type": "string", "pattern": "^[1-9][0-9]?[hd]$"},
    },
    "TaskAttempts": {
        "name": "Dragoman-Task-Attempts",
        "in": "header",
        "required": False,
        "description": "Stores the call as a task that gets so many attempts at most; the function's own may be fewer.",
        "schema": {"type": "string", "pattern": "^([1-9][0-9]{0,2}|1000)$"},
    },
}
SUBMITTED: dict[str, Any] = {
    "description": "The call is stored as a task: nothing that happens from now on makes the host forget it.",
    "headers": {
        "Location": {"description": "Where the task is.", "schema": {"type": "string", "format": "uri-reference"}},
        "Preference-Applied": {"description": "The preferences that were met.", "schema": TEXT},
        "Retry-After": {"$ref": "#/components/headers/RetryAfter"},
        "Dragoman-Call-Id": {"$ref": "#/components/headers/CallId"},
    },
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Task"}}},
}
"""What a call answers that has become a task."""


def parameters() -> list[dict[str, Any]]:
    """References to what makes a call a task."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS]


def schemas() -> dict[str, Schema]:
    """A task, and what lists of tasks and of their parts look like."""
    problem = {"anyOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]}
    attempt = {"number": WHOLE, "runner": TEXT, "started_at": MOMENT, "ended_at": MOMENT, "fault": problem}
    task: dict[str, Schema] = {
        "id": ID,
        "function": TEXT,
        "version": TEXT,
        "state": {"type": "string", "enum": list(STATES)},
        "priority": {"type": "string", "enum": ["critical", "normal", "batch"]},
        "caller": TEXT,
        "attempts": WHOLE,
        "attempts_max": WHOLE,
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "message": TEXT,
        **dict.fromkeys(("submitted_at", "due_at", "started_at", "finished_at", "deadline"), MOMENT),
        "parent": TEXT_OR_NULL,
        "schedule": TEXT_OR_NULL,
        "cancelling": {"type": "boolean"},
        "fault": problem | {"description": "That of the last attempt that failed."},
        "seq": WHOLE | {"description": "Grows with every change."},
    }
    history = {"type": "array", "items": _reference("TaskAttempt"), "description": "Where one task is shown."}
    line = {"seq": WHOLE, "at": MOMENT, "level": TEXT, "message": TEXT}
    delivery = {
        "id": TEXT,
        "task": TEXT,
        "target": {"description": "Where to."},
        "attempts": WHOLE,
        "fault": TEXT_OR_NULL,
    }
    return {
        "Task": {**_record(task), "properties": task | {"history": history}},
        "TaskAttempt": _record(attempt),
        "TaskPage": _record({"tasks": _list("Task"), "next": TEXT_OR_NULL}),
        "TaskLine": _record(line),
        "TaskLog": _record({"logs": _list("TaskLine")}),
        "TaskDelivery": _record(delivery),
        "TaskDeliveries": _record({"deliveries": _list("TaskDelivery")}),
        "TaskRedelivery": _record({"id": TEXT}),
    }


def paths() -> dict[str, Any]:
    """The routes."""
    return {
        "/v1/tasks": {"get": _operation("list_tasks", "Tasks, the newest first.", {"200": _page()}, _filters())},
        **_delivery_paths(),
        **_task_paths(),
    }


def _delivery_paths() -> dict[str, Any]:
    delivery = {
        "name": "delivery",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9A-Za-z_.:-]{1,128}$"},
    }
    dead = _query("state", "Only those.", "^dead$")
    listed = _answer("They.", "TaskDeliveries")
    again = _answer("It is.", "TaskRedelivery")
    summary = "Messages about ends of tasks that were given up."
    return {
        "/v1/tasks/deliveries": {"get": _operation("list_deliveries", summary, {"200": listed}, [dead])},
        "/v1/tasks/deliveries/{delivery}/retry": {
            "parameters": [delivery],
            "post": _operation("retry_delivery", "Have one tried again.", {"202": again}, (), 403, 404),
        },
    }


def _task_paths() -> dict[str, Any]:
    wait = _query("wait", "Answer when it is over, or after so long, as in `10s`; a minute at most.", DURATION)
    after = _query("after", "Go on behind the event of this id.", "^[0-9]{1,18}$")
    last = _query("Last-Event-ID", "The same, as browsers say it.", "^[0-9]{0,18}$") | {"in": "header"}
    known = {"name": "If-None-Match", "in": "header", "required": False, "schema": TEXT, "description": "`ETag`s."}
    shown = {
        "200": _answer("The task.", "Task", "ETag", "Retry-After"),
        "304": {"description": "The client has it already."},
    }
    cancelled = {
        "200": _answer("It is over.", "Task"),
        "202": _answer("It is being stopped.", "Task", "Retry-After"),
    }
    result = {"200": _bare(), "202": _answer("It is not over: the task.", "Task", "ETag", "Retry-After")}
    events = {"200": _events(), "204": {"description": "The client has heard the end."}}
    logs = {"200": _answer("Its lines.", "TaskLog")}
    again = {"202": _answer("It runs anew.", "Task", "Location", "Retry-After")}
    operations: dict[str, dict[str, Any]] = {
        "": {
            "get": _operation("show_task", "A task.", shown, [wait, known], 404),
            "delete": _operation("cancel_task", "Have a task never run, or be stopped.", cancelled, (), 403, 404),
        },
        "/result": {
            "get": _operation("task_result", "What a task gave, or its fault.", result, [wait], *_FAULTS),
        },
        "/events": {"get": _operation("task_events", "What becomes of a task.", events, [after, last], 404)},
        "/logs": {"get": _operation("task_logs", "What a task has logged.", logs, [after], 404)},
        "/retry": {"post": _operation("retry_task", "Have a task run anew.", again, (), 403, 404, 409)},
    }
    one = {"name": "task", "in": "path", "required": True, "schema": ID, "description": "The task's id."}
    return {f"/v1/tasks/{{task}}{path}": {"parameters": [one], **each} for path, each in operations.items()}


_FAULTS = (401, 403, 404, 406, 409, 429, 499, 501, 504)
"""Statuses of the faults that a task may end with, besides those that any answer may have."""


def _filters() -> list[dict[str, Any]]:
    names = {"function": "Of this one.", "caller": "Of this one.", "schedule": "Made by this one."}
    text = {"type": "string", "pattern": "^[^\\x00-\\x1f\\x7f]*$", "maxLength": TEXT_CHARS_MAX}
    texts = [_query(name, said, "") | {"schema": text} for name, said in names.items()]
    ids = [_query(name, said, f"^({str(ID['pattern'])[1:-1]})?$") for name, said in _ID_FILTERS.items()]
    states = {"type": "array", "items": {"type": "string", "enum": list(STATES)}}
    limit = {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE}
    return [
        {
            "name": "state",
            "in": "query",
            "style": "form",
            "explode": False,
            "schema": states,
            "description": "In one of.",
        },
        *texts,
        *ids,
        {"name": "limit", "in": "query", "schema": limit, "description": "How many."},
    ]


_ID_FILTERS = {"parent": "Submitted by this task.", "before": "Older than this task."}
_HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "Changes with the task.", "schema": TEXT},
    "Location": {"description": "Where the task is.", "schema": {"type": "string", "format": "uri-reference"}},
    "Link": {"description": 'The next page, `rel="next"`; none on the last one.', "schema": TEXT},
    "Retry-After": {"$ref": "#/components/headers/RetryAfter"},
}


def _operation(
    name: str, summary: str, answers: dict[str, Any], asked: Iterable[dict[str, Any]], *problems: int
) -> dict[str, Any]:
    statuses = sorted({400, 405, 500, 503, *problems})
    responses = answers | {str(status): {"$ref": f"#/components/responses/{_PROBLEMS[status]}"} for status in statuses}
    return {"operationId": name, "tags": ["tasks"], "summary": summary, "parameters": [*asked], "responses": responses}


_PROBLEMS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    429: "TooManyRequests",
    499: "ClientClosedRequest",
    500: "InternalServerError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}


def _answer(description: str, schema: str, *headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": _reference(schema)}},
    }
    return answer | {"headers": {name: _HEADERS[name] for name in headers}} if headers else answer


def _page() -> dict[str, Any]:
    return _answer("A page of them.", "TaskPage", "Link")


def _bare() -> dict[str, Any]:
    """A result of any function, in the codec in which it is stored, or in JSON or MessagePack."""
    raw = {"schema": {"type": "string", "format": "binary"}}
    return {
        "description": "The bare result.",
        "content": {
            "application/json": {"schema": {}},
            "application/msgpack": raw,
            "application/octet-stream": raw,
            "application/vnd.apache.arrow.stream": raw,
        },
    }


def _events() -> dict[str, Any]:
    said = "Server-sent events, `state`, `progress` and `log`; the last one is the `state` in which the task ended."
    kinds = {"type": "string", "enum": ["state", "progress", "log", "fault"]}
    event = {"type": "object", "properties": {"id": TEXT, "event": kinds, "data": TEXT}, "required": ["event", "data"]}
    return {"description": said, "content": {"text/event-stream": {"schema": event}}}


def _query(name: str, description: str, pattern: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _reference(schema: str) -> Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


def _list(schema: str) -> Schema:
    return {"type": "array", "items": _reference(schema)}


def _record(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}
