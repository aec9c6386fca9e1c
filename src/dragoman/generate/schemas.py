"""JSON Schemas looked at as schemas: references followed, parts joined, the tags of unions found."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

Schema = dict[str, Any]

_HOPS_MAX = 32
"""References that lead to one another; a chain that is longer goes in a circle."""
_VARIANTS_MAX = 500
_ANNOTATIONS = frozenset(
    {"title", "description", "default", "deprecated", "examples", "$comment", "readOnly", "writeOnly"}
)
_JOINED = _ANNOTATIONS | {"type", "properties", "required", "$defs"}
"""The words of objects that can be joined into one."""
_BEYOND = ("not", "if", "dependentSchemas", "unevaluatedProperties", "$dynamicRef", "contains")
_FORMATS = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64, 128)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64, 128)},
}


class Variant(NamedTuple):
    """One branch of a tagged union: its tag's value, its schema, and the name of its definition, if it has one."""

    value: str
    schema: Schema
    name: str


def definition_name(view: Schema) -> str:
    """The last part of a reference."""
    return str(view.get("$ref")).rpartition("/")[2]


def resolve(view: Schema, root: Schema) -> Schema | None:
    """What a reference refers to, without following further ones; None where that is nothing of this schema."""
    reference = view.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    found: Any = root
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            return None
        found = cast("Schema", found)[key]
    return cast("Schema", found) if isinstance(found, dict) else ({} if found is True else None)


def followed(schema: Any, root: Schema) -> tuple[Schema | None, str]:
    """A schema behind all references, and the name of the definition that it stands in."""
    name = ""
    for _ in range(_HOPS_MAX):
        if not isinstance(schema, dict):
            return None, name
        view = cast("Schema", schema)
        if "$ref" not in view:
            return view, name
        name, schema = definition_name(view), resolve(view, root)
    return None, name


def properties(schema: Schema) -> Schema:
    """The properties that an object is known to have."""
    found = schema.get("properties")
    return cast("Schema", found) if isinstance(found, dict) else {}


def definitions(root: Schema) -> dict[str, Schema]:
    """The objects among the definitions of a schema, by their names."""
    found = root.get("$defs")
    every = cast("Schema", found) if isinstance(found, dict) else {}
    return {name: cast("Schema", each) for name, each in every.items() if isinstance(each, dict)}


def is_null(schema: Any) -> bool:
    """Whether a branch allows null, and nothing else."""
    if not isinstance(schema, dict):
        return False
    view = cast("Schema", schema)
    return view.get("type") == "null" or ("const" in view and view["const"] is None) or view.get("enum") == [None]


def implied(schema: Schema) -> str:
    """The type that a schema without one means."""
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "unknown"


def beyond(schema: Schema) -> str:
    """Why a schema without a type is no type; empty where it allows any value by intent."""
    return next((f"its schema has {keyword!r}" for keyword in _BEYOND if keyword in schema), "")


def bounds(schema: Schema) -> tuple[int | None, int | None]:
    """Between what an integer lies."""
    least, most = _FORMATS.get(str(schema.get("format")), (None, None))
    minimum, maximum = _whole(schema.get("minimum")), _whole(schema.get("maximum"))
    above, below = _whole(schema.get("exclusiveMinimum")), _whole(schema.get("exclusiveMaximum"))
    lows = [each for each in (least, minimum, None if above is None else above + 1) if each is not None]
    highs = [each for each in (most, maximum, None if below is None else below - 1) if each is not None]
    return (max(lows) if lows else None, min(highs) if highs else None)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) else int(value) if value.is_integer() else None


def merged(schema: Schema, root: Schema) -> Schema | None:
    """An `allOf` as one schema: of objects, or of one schema with words beside it; None where that is not all."""
    parts: list[Any] = [*cast("list[Any]", schema["allOf"]), {k: v for k, v in schema.items() if k != "allOf"}]
    views = [cast("Schema", part) for part in parts if isinstance(part, dict) and not part.keys() <= {"$defs"}]
    said = [view for view in views if not view.keys() <= _ANNOTATIONS | {"$defs"}]
    words = {key: value for view in views for key, value in view.items() if key in _ANNOTATIONS}
    if len(said) == 1:
        return {**said[0], **words}
    joined: Schema = {"type": "object", "properties": {}, "required": []}
    for each in said:
        view, _ = followed(each, root)
        if view is None or not view.keys() <= _JOINED:
            return None
        joined["properties"].update(properties(view))
        joined["required"] += view.get("required", [])
    return {**joined, **words}


def tagged(view: Schema, branches: list[Any], root: Schema) -> tuple[str, list[Variant]] | None:
    """The tag of a union and its variants; None where no property with a text tells all branches apart."""
    found = _objects(branches, root)
    if not found:
        return None
    discriminator = view.get("discriminator")
    named = cast("Schema", discriminator).get("propertyName") if isinstance(discriminator, dict) else None
    first = properties(found[0][0])
    for tag in ([named] if isinstance(named, str) else []) + list(first):
        values = [_constant(properties(schema).get(tag)) for schema, _ in found]
        texts = [value for value in values if value is not None]
        if len(texts) == len(found) == len(set(texts)):
            return tag, [Variant(text, schema, name) for text, (schema, name) in zip(texts, found, strict=True)]
    return None


def _objects(branches: list[Any], root: Schema) -> list[tuple[Schema, str]] | None:
    """The objects that branches are, those of unions among them too; None where one is something else."""
    found: list[tuple[Schema, str]] = []
    waiting = list(reversed(branches))
    hops = 0
    while waiting:
        hops += 1
        schema, name = followed(waiting.pop(), root)
        if schema is None or hops > _VARIANTS_MAX:
            return None
        inner = schema.get("anyOf", schema.get("oneOf"))
        if isinstance(inner, list):
            waiting += reversed(cast("list[Any]", inner))
        elif not properties(schema) or isinstance(schema.get("additionalProperties"), dict) or "allOf" in schema:
            return None
        else:
            found.append((schema, name))
    return found


def _constant(member: Any) -> str | None:
    if not isinstance(member, dict):
        return None
    view = cast("Schema", member)
    values = cast("list[Any]", view["enum"]) if isinstance(view.get("enum"), list) else [view.get("const")]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def without(schema: Schema, tag: str) -> Schema:
    """An object's schema without one of its properties."""
    members = {name: member for name, member in properties(schema).items() if name != tag}
    return {**schema, "properties": members}


def closure(schema: Any, root: Schema) -> Schema:
    """All that a schema refers to, by its references."""
    found: Schema = {}
    waiting = list(_references(schema))
    while waiting:
        reference = waiting.pop()
        if reference not in found:
            target = resolve({"$ref": reference}, root)
            found[reference] = target
            waiting += _references(target)
    return found


def _references(schema: Any) -> set[str]:
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            view = cast("Schema", part)
            if isinstance(view.get("$ref"), str):
                found.add(view["$ref"])
            waiting += view.values()
        elif isinstance(part, list):
            waiting += cast("list[Any]", part)
    return found
