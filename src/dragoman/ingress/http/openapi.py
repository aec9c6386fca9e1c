"""The OpenAPI 3.1 document of a host, made from the contracts of its functions.

Each function is a path of its own with its own schemas, so that generated clients get one typed method a function.
What every call may answer is said once, in components, and referred to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from dragoman.contract.components import PREFIX, Components, Schema
from dragoman.contract.table import MEDIA_TYPE as ARROW
from dragoman.contract.table import is_table_schema, tables_of
from dragoman.core.fault import Code, Started
from dragoman.ingress.http import task_openapi
from dragoman.ingress.http.problem import MEDIA_TYPE

if TYPE_CHECKING:
    from dragoman.ingress.http.catalogue import Catalogue, FunctionEntry

PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "The input, a header or the query breaks the contract; `errors` names every breach."),
    401: ("Unauthorized", "The caller did not say who it is, or the function raised UNAUTHENTICATED."),
    403: ("Forbidden", "The caller may not do this."),
    404: ("NotFound", "There is no such function, or task."),
    405: ("MethodNotAllowed", "The path does not take this method; `Allow` names those that it takes."),
    406: ("NotAcceptable", "The function cannot answer with what `Accept` asks for."),
    408: ("RequestTimeout", "The request did not come in time."),
    409: ("Conflict", "The function raised ABORTED or ALREADY_EXISTS."),
    411: ("LengthRequired", "The body's length has to be known."),
    413: ("ContentTooLarge", "The body is larger than what is read."),
    414: ("UriTooLong", "The request target is longer than what is read."),
    415: ("UnsupportedMediaType", "The function cannot read a body of this type."),
    429: ("TooManyRequests", "A limit is reached or the wait line is full; `Retry-After` says when to come back."),
    431: ("HeaderFieldsTooLarge", "The request's headers are larger than what is read."),
    499: ("ClientClosedRequest", "The call was cancelled."),
    500: ("InternalServerError", "The function raised, or the host is at fault; `code` says which."),
    501: ("NotImplemented", "The function cannot do that."),
    503: ("ServiceUnavailable", "Nobody can serve the call now: a worker was lost, or the host is stopping."),
    504: ("GatewayTimeout", "The call ran out of time and was stopped."),
}
"""Every status that a call may be refused or failed with, the name of its component, and when."""

TEXT: Schema = {"type": "string"}
_NAME_UNFIT = re.compile(r"[^A-Za-z0-9_]")
_FORM_KINDS = frozenset({"null", "boolean", "integer", "number", "string"})
_KINDS = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"))
_REFERENCES_MAX = 16
"""References followed in a row to find out what a query parameter looks like."""


def build(catalogue: Catalogue, *, tasks: bool = False) -> dict[str, Any]:
    """Make the document, as JSON values; 1,000 functions take about 100 ms. `tasks` says whether there are any."""
    components = Components(_own_schemas() | (task_openapi.schemas() if tasks else {}))
    paths: dict[str, Any] = {}
    ids = _Names()
    functions = catalogue.functions()
    for entry in functions.values():
        path = _Function(entry, components, ids).path()
        paths[f"/v1/call/{quote(entry.name, safe='')}"] = _with_tasks(path) if tasks else path
    paths.update(task_openapi.paths() if tasks else {})
    paths.update(_page_paths())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": catalogue.service or "dragoman",
            "version": str(catalogue.version),
            "description": "Functions served by Dragoman. A failed call answers with a problem (RFC 9457).",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": source} for source in dict.fromkeys(entry.source for entry in functions.values())]
        + [task_openapi.TAG] * tasks
        + [{"name": "host", "description": "About the host itself."}],
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "responses": {name: _problem(status, text) for status, (name, text) in PROBLEMS.items()}
            | ({"Submitted": task_openapi.SUBMITTED} if tasks else {}),
            "parameters": _PARAMETERS | (task_openapi.PARAMETERS if tasks else {}),
            "headers": _HEADERS,
        },
    }


def _with_tasks(path: dict[str, Any]) -> dict[str, Any]:
    """The path of a function that may be called as a task as well."""
    for operation in path.values():
        operation["parameters"] += task_openapi.parameters()
        operation["responses"] = {
            "200": operation["responses"].pop("200"),
            "202": {"$ref": "#/components/responses/Submitted"},
            **operation["responses"],
        }
    return path


class _Names:
    """Identifiers that no two operations share."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        found = name = _NAME_UNFIT.sub("_", name)
        number = 2
        while found in self._taken:
            found = f"{name}_{number}"
            number += 1
        self._taken.add(found)
        return found


class _Function:
    """The path of one function."""

    def __init__(self, entry: FunctionEntry, components: Components, ids: _Names) -> None:
        self._entry = entry
        self._contract = entry.contract
        self._ids = ids
        self._input = components.add(entry.name, "Input", entry.contract.input)
        role = "Item" if entry.contract.streaming else "Output"
        self._output = components.add(entry.name, role, entry.contract.output)
        self._schemas = components.schemas

    def path(self) -> dict[str, Any]:
        post = {
            **self._operation("call"),
            "parameters": list(_PARAMETER_REFERENCES),
            "requestBody": {"required": self._needs_input(), "content": self._request_content()},
            "responses": self._responses(),
        }
        if not self._contract.idempotent:
            return {"post": post}
        get = {
            **self._operation("query"),
            "parameters": [*self._query_parameters(), *_PARAMETER_REFERENCES],
            "responses": self._responses(),
        }
        return {"post": post, "get": get}

    def _operation(self, verb: str) -> dict[str, Any]:
        first_line = self._contract.description.strip().partition("\n")[0]
        return {
            "operationId": self._ids.unique(f"{verb}_{self._entry.name}"),
            "tags": [self._entry.source],
            "summary": first_line or self._entry.name,
            "description": self._contract.description,
        }

    def _needs_input(self) -> bool:
        """Whether an empty body, which stands for an input without fields, is not enough."""
        return bool(self._contract.raw_input or self._resolved(self._input).get("required"))

    def _request_content(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            "application/json": {"schema": self._input},
            "application/msgpack": {"schema": self._input},
        }
        if self._contract.raw_input:
            kind = ARROW if tables_of(self._contract.input) else "application/octet-stream"
            content[kind] = {"schema": _BINARY}
        if name := self._contract.input_stream:
            said = f"Each line is an item of `{name}`, taken as it comes; the other fields go into the query."
            item = self._resolved(self._resolved(self._input)["properties"][name]).get("items", {})
            content["application/jsonl"] = _stream(said, item)
        return content

    def _responses(self) -> dict[str, Any]:
        reply = {
            "description": "The items, as they come." if self._contract.streaming else "The bare result.",
            "headers": _HEADER_REFERENCES,
            "content": self._reply_content(),
        }
        return {"200": reply} | _PROBLEM_REFERENCES

    def _reply_content(self) -> dict[str, Any]:
        """What a function can answer with; the first is what it answers when it is not asked."""
        lines = _stream("One JSON value a line.", self._output)
        events = _stream(
            "Server-sent events whose data is one JSON value each; `event: end` is the last.", self._output
        )
        streams = {"application/jsonl": lines, "application/x-ndjson": lines, "text/event-stream": events}
        gives_table = is_table_schema(self._contract.output)
        kind = ARROW if gives_table else "application/octet-stream"
        raw = {kind: {"schema": _BINARY}} if self._contract.raw_output else {}
        if self._contract.streaming:
            packed = {"application/msgpack": {"schema": _BINARY}}
            array = {"application/json": {"schema": {"type": "array", "items": self._output}}}
            return ({} if gives_table else raw) | streams | packed | array
        unary = {media: {"schema": self._output} for media in ("application/json", "application/msgpack")}
        return unary | raw | streams

    def _query_parameters(self) -> Iterable[dict[str, Any]]:
        root = self._resolved(self._input)
        required = root.get("required", ())
        for name, schema in cast("dict[str, Any]", root.get("properties", {})).items():
            parameter: dict[str, Any] = {"name": name, "in": "query", "required": name in required}
            if isinstance(schema, dict) and "description" in schema:
                parameter["description"] = cast("Schema", schema)["description"]
            if self._fits_a_form(schema):
                yield parameter | {"schema": schema, "style": "form", "explode": True}
            else:
                yield parameter | {"content": {"application/json": {"schema": schema}}}

    def _fits_a_form(self, schema: Any) -> bool:
        """Whether a value is written as it is, or as an array by repeating its name, rather than as JSON text."""
        kinds = self._kinds(schema, set())
        if "array" in kinds:
            items = self._resolved(schema).get("items")
            return len(kinds) == 1 and items is not None and self._kinds(items, set()) <= _FORM_KINDS
        return "string" in kinds if "object" in kinds else bool(kinds)

    def _kinds(self, schema: Any, seen: set[str]) -> frozenset[str]:
        """The JSON types that a schema names; none where it does not say. Each reference is followed once."""
        view = cast("Schema", schema) if isinstance(schema, dict) else {}
        if "$ref" in view:
            reference = str(view["$ref"])
            if reference in seen:
                return frozenset()
            seen.add(reference)
            return self._kinds(self._target(reference), seen)
        named = view.get("type")
        if named is not None:
            return frozenset(cast("list[str]", named) if isinstance(named, list) else [str(named)])
        values = [view["const"]] if "const" in view else view.get("enum")
        if values is not None:
            return frozenset(map(_kind_of, values))
        branches = view.get("anyOf") or view.get("oneOf") or ()
        return frozenset[str]().union(*(self._kinds(branch, seen) for branch in branches))

    def _resolved(self, schema: Any) -> Schema:
        for _ in range(_REFERENCES_MAX):
            if not isinstance(schema, dict):
                return {}
            view = cast("Schema", schema)
            if "$ref" not in view:
                return view
            schema = self._target(str(view["$ref"]))
        return {}

    def _target(self, reference: str) -> Any:
        return self._schemas.get(reference.removeprefix(PREFIX))


def _kind_of(value: object) -> str:
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return "null" if value is None else "object"


def _stream(description: str, item: Schema) -> dict[str, Any]:
    # OpenAPI 3.1 has no word for the items of a stream; 3.2 will call it itemSchema.
    return {"schema": TEXT | {"description": description}, "x-item-schema": item}


def _problem(status: int, description: str) -> dict[str, Any]:
    headers = {"Dragoman-Call-Id": {"$ref": "#/components/headers/CallId"}}
    if status in {429, 503}:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    return {
        "description": description,
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _own_schemas() -> dict[str, Schema]:
    breach = {"type": "object", "properties": {"path": TEXT, "message": TEXT}, "required": ["path", "message"]}
    problem: dict[str, Schema] = {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": TEXT,
        "instance": TEXT,
        "code": {"type": "string", "enum": [code.value for code in Code]},
        "function": TEXT,
        "started": {
            "type": "string",
            "enum": [started.value for started in Started],
            "description": "Whether the function had begun: `no` means that anyone may try again.",
        },
        "retryable": {"type": "boolean"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Breach"}},
        "call_id": TEXT,
        "trace_id": TEXT,
        "service": TEXT,
        "timestamp": {"type": "string", "format": "date-time"},
    }
    function: dict[str, Schema] = {
        **dict.fromkeys(("name", "version", "description", "source", "language", "mode", "input_stream"), TEXT),
        "timeout_s": {"type": ["number", "null"]},
        **{name: {"type": "boolean"} for name in ("streaming", "idempotent", "raw_input", "raw_output")},
        "input": {"type": ["object", "boolean"], "description": "JSON Schema 2020-12 of the input."},
        "output": {"type": ["object", "boolean"], "description": "JSON Schema 2020-12 of the result, or of each item."},
    }
    listing = {
        "service": TEXT,
        "functions": {"type": "array", "items": {"$ref": "#/components/schemas/Function"}},
    }
    ready = {"ready": {"type": "boolean"}, "reasons": {"type": "object", "additionalProperties": TEXT}}
    return {
        "Problem": _record(problem),
        "Breach": breach,
        "Function": _record(function),
        "Functions": _record(listing),
        "Readiness": _record(ready),
    }


def _record(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _page_paths() -> dict[str, Any]:
    name = {"name": "function", "in": "path", "required": True, "schema": TEXT, "description": "The full name."}
    functions = _page("list_functions", "All functions with their contracts.", "Functions")
    function = _page("describe_function", "One function with its contract.", "Function", 404)
    function["get"]["parameters"] = [name]
    ready = _page("health_ready", "Whether every source can take calls.", "Readiness")
    ready["get"]["responses"]["503"] = _json_page("Some cannot, and why.", "Readiness")
    live = _page("health_live", "Whether the host runs at all.", None)
    metrics = _page("metrics", "Counts and gauges, for Prometheus.", None)
    metrics["get"]["responses"]["200"]["content"] = {"text/plain": {"schema": TEXT}}
    return {
        "/v1/functions": functions,
        "/v1/functions/{function}": function,
        "/health/live": live,
        "/health/ready": ready,
        "/metrics": metrics,
    }


def _page(operation: str, summary: str, schema: str | None, *problems: int) -> dict[str, Any]:
    references = {str(status): _PROBLEM_REFERENCES[str(status)] for status in (405, *problems)}
    responses = {"200": _json_page(summary, schema)} | references
    return {"get": {"operationId": operation, "tags": ["host"], "summary": summary, "responses": responses}}


def _json_page(description: str, schema: str | None) -> dict[str, Any]:
    body = {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "object"}
    return {"description": description, "content": {"application/json": {"schema": body}}}


_BINARY: Schema = {"type": "string", "format": "binary"}
_PARAMETERS: dict[str, Any] = {
    "Timeout": {
        "name": "Dragoman-Timeout",
        "in": "header",
        "required": False,
        "description": "How long the caller will wait, as in `500ms` or `2s`; it can only shorten the function's own.",
        "schema": {"type": "string", "pattern": "^([1-9][0-9]{2,5}ms|[1-9][0-9]{0,3}[sm])$"},
    },
    "Traceparent": {
        "name": "traceparent",
        "in": "header",
        "required": False,
        "description": "W3C trace context; one that is not valid is passed over.",
        "schema": TEXT,
    },
    "Tracestate": {
        "name": "tracestate",
        "in": "header",
        "required": False,
        "description": "W3C trace context of the vendors on the way.",
        "schema": TEXT,
    },
}
_HEADERS: dict[str, Any] = {
    "CallId": {"description": "Names the call in logs and problems.", "schema": TEXT},
    "ServerTiming": {
        "description": "Milliseconds waited, run and in all: `queue;dur=, run;dur=, total;dur=`.",
        "schema": TEXT,
    },
    "RetryAfter": {
        "description": "Seconds after which a retry makes sense.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
_PARAMETER_REFERENCES = tuple({"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS)
_HEADER_REFERENCES = {
    "Dragoman-Call-Id": {"$ref": "#/components/headers/CallId"},
    "Server-Timing": {"$ref": "#/components/headers/ServerTiming"},
}
_PROBLEM_REFERENCES = {
    str(status): {"$ref": f"#/components/responses/{name}"} for status, (name, _) in PROBLEMS.items()
}
