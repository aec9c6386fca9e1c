"""Documents made from the functions of a host, each made once for every version of them and named by an ETag."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any

from dragoman.ingress.http import openapi
from dragoman.ingress.http.catalogue import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.ingress.http.catalogue import Catalogue

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Document:
    """A body and the `ETag` that names it, quotes included."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, body: bytes) -> Document:
        """Name a body by its content."""
        return cls(body, f'"{sha256(body).hexdigest()[:32]}"')

    def known(self, if_none_match: str) -> bool:
        """Whether a client that sent this `If-None-Match` has it already (RFC 9110 §13.1.2: weak comparison)."""
        return is_named(self.etag, if_none_match)


class Documents:
    """The listing, the OpenAPI and the AsyncAPI document of a host.

    Safe to ask in any thread, and better not in the event loop's: a thousand functions take 100 ms.
    """

    def __init__(self, catalogue: Catalogue, *, tasks: bool = False) -> None:
        """`tasks` says whether calls can be stored as tasks."""
        self._catalogue = catalogue
        self._tasks = tasks
        self._kept: dict[str, tuple[int, Document]] = {}
        self._lock = Lock()

    def functions(self) -> Document:
        """All functions with their contracts, as `{"service": …, "functions": […]}`."""
        return self._of_version("functions", self._listing)

    def openapi(self) -> Document:
        """The OpenAPI document."""
        return self._of_version("openapi", lambda: openapi.build(self._catalogue, tasks=self._tasks))

    def asyncapi(self) -> Document:
        """The AsyncAPI document."""
        return self._of_version("asyncapi", self._catalogue.messages)

    def function(self, name: str) -> Document | None:
        """One function with its contract; None where there is none of that name."""
        entry = self._catalogue.functions().get(name)
        return None if entry is None else Document.of(to_json(described(entry)))

    def _listing(self) -> dict[str, Any]:
        functions = [described(entry) for entry in self._catalogue.functions().values()]
        return {"service": self._catalogue.service, "functions": functions}

    def _of_version(self, name: str, make: Callable[[], dict[str, Any]]) -> Document:
        with self._lock:
            # Read before the functions are: a change in between makes the document anew, rather than never.
            version = self._catalogue.version
            kept = self._kept.get(name)
            if kept is None or kept[0] != version:
                kept = self._kept[name] = (version, Document.of(to_json(make())))
            return kept[1]


def is_named(etag: str, if_none_match: str) -> bool:
    """Whether an `If-None-Match` names a tag, by the weak comparison that it asks for."""
    names = (name.strip().removeprefix("W/") for name in if_none_match.split(","))
    return any(name in {etag, "*"} for name in names)


def to_json(value: object) -> bytes:
    """Write JSON in UTF-8; halves of surrogate pairs become question marks."""
    return _encode(value).encode("utf-8", "replace")
