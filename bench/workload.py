"""What is sent, and the answer that shows that the contestant did the work."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One call over HTTP: its path, its JSON body and the decoded answer expected."""

    function: str
    body: bytes
    answer: Any

    @property
    def path(self) -> str:
        """The path that every contestant serves the function at."""
        return f"/v1/call/{self.function}"


def _request(function: str, value: dict[str, Any], answer: Any) -> Request:
    return Request(function, json.dumps(value, separators=(",", ":")).encode(), answer)


ADD = _request("functions.add", {"a": 1.5, "b": 2.25}, 3.75)
PRICE = _request(
    "functions.price",
    {"item": "lamp", "quantity": 3, "unit_price": 20.0, "country": "FR"},
    {"item": "lamp", "net": 60.0, "tax": 12.0, "total": 72.0},
)

TEXT = "x" * 89
SMALL = json.dumps({"text": TEXT}, separators=(",", ":")).encode()
"""A JSON body of 100 bytes."""

BLOB = bytes(range(256)) * 4096
"""A body of 1 MiB."""
