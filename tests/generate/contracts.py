"""Contracts made of schemas, for tests that need no host."""

from __future__ import annotations

from typing import Any

from dragoman.contract.function import Contract
from dragoman.generate.model import Kind, Surface
from dragoman.generate.reading import Reading, Types
from dragoman.generate.surface import surface


def read(schema: dict[str, Any], name: str = "Name") -> tuple[Kind, Types]:
    """A schema as a kind, and the types that it named."""
    types = Types()
    return Reading(types, schema).kind(schema, name), types


def one(schema: dict[str, Any], **more: Any) -> Surface:
    """A surface of one function `shop.f`, whose property `x` has this schema."""
    definitions = schema.pop("$defs", {})
    root = {"type": "object", "properties": {"x": schema}, "required": ["x"], "additionalProperties": False}
    return surface("shop", {"shop.f": Contract("f", input={**root, "$defs": definitions}, **more)})
