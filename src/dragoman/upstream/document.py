"""A description of a service while it is read: references followed, and every place named."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import unquote

from dragoman.contract.codecs import json
from dragoman.contract.malformed import Malformed
from dragoman.upstream.operation import SpecError

DOCUMENT_BYTES_MAX = 32 * 1024 * 1024
"""Four times the largest description that is published (of a cloud's whole API); reading it takes half a second."""
HOPS_MAX = 32
"""References to references; past this they go in a circle."""
SHOWN_CHARS_MAX = 200


class Document:
    """The decoded JSON of an OpenAPI document, 3.0 or 3.1."""

    def __init__(self, root: dict[str, Any]) -> None:
        """Raises `SpecError` for anything that is not an OpenAPI document of a version that is known."""
        self.root = root
        version = root.get("openapi")
        if not isinstance(version, str):
            hint = " (Swagger 2.0 must be converted first)" if "swagger" in root else ""
            raise SpecError(f'it is no OpenAPI document: it says no "openapi" version{hint}')
        if not version.startswith(("3.0", "3.1", "3.2")):
            raise SpecError(f"it is of OpenAPI version {version[:20]!r}; known are 3.0 and 3.1")
        self.old = version.startswith("3.0")

    @classmethod
    def parse(cls, content: bytes) -> Document:
        """Read a document's bytes. Raises `SpecError`."""
        if len(content) > DOCUMENT_BYTES_MAX:
            raise SpecError(f"it is larger than {DOCUMENT_BYTES_MAX // 1024**2}MB")
        try:
            root = json.decode(content)
        except Malformed as error:
            hint = "; convert YAML to JSON first" if content.lstrip()[:1] not in (b"{", b"") else ""
            raise SpecError(f"it is {error}{hint}") from None
        return cls(table(root, "the document"))

    def find(self, reference: str) -> Any:
        """What a reference into this document stands for. Raises `SpecError`."""
        if not reference.startswith("#/"):
            raise SpecError(f"$ref {reference[:SHOWN_CHARS_MAX]!r} leads out of the document; bundle it into one file")
        value: Any = self.root
        for part in steps(reference):
            if isinstance(value, dict) and part in value:
                value = cast("dict[str, Any]", value)[part]
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(cast("list[Any]", value)):
                value = cast("list[Any]", value)[int(part)]
            else:
                raise SpecError(f"$ref {reference[:SHOWN_CHARS_MAX]!r} leads to nothing")
        return value

    def resolve(self, node: Any, where: str) -> dict[str, Any]:
        """An object, or the one that it refers to. Raises `SpecError`."""
        found = table(node, where)
        for _ in range(HOPS_MAX):
            reference = found.get("$ref")
            if not isinstance(reference, str):
                return found
            found = table(self.find(reference), reference[:SHOWN_CHARS_MAX])
        raise SpecError(f"{where}: its $ref goes in a circle")


def steps(reference: str) -> list[str]:
    """The keys that a reference into the same document leads through."""
    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/")]


def table(value: Any, where: str) -> dict[str, Any]:
    """A value that must be an object. Raises `SpecError`."""
    if not isinstance(value, dict):
        raise SpecError(f"{where} must be an object")
    return cast("dict[str, Any]", value)


def items(value: Any, where: str) -> list[Any]:
    """A value that must be an array, `None` for none. Raises `SpecError`."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise SpecError(f"{where} must be an array")
    return cast("list[Any]", value)
