"""One input object out of what HTTP keeps apart: parameters of path, query, headers and cookies, and the body.

A name that several places share is told apart by its place (`id_path`, `id_query`). A body whose properties have names
of their own is laid beside the parameters; any other is the property `body`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from dragoman.upstream.document import items, table
from dragoman.upstream.naming import keys
from dragoman.upstream.operation import PLACES, Body, Parameter, Place, SpecError

if TYPE_CHECKING:
    from collections.abc import Collection

    from dragoman.upstream.document import Document
    from dragoman.upstream.schema import Schemas

PARAMETERS_MAX = 500
BODY_KEY = "body"
IGNORED = frozenset({"accept", "content-type", "authorization"})
"""Header parameters that OpenAPI says to ignore: they are described elsewhere."""

STYLES: dict[Place, tuple[str, ...]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
"""The styles of each place; the first is the default."""

KINDS = {
    **dict.fromkeys(("application/json", "text/json", "application/*", "*/*"), "json"),
    "application/x-www-form-urlencoded": "form",
    "text/event-stream": "events",
    **dict.fromkeys(("application/jsonl", "application/x-jsonlines", "application/json-seq"), "lines"),
    **dict.fromkeys(("application/x-ndjson", "application/ndjson"), "lines"),
    **dict.fromkeys(("application/xml", "application/yaml", "application/x-yaml", "application/javascript"), "text"),
    **dict.fromkeys(("application/pdf", "application/zip", "application/gzip", "application/x-tar"), "bytes"),
    "application/octet-stream": "bytes",
}
"""How each media type is written and read, where its name alone does not say it."""

_ALLOWED = frozenset({"type", "properties", "required", "additionalProperties", "title", "description", "$defs"})
"""The keywords of a body that can be laid beside parameters: it says nothing about the object as a whole."""


class Intake:
    """Gathers the input of one operation."""

    def __init__(self, document: Document, schemas: Schemas) -> None:
        self.parameters: tuple[Parameter, ...] = ()
        self.body: Body | None = None
        self._document = document
        self._schemas = schemas
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []
        self._open: Any = False

    def take_parameters(self, shared: Any, own: Any, fixed: Collection[str]) -> None:
        """The parameters of a path, and those of an operation, which come first; `fixed` headers are not asked for.

        Raises `SpecError`.
        """
        found: dict[tuple[str, Place], dict[str, Any]] = {}
        listed = [*items(shared, "parameters"), *items(own, "parameters")]
        if len(listed) > PARAMETERS_MAX:
            raise SpecError(f"it has more than {PARAMETERS_MAX} parameters")
        for node in listed:
            entry = self._document.resolve(node, "a parameter")
            name, place = entry.get("name"), entry.get("in")
            if not isinstance(name, str) or not name or place not in PLACES:
                raise SpecError(f'a parameter needs a "name" and an "in" of {", ".join(PLACES)}')
            if place == "header" and (name.lower() in IGNORED or name.lower() in fixed):
                continue
            found[name, place] = entry
        names = keys(found)
        if len(set(names.values())) < len(found):
            raise SpecError("names of its parameters clash even with their places added; rename one")
        self.parameters = tuple(self._parameter(at, entry, names[at]) for at, entry in found.items())

    def take_body(self, node: Any) -> None:
        """The body of a request. Raises `SpecError`."""
        entry = self._document.resolve(node, "requestBody")
        content = table(entry.get("content", {}), "requestBody: content")
        required = entry.get("required") is True
        media, kind = _chosen(content)
        described = table(content[media], f"requestBody: {media}")
        if kind in ("json", "form") and self._lay_out(described.get("schema", {}), required=required):
            self.body = Body(media, kind, "", required)
            return
        if BODY_KEY in self._properties:
            self._rename(BODY_KEY)
        self.body = Body(media, kind, BODY_KEY, required)
        schema: Any = {"type": "string", "contentEncoding": "base64"}
        if kind != "bytes":
            schema = self._schemas.convert(described.get("schema", {}), "requestBody")
        self._add(BODY_KEY, schema, required=required)

    def schema(self) -> dict[str, Any]:
        """The schema of the whole input. Raises `SpecError`."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": self._properties,
            "required": self._required,
            "additionalProperties": self._open,
        }
        definitions = self._schemas.definitions()
        return schema | ({"$defs": definitions} if definitions else {})

    def _parameter(self, at: tuple[str, Place], entry: dict[str, Any], key: str) -> Parameter:
        name, place = at
        where = f"parameter {name!r}"
        content = table(entry.get("content", {}), f"{where}: content")
        described = table(next(iter(content.values())), where) if content else entry
        schema = self._schemas.convert(described.get("schema", {}), where)
        text = entry.get("description")
        if isinstance(text, str) and isinstance(schema, dict) and "$ref" not in schema:
            schema = {"description": text, **cast("dict[str, Any]", schema)}
        self._add(key, schema, required=place == "path" or entry.get("required") is True)
        style = entry.get("style", STYLES[place][0])
        if style not in STYLES[place]:
            raise SpecError(f"{where}: style {str(style)[:40]!r} is none for a parameter in the {place}")
        explode = entry.get("explode", style == "form") is True
        return Parameter(name, key, place, style, explode, entry.get("allowReserved") is True, bool(content))

    def _add(self, key: str, schema: Any, *, required: bool) -> None:
        self._properties[key] = schema
        if required:
            self._required.append(key)

    def _lay_out(self, node: Any, *, required: bool) -> bool:
        """Lay the properties of a body beside the parameters, where nothing is lost by that."""
        resolved = self._document.resolve(node, "requestBody")
        body = self._schemas.convert(resolved, "requestBody")
        properties: dict[str, Any] = body.get("properties", {})
        needed: list[str] = [name for name in body.get("required", ()) if isinstance(name, str)]
        defaults = any(isinstance(each, dict) and "default" in each for each in properties.values())
        whole = body.get("type") == "object" and body.keys() <= _ALLOWED and bool(properties)
        if not whole or properties.keys() & self._properties.keys() or (not required and (needed or defaults)):
            return False
        for name, schema in properties.items():
            self._add(name, schema, required=name in needed)
        self._open = body.get("additionalProperties", True)
        return True

    def _rename(self, key: str) -> None:
        """Tell the parameter that is called like the body apart from it."""
        renamed: list[Parameter] = []
        for each in self.parameters:
            if each.key != key:
                renamed.append(each)
                continue
            new = f"{key}_{each.place}"
            if new in self._properties:
                raise SpecError(f"its parameters {key!r} and {new!r} leave no name for its body; rename one")
            self._properties[new] = self._properties.pop(key)
            self._required = [new if name == key else name for name in self._required]
            renamed.append(replace(each, key=new))
        self.parameters = tuple(renamed)


def _chosen(content: dict[str, Any]) -> tuple[str, Any]:
    """The media type to send, the most exact first. Raises `SpecError` where there is none that is known."""
    kinds = {media: kind_of(media) for media in content}
    for wanted in ("json", "form", "text", "bytes"):
        for media, kind in kinds.items():
            if kind == wanted:
                return media, kind
    known = ", ".join(media[:80] for media in content) or "nothing"
    raise SpecError(f"its body is {known}; known are JSON, URL-encoded forms, text and application/octet-stream")


def kind_of(media: str) -> str:
    """How a media type is written and read: `json`, `form`, `text`, `lines`, `events`, `bytes`, or nothing known."""
    name = media.partition(";")[0].strip().lower()
    if (known := KINDS.get(name)) is not None:
        return known
    if name.endswith("+json"):
        return "json"
    if name.startswith("text/") or name.endswith("+xml"):
        return "text"
    return "bytes" if name.startswith(("image/", "audio/", "video/")) else ""
