"""Tables in contracts: which annotations ask for one, and how a schema says so.

Told by name, so that a library is imported only where the user's own module has it, and never in a host.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any, cast

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
OUTPUT: dict[str, Any] = {"type": "array", "items": {"type": "object"}, "contentMediaType": MEDIA_TYPE}
"""What a table is in JSON and MessagePack: its records."""
INPUT: dict[str, Any] = {
    "anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "string", "contentEncoding": "base64"}],
    "contentMediaType": MEDIA_TYPE,
}
"""What may come in the place of one: records, or the bytes of an Arrow stream."""
_ASKED_MAX = 1024
"""Classes about which it is remembered whether they are tables: clients ask it of each argument."""
_CLASSES = frozenset(
    {
        ("nanoarrow", "Array"),
        ("nanoarrow", "ArrayStream"),
        ("pandas", "DataFrame"),
        ("polars", "DataFrame"),
        ("pyarrow", "RecordBatch"),
        ("pyarrow", "RecordBatchReader"),
        ("pyarrow", "Table"),
    }
)


def is_table(kind: Any) -> bool:
    """Whether a type is a table of one of the libraries that read and write Arrow streams."""
    return isinstance(kind, type) and (library_of(kind), kind.__name__) in _CLASSES


def is_table_value(value: object) -> bool:
    """Whether a value is such a table, or of a class made of one."""
    return _is_made_of_one(type(value))


def has_table(value: object) -> bool:
    """Whether an input is an object with such a table as one of its members."""
    if type(value) is dict:
        for member in cast("dict[str, object]", value).values():
            if _is_made_of_one(type(member)):
                return True
    return False


@cache
def has_pyarrow() -> bool:
    """Whether PyArrow can be imported here; it is not. What is installed later is not noticed."""
    return find_spec("pyarrow") is not None


def library_of(kind: Any) -> str:
    """The library that a class comes from."""
    return kind.__module__.partition(".")[0]


def is_table_schema(schema: Any) -> bool:
    """Whether a schema is that of a table, of this or any other guest language."""
    return isinstance(schema, Mapping) and cast("Mapping[str, Any]", schema).get("contentMediaType") == MEDIA_TYPE


def tables_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The properties of an input that are tables."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    return frozenset(name for name, each in properties.items() if is_table_schema(each))


@lru_cache(maxsize=_ASKED_MAX)
def _is_made_of_one(kind: type) -> bool:
    return any(is_table(base) for base in kind.__mro__)
