from __future__ import annotations

from typing import Any

import pytest

from dragoman.upstream.document import Document, items, table
from dragoman.upstream.operation import SpecError

ROOT: dict[str, Any] = {
    "openapi": "3.0.3",
    "components": {
        "a/b~c": {"x": 1},
        "loop": {"$ref": "#/components/loop"},
        "to": {"$ref": "#/components/list/1"},
        "list": [0, {"y": 2}],
    },
}


def test_references_are_followed_through_escapes_and_lists() -> None:
    document = Document(ROOT)
    assert document.resolve({"$ref": "#/components/a~1b~0c"}, "it") == {"x": 1}
    assert document.resolve({"$ref": "#/components/to"}, "it") == {"y": 2}
    assert document.old


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("#/components/loop", "circle"),
        ("#/nothing", "leads to nothing"),
        ("#/components/list/9", "leads to nothing"),
        ("other.json#/a", "out of the document"),
        ("https://example.com/a", "out of the document"),
    ],
)
def test_references_that_lead_nowhere_are_told(reference: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Document(ROOT).resolve({"$ref": reference}, "it")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b"openapi: 3.1.0", "convert YAML"),
        (b"[]", "must be an object"),
        (b"{}", "no OpenAPI document"),
        (b'{"swagger": "2.0"}', "Swagger 2.0"),
        (b'{"openapi": "4.0.0"}', "known are 3.0 and 3.1"),
        (b" " * (32 * 1024 * 1024 + 1), "larger than 32MB"),
    ],
)
def test_what_is_no_document_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Document.parse(content)


def test_parts_are_of_their_kind() -> None:
    assert items(None, "it") == []
    with pytest.raises(SpecError, match="it must be an array"):
        items("a", "it")
    with pytest.raises(SpecError, match="it must be an object"):
        table("a", "it")
