"""The OpenAPI document says what the server does, to validators and to other people's generators."""

import compileall
import json
import keyword
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from dragoman.contract.function import Contract
from dragoman.ingress.http.openapi import PROBLEMS, build
from dragoman.ingress.http.problem import STATUS

from .shelf import CORRELATION, ENRICH, MALICIOUS, TAIL, WORDCOUNT, Shelf, entry, full

CALLS = "/v1/call/"
CONFIG = """
content_type_overrides:
  application/msgpack: application/octet-stream
  application/jsonl: text/plain
  application/x-ndjson: text/plain
"""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build(full(), tasks=True)


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation for path in document["paths"].values() for verb, operation in path.items() if verb != "parameters"
    ]


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_a_host_without_functions_is_valid_too() -> None:
    assert list(OpenAPIV31SpecValidator(build(Shelf())).iter_errors()) == []


def test_somebody_elses_generator_makes_a_client_that_imports(document: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "config.yml").write_text(CONFIG + "post_hooks: []\n")
    command = [
        *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"),
        *("--path", "openapi.json", "--config", "config.yml", "--output-path", "client"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert compileall.compile_dir(tmp_path / "client", quiet=1)
    made = {path.stem for path in (tmp_path / "client" / "api").rglob("*.py")}
    assert {"call_stats_correlation", "query_stats_correlation", "call_logs_tail", "call_shop_cancel_order"} <= made
    load = [sys.executable, "-c", "from client import Client; from client.api.shop.call_shop_enrich import sync"]
    assert subprocess.run(load, cwd=tmp_path, check=False, timeout=60).returncode == 0


def test_each_function_is_a_path_and_only_idempotent_ones_can_be_got(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert set(paths[f"{CALLS}stats.correlation"]) == {"post", "get"}
    assert set(paths[f"{CALLS}logs.tail"]) == {"post"}
    assert f"{CALLS}wordcount" in paths


def test_operations_have_identifiers_that_are_unique_and_names(document: dict[str, Any]) -> None:
    twins = [entry("a", Contract("b_c")), entry("a", Contract("b-c")), entry("a_b", Contract("c"))]
    for made in (document, build(Shelf(*twins))):
        ids = [operation["operationId"] for operation in operations(made)]
        assert len(set(ids)) == len(ids)
        assert all(name.isidentifier() and not keyword.iskeyword(name) for name in ids)


def test_every_status_of_a_fault_is_declared_for_every_call(document: dict[str, Any]) -> None:
    assert set(STATUS.values()) <= set(PROBLEMS)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path.startswith(CALLS):
                assert {str(status) for status in PROBLEMS} <= set(operation["responses"])


def test_raw_bytes_are_offered_only_where_the_function_takes_or_gives_them(document: dict[str, Any]) -> None:
    raw = document["paths"][f"{CALLS}wordcount"]["post"]
    plain = document["paths"][f"{CALLS}stats.correlation"]["post"]
    media = "application/octet-stream"
    assert media in raw["requestBody"]["content"]
    assert media in raw["responses"]["200"]["content"]
    assert media not in plain["requestBody"]["content"]
    assert media not in plain["responses"]["200"]["content"]


def test_a_stream_is_lines_first_and_shows_its_items(document: dict[str, Any]) -> None:
    content = document["paths"][f"{CALLS}logs.tail"]["post"]["responses"]["200"]["content"]
    assert next(iter(content)) == "application/jsonl"
    assert "text/event-stream" in content
    assert content["application/jsonl"]["x-item-schema"] == {"$ref": "#/components/schemas/logs.tail.Item"}
    assert content["application/json"]["schema"]["type"] == "array"


def test_query_parameters_say_how_they_are_written(document: dict[str, Any]) -> None:
    parameters = {
        parameter["name"]: parameter
        for parameter in document["paths"][f"{CALLS}shop.enrich"]["get"]["parameters"]
        if parameter.get("in") == "query"
    }
    assert set(parameters) == {"order", "mode", "count", "tags", "note", "anything"}
    assert parameters["order"]["required"] is True
    assert parameters["count"]["required"] is False
    assert {name for name, parameter in parameters.items() if "content" in parameter} == {"order", "anything"}
    assert parameters["tags"]["explode"] is True


def test_problems_and_headers_are_said_once(document: dict[str, Any]) -> None:
    components = document["components"]
    assert set(components["schemas"]["Problem"]["required"]) >= {"code", "started", "retryable", "errors", "call_id"}
    assert components["responses"]["TooManyRequests"]["headers"]["Retry-After"]
    headers = document["paths"][f"{CALLS}logs.tail"]["post"]["responses"]["200"]["headers"]
    assert set(headers) == {"Dragoman-Call-Id", "Server-Timing"}
    names = {parameter["name"] for parameter in components["parameters"].values()}
    assert names == {
        *("Dragoman-Timeout", "traceparent", "tracestate"),
        *("Prefer", "Dragoman-Task-Attempts", "Dragoman-Task-Deadline"),
    }


def test_the_pages_are_documented(document: dict[str, Any]) -> None:
    assert set(document["paths"]) >= {
        "/v1/functions",
        "/v1/functions/{function}",
        "/health/live",
        "/health/ready",
        "/metrics",
    }


def test_what_a_docstring_says_is_passed_on_as_text(document: dict[str, Any]) -> None:
    assert document["paths"][f"{CALLS}wordcount"]["post"]["description"] == MALICIOUS
    assert document["paths"][f"{CALLS}stats.correlation"]["post"]["summary"] == "Correlate the columns of a table."


def test_schemas_that_lead_in_circles_do_not_hold_it_up() -> None:
    circle = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}
    loop = {"properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"anyOf": [{"$ref": "#/$defs/X"}] * 50}}}
    made = build(
        Shelf(
            entry("a", Contract("f", input=circle, idempotent=True)),
            entry("a", Contract("g", input=loop, idempotent=True)),
        )
    )
    assert f"{CALLS}a.f" in made["paths"]


def test_a_thousand_functions_take_less_than_a_second() -> None:
    shelf = Shelf(
        *(entry(f"source{number % 20}", Contract(f"f{number}", **contract_fields(number))) for number in range(1000))
    )
    began = time.perf_counter()
    made = build(shelf)
    assert time.perf_counter() - began < 1
    assert len(made["paths"]) > 1000


def contract_fields(number: int) -> dict[str, Any]:
    like = (CORRELATION, ENRICH, TAIL, WORDCOUNT)[number % 4].contract
    return {"input": deepcopy(like.input), "output": deepcopy(like.output), "idempotent": True}


def test_a_body_is_required_only_where_an_empty_one_is_not_enough() -> None:
    plain = build(Shelf(entry("a", Contract("none")), entry("a", Contract("raw", raw_input=True)), CORRELATION))
    required = {
        name: plain["paths"][f"{CALLS}{name}"]["post"]["requestBody"]["required"]
        for name in ("a.none", "a.raw", "stats.correlation")
    }
    assert required == {"a.none": False, "a.raw": True, "stats.correlation": True}
