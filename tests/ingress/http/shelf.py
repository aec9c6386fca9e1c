"""A catalogue that stands still, for the tests of the pages."""

from collections.abc import Mapping
from typing import Any

from dragoman.contract.function import Contract
from dragoman.ingress.http.catalogue import FunctionEntry

MALICIOUS = '</script><script>alert(1)</script><img src=x onerror="alert(2)">\u2028${`x`}'

ORDER = {
    "type": "object",
    "title": "Order",
    "properties": {"id": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}]}},
    "required": ["id"],
}
OTHER_ORDER = {"type": "object", "title": "Order", "properties": {"x": {"type": "string"}}}
BYTES = {"type": "string", "contentEncoding": "base64"}
MATRIX = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}


def entry(source: str, contract: Contract, language: str = "python") -> FunctionEntry:
    name = contract.name if contract.name == source else f"{source}.{contract.name}"
    return FunctionEntry(name, contract, source, language, "warm", 5.0)


CORRELATION = entry(
    "stats",
    Contract(
        "correlation",
        "1.2.0",
        "Correlate the columns of a table.\n\nPearson's r, for every pair of columns.",
        {
            "type": "object",
            "properties": {"data": MATRIX | {"description": "Rows of numbers."}},
            "required": ["data"],
            "additionalProperties": False,
        },
        MATRIX,
        idempotent=True,
    ),
)
ENRICH = entry(
    "shop",
    Contract(
        "enrich",
        input={
            "type": "object",
            "properties": {
                "order": {"$ref": "#/$defs/Order"},
                "mode": {"enum": ["fast", "slow"], "default": "fast"},
                "count": {"type": "integer", "minimum": 1, "default": 3},
                "tags": {"type": "array", "items": {"type": "string"}},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "anything": {},
            },
            "required": ["order"],
            "$defs": {"Order": ORDER},
        },
        output={"$ref": "#/$defs/Order", "$defs": {"Order": ORDER}},
        idempotent=True,
    ),
)
CANCEL = entry(
    "shop",
    Contract(
        "cancel-order",
        input={
            "type": "object",
            "properties": {"order": {"$ref": "#/$defs/Order"}},
            "$defs": {"Order": OTHER_ORDER},
        },
    ),
)
TAIL = entry(
    "logs",
    Contract(
        "tail",
        description="Follow a log.",
        output={"type": "object", "properties": {"line": {"type": "string"}}, "required": ["line"]},
        streaming=True,
    ),
)
WORDCOUNT = entry(
    "wordcount",
    Contract(
        "wordcount",
        description=MALICIOUS,
        input={"type": "object", "properties": {"body": BYTES, MALICIOUS: {"type": "string"}}},
        output=BYTES,
        raw_input=True,
        raw_output=True,
    ),
    "executable",
)
TREE = entry(
    "tree",
    Contract(
        "size",
        input={
            "type": "object",
            "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "value": {"type": ["integer", "null"]}},
        },
        output={"type": "integer"},
    ),
)


class Shelf:
    """A catalogue of the entries that it is given, and a host as healthy as it is told to be."""

    service = "shop"

    def __init__(self, *entries: FunctionEntry) -> None:
        self.version = 1
        self.entries = entries
        self.reasons: dict[str, str] = {}

    def functions(self) -> Mapping[str, FunctionEntry]:
        return {entry.name: entry for entry in self.entries}

    def messages(self) -> dict[str, Any]:
        return {"asyncapi": "3.0.0", "info": {"title": self.service, "version": str(self.version)}}

    def ready(self) -> tuple[bool, Mapping[str, str]]:
        return not self.reasons, self.reasons


def full() -> Shelf:
    """One function of every kind."""
    return Shelf(CORRELATION, ENRICH, CANCEL, TAIL, WORDCOUNT, TREE)
