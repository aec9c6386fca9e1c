"""One input object from what HTTP keeps apart."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.upstream.document import Document
from dragoman.upstream.intake import Intake, kind_of
from dragoman.upstream.operation import SpecError
from dragoman.upstream.schema import Schemas


def intake(parameters: list[Any] | None = None, body: Any = None) -> Intake:
    document = Document({"openapi": "3.1.0"})
    made = Intake(document, Schemas(document, "input"))
    made.take_parameters(None, parameters, {"x-key"})
    if body is not None:
        made.take_body(body)
    return made


def json_body(schema: Any, *, required: bool = True) -> dict[str, Any]:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_the_properties_of_a_body_stand_beside_the_parameters() -> None:
    schema = intake([ID], json_body(PERSON)).schema()
    assert (list(schema["properties"]), schema["required"], schema["additionalProperties"]) == (
        ["id", "name"],
        ["id", "name"],
        True,
    )


@pytest.mark.parametrize(
    "body",
    [
        json_body({"type": "array"}),
        json_body({"anyOf": [PERSON]}),
        json_body({**PERSON, "minProperties": 1}),
        json_body(PERSON, required=False),
        json_body({"type": "object", "properties": {"id": {}}}),
        {"content": {"text/plain": {}}},
    ],
)
def test_a_body_that_cannot_be_laid_out_is_a_property(body: dict[str, Any]) -> None:
    made = intake([ID], body)
    assert made.body is not None
    assert made.body.key == "body"
    assert ("body" in made.schema()["required"]) is (body.get("required") is True)


def test_a_parameter_called_body_makes_room() -> None:
    made = intake([{"name": "body", "in": "query", "schema": {}}], json_body({"type": "array"}))
    assert list(made.schema()["properties"]) == ["body_query", "body"]
    assert made.parameters[0].key == "body_query"


def test_what_the_project_sends_is_not_asked_for() -> None:
    listed: list[Any] = [
        {"name": name, "in": "header", "schema": {}} for name in ("X-Key", "Authorization", "Accept", "X-Other")
    ]
    assert list(intake(listed).schema()["properties"]) == ["X-Other"]


def test_a_parameter_of_an_operation_comes_before_that_of_its_path() -> None:
    document = Document({"openapi": "3.1.0"})
    made = Intake(document, Schemas(document, "input"))
    made.take_parameters([ID], [{**ID, "schema": {"type": "string"}}], ())
    assert made.schema()["properties"] == {"id": {"type": "string"}}


@pytest.mark.parametrize(
    ("parameters", "body", "words"),
    [
        ([{"in": "query"}], None, 'needs a "name"'),
        ([{"name": "a", "in": "sky"}], None, 'an "in" of'),
        ([{"name": "a", "in": "query", "style": "label"}], None, "style 'label'"),
        ([1], None, "must be an object"),
        ([ID] * 501, None, "500 parameters"),
        ([{"name": "a", "in": "query"}, {"name": "a", "in": "path"}, {"name": "a_path", "in": "query"}], None, "clash"),
        (None, {"content": {}}, "its body is nothing"),
        (None, {"content": {"multipart/form-data": {}}}, "its body is multipart"),
    ],
)
def test_what_cannot_be_written_is_left_out_with_a_reason(parameters: Any, body: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        intake(parameters, body)


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        ("application/json; charset=utf-8", "json"),
        ("application/hal+json", "json"),
        ("TEXT/EVENT-STREAM", "events"),
        ("application/x-ndjson", "lines"),
        ("text/html", "text"),
        ("image/svg+xml", "text"),
        ("image/png", "bytes"),
        ("multipart/form-data", ""),
        ("", ""),
    ],
)
def test_media_types_have_kinds(media: str, kind: str) -> None:
    assert kind_of(media) == kind
