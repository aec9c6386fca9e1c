"""Documents as operations: what is read, what is left out, and that no document breaks the reader."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.upstream.openapi import Found, read
from dragoman.upstream.operation import SpecError

PET = {"type": "object", "properties": {"id": {"type": "integer", "format": "int64"}, "name": {"type": "string"}}}
SHOP: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://{region}.example.com/v1/", "variables": {"region": {"default": "eu"}}}],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {
                "operationId": "getPet",
                "summary": "One pet.",
                "description": "By its number.",
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
                },
            },
            "delete": {"responses": {"204": {"description": "gone"}}},
        },
        "/pets": {
            "post": {
                "operationId": "addPet",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                },
                "responses": {
                    "201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
                },
            }
        },
        "/feed": {
            "get": {"operationId": "feed", "responses": {"200": {"content": {"text/event-stream": {"schema": PET}}}}}
        },
        "/photo": {"get": {"operationId": "photo", "responses": {"200": {"content": {"image/png": {}}}}}},
    },
    "components": {"schemas": {"Pet": PET}},
}


def found(document: dict[str, Any], **more: Any) -> Found:
    return read(json.dumps(document).encode(), **more)


def one(node: dict[str, Any], path: str = "/a", method: str = "get") -> Found:
    return found({"openapi": "3.1.0", "paths": {path: {method: node}}})


def test_operations_become_functions() -> None:
    operations = {each.contract.name: each for each in found(SHOP).operations}
    assert list(operations) == ["getPet", "delete_pets_id", "addPet", "feed", "photo"]
    get = operations["getPet"]
    assert (get.method, get.url, get.contract.description) == ("GET", "/pets/{id}", "One pet.\n\nBy its number.")
    assert get.contract.idempotent
    assert get.contract.output["$ref"] == "#/$defs/Pet"
    assert not operations["addPet"].contract.idempotent
    assert operations["addPet"].plain
    assert operations["feed"].contract.streaming
    assert operations["feed"].accept == "text/event-stream"
    assert operations["photo"].contract.raw_output


def test_servers_are_believed_where_nothing_else_is_said() -> None:
    urls = {each.url for each in found(SHOP, own_servers=True).operations}
    assert "https://eu.example.com/v1/pets" in urls


def test_a_document_that_was_fetched_cannot_send_keys_elsewhere() -> None:
    with pytest.raises(SpecError, match="keys are not sent"):
        found(SHOP, own_servers=True, origin="https://docs.example.com/api.json")
    assert found(SHOP, own_servers=True, origin="https://eu.example.com/api.json").operations


@pytest.mark.parametrize(
    ("node", "path", "words"),
    [
        ({}, "a", "begin with a slash"),
        ({}, "/a/{b}", "not among its parameters"),
        ({"parameters": [{"name": "b", "in": "path"}]}, "/a", "has no {b}"),
        ({"parameters": [{"$ref": "#/x"}]}, "/a", "leads to nothing"),
        ({"responses": {"200": {"content": {"application/json": {"schema": {"type": 3}}}}}}, "/a", "its schema is"),
        ({"parameters": [{"name": "b", "in": "query", "schema": {"pattern": "("}}]}, "/a", "its schema is"),
        ({"requestBody": 3}, "/a", "must be an object"),
    ],
)
def test_an_operation_that_cannot_be_called_is_left_out(node: dict[str, Any], path: str, words: str) -> None:
    document: dict[str, Any] = {"openapi": "3.1.0", "paths": {"/good": {"get": {}}, path: {"post": node}}}
    result = found(document)
    assert [each.contract.name for each in result.operations] == ["get_good"]
    ((where, why),) = result.left_out
    assert where == f"POST {path}"
    assert words in why


def test_two_operations_of_one_name_are_refused() -> None:
    document = {"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "x"}}, "/b": {"get": {"operationId": "x"}}}}
    with pytest.raises(SpecError, match="GET /a and GET /b would both be called 'x'"):
        found(document)


def test_a_document_of_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="no operation that can be called"):
        found({"openapi": "3.1.0", "paths": {}})
    with pytest.raises(SpecError, match="must be an object"):
        one(3)  # pyright: ignore[reportArgumentType] - what a document may hold
    with pytest.raises(SpecError, match="more than"):
        found({"openapi": "3.1.0", "paths": {f"/{index}": {"get": {}} for index in range(20_000)}})


def test_a_property_that_goes_the_other_way_is_not_asked_for() -> None:
    schema = {"type": "object", "required": ["id", "n"], "properties": {"id": {"readOnly": True}, "n": {}}}
    (operation,) = one(
        {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}, method="post"
    ).operations
    assert operation.contract.input["required"] == ["n"]


HARM: list[Any] = [None, True, -1, "", "#/paths", "[", [], {}, {"$ref": "#/"}, [{}], "{", 1e300]


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with each of its keys."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any JSON
        yield node, key
        if isinstance(node[key], (dict, list)):
            yield from places(node[key])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(HARM))
def test_a_damaged_document_is_read_or_refused(which: int, harm: Any) -> None:
    document = copy.deepcopy(SHOP)
    every = list(places(document))
    node, key = every[which % len(every)]
    node[key] = harm
    try:
        found(document, own_servers=True)
    except SpecError as error:
        assert str(error)  # noqa: PT017 - either way is right, silence is not
