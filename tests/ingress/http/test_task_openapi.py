"""The OpenAPI document says of tasks what their routes do."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from dragoman.ingress.http.openapi import build
from dragoman.ingress.http.task_routes import TaskRoutes

from .ledger import number
from .shelf import full
from .site import Site


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build(full(), tasks=True)


def fits(document: dict[str, Any], schema: str, value: Any) -> bool:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    return Draft202012Validator(whole).is_valid(value)


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_is_there_with_its_methods(document: dict[str, Any], site: Site) -> None:
    routes = TaskRoutes(site.board, unasked).routes()
    served = {route.path: {method.lower() for method in route.methods or ()} - {"head"} for route in routes}
    told = {
        path: set(operations) - {"parameters"}
        for path, operations in document["paths"].items()
        if path.startswith("/v1/tasks")
    }
    assert told == served


def test_every_call_may_become_a_task(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        if path.startswith("/v1/call/"):
            for operation in operations.values():
                assert operation["responses"]["202"] == {"$ref": "#/components/responses/Submitted"}
                assert {"$ref": "#/components/parameters/Prefer"} in operation["parameters"]
    assert next(iter(document["paths"]["/v1/call/logs.tail"]["post"]["responses"])) == "200"


def test_a_host_without_tasks_says_nothing_of_them() -> None:
    plain = build(full())
    assert not [path for path in plain["paths"] if path.startswith("/v1/tasks")]
    assert "202" not in plain["paths"]["/v1/call/logs.tail"]["post"]["responses"]
    assert "Task" not in plain["components"]["schemas"]


def test_what_is_answered_fits_its_schema(document: dict[str, Any], site: Site) -> None:
    id_ = site.task(fault={**problem(), "code": "UNKNOWN"})
    site.do(lambda: site.ledger.log(id_, "one"))
    site.ledger.dead = [{"id": "d1", "task": id_, "target": {"url": "https://x/"}, "attempts": 2, "fault": None}]
    assert fits(document, "Task", site.ask("GET", f"/v1/tasks/{id_}").json)
    assert fits(document, "Task", site.call("fn.add", b"{}", Prefer="respond-async").json)
    assert fits(document, "TaskPage", site.ask("GET", "/v1/tasks").json)
    assert fits(document, "TaskLog", site.ask("GET", f"/v1/tasks/{id_}/logs").json)
    assert fits(document, "TaskDeliveries", site.ask("GET", "/v1/tasks/deliveries").json)
    assert fits(document, "TaskRedelivery", site.ask("POST", "/v1/tasks/deliveries/d1/retry").json)
    assert not fits(document, "Task", site.ask("GET", f"/v1/tasks/{id_}").json | {"state": "LOST"})


def unasked(*_: object) -> NoReturn:
    raise AssertionError


def problem() -> dict[str, Any]:
    return {
        **dict.fromkeys(("type", "title", "detail", "instance", "function", "call_id", "trace_id", "service"), ""),
        "status": 500,
        "started": "yes",
        "retryable": False,
        "errors": [],
        "timestamp": "2026-01-01T00:00:00.000Z",
    }


def test_the_ids_of_tasks_have_the_form_that_it_gives(document: dict[str, Any]) -> None:
    (one,) = document["paths"]["/v1/tasks/{task}"]["parameters"]
    assert Draft202012Validator(one["schema"]).is_valid(number(1))
    assert not Draft202012Validator(one["schema"]).is_valid("17")
