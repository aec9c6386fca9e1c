"""An OpenAPI document as operations, each of which becomes a function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from dragoman.contract.function import Contract, ContractError
from dragoman.contract.manifest import DESCRIPTION_CHARACTERS_MAX, FUNCTIONS_MAX
from dragoman.upstream.document import Document, items, table
from dragoman.upstream.intake import Intake, kind_of
from dragoman.upstream.naming import function_name
from dragoman.upstream.operation import ACCEPT_JSON, Operation, SpecError
from dragoman.upstream.schema import Schemas, check_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
IDEMPOTENT = frozenset({"get", "put", "delete", "options", "head", "trace"})
"""RFC 9110, section 9.2.2."""
ACCEPT = {
    "json": ACCEPT_JSON,
    "lines": "application/jsonl, application/x-ndjson, */*;q=0.1",
    "events": "text/event-stream",
}
"""What is asked for, by the kind of body that a description promises; anything where that is another."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a document offers, and what of it had to be left out: `(operation, why)`."""

    operations: tuple[Operation, ...]
    left_out: tuple[tuple[str, str], ...]


def read(content: bytes, *, own_servers: bool = False, origin: str = "", headers: Collection[str] = ()) -> Found:
    """The operations of a document.

    Args:
        content: The document, JSON.
        own_servers: Whether to believe the document's `servers`; else addresses are paths.
        origin: Where the document came from, if that is a URL; its `servers` may be relative to that.
        headers: Names of headers that are sent with each request, in lower case: no caller gives them.

    Raises:
        SpecError: The document is none, or two operations would have one name, or nothing is left.
    """
    document = Document.parse(content)
    paths = table(document.root.get("paths", {}), "paths")
    made: dict[str, Operation] = {}
    places: dict[str, str] = {}
    left_out: list[tuple[str, str]] = []
    for where, path, method, shared, own in _listed(document, paths, left_out):
        reader = _Reader(document, origin if own_servers else None, headers)
        try:
            operation = reader.read(path, method, shared, own)
        except (SpecError, ContractError) as error:
            left_out.append((where, str(error)))
            continue
        name = operation.contract.name
        if name in made:
            raise SpecError(
                f"{places[name]} and {where} would both be called {name!r}: give them operationIds that differ"
            )
        made[name], places[name] = operation, where
    if not made:
        first = f": {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise SpecError(f"it describes no operation that can be called{first}")
    return Found(tuple(made.values()), tuple(left_out))


def _listed(
    document: Document, paths: dict[str, Any], left_out: list[tuple[str, str]]
) -> Iterator[tuple[str, str, str, dict[str, Any], dict[str, Any]]]:
    count = 0
    for path, node in paths.items():
        try:
            shared = document.resolve(node, path)
        except SpecError as error:
            left_out.append((path, str(error)))
            continue
        for method in METHODS:
            if method not in shared:
                continue
            count += 1
            if count > FUNCTIONS_MAX:
                raise SpecError(f"it has more than {FUNCTIONS_MAX} operations")
            where = f"{method.upper()} {path}"
            if isinstance(shared[method], dict):
                yield where, path, method, shared, shared[method]
            else:
                left_out.append((where, "it must be an object"))


class _Reader:
    """Reads one operation."""

    def __init__(self, document: Document, origin: str | None, headers: Collection[str]) -> None:
        """`origin` is what servers are relative to; `None` where they are not asked for."""
        self._document = document
        self._origin = origin
        self._headers = headers

    def read(self, path: str, method: str, shared: dict[str, Any], own: dict[str, Any]) -> Operation:
        """The operation of a method and a path. Raises `SpecError`."""
        if not path.startswith("/"):
            raise SpecError("its path does not begin with a slash")
        intake = Intake(self._document, Schemas(self._document, "input"))
        intake.take_parameters(shared.get("parameters"), own.get("parameters"), self._headers)
        self._check_path(path, intake)
        if "requestBody" in own:
            intake.take_body(own["requestBody"])
        output, kinds = self._output(own)
        answer = kinds[0] if kinds else "json"
        body = intake.body
        contract = Contract(
            function_name(own.get("operationId"), method, path),
            description=_description(own, shared),
            input=intake.schema(),
            output=output,
            streaming=answer in ("lines", "events"),
            idempotent=method in IDEMPOTENT,
            raw_input=body is not None and body.kind == "bytes" and not intake.parameters,
            raw_output=answer == "bytes",
        )
        for schema in (contract.input, contract.output):
            check_schema(schema)
        where = self._server(shared, own) + path
        accept = ACCEPT.get(answer, "*/*")
        return Operation(contract, method.upper(), where, intake.parameters, body, accept, kinds)

    @staticmethod
    def _check_path(path: str, intake: Intake) -> None:
        names = {each.name for each in intake.parameters if each.place == "path"}
        rest = path
        for name in names:
            if f"{{{name}}}" not in path:
                raise SpecError(f"its path has no {{{name}}}, which is among its parameters")
            rest = rest.replace(f"{{{name}}}", "")
        if "{" in rest:
            raise SpecError(f"{rest[rest.index('{') :][:80]} of its path is not among its parameters")

    def _output(self, own: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The schema of what comes back, and the kinds of body that it may be."""
        schemas = Schemas(self._document, "output")
        found: list[Any] = []
        kinds: list[str] = []
        for status, node in sorted(table(own.get("responses", {}), "responses").items()):
            if not status.startswith("2"):
                continue
            entry = self._document.resolve(node, f"response {status}")
            content = table(entry.get("content", {}), f"response {status}: content")
            ranked = sorted(content, key=lambda media: kind_of(media) != "json")
            if not ranked:
                continue
            described = table(content[ranked[0]], f"response {status}")
            kinds += [kind_of(media) or "bytes" for media in ranked]
            schema = schemas.convert(described.get("itemSchema", described.get("schema", {})), f"response {status}")
            if schema not in found:
                found.append(schema)
        kind = kinds[0] if kinds else "json"
        if kind == "bytes":
            return {"type": "string", "contentEncoding": "base64"}, tuple(kinds)
        if kind in ("events", "lines"):
            found = [_item(found[0])]
        output: Any = found[0] if len(found) == 1 else {"anyOf": found} if found else {}
        if isinstance(output, bool):
            output = {} if output else {"not": {}}
        definitions = schemas.definitions()
        return {**output, **({"$defs": definitions} if definitions else {})}, tuple(kinds)

    def _server(self, shared: dict[str, Any], own: dict[str, Any]) -> str:
        if self._origin is None:
            return ""
        for level in (own, shared, self._document.root):
            servers = items(level.get("servers"), "servers")
            if servers:
                return self._absolute(table(servers[0], "a server"))
        return self._absolute({"url": "/"})

    def _absolute(self, server: dict[str, Any]) -> str:
        address = str(server.get("url", "/"))
        for name, node in table(server.get("variables", {}), "server variables").items():
            address = address.replace(f"{{{name}}}", str(table(node, "a server variable").get("default", "")))
        try:
            address = urljoin(self._origin, address) if self._origin else address
            parts = urlsplit(address)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known or "{" in address:
            raise SpecError(f'its server {address[:200]!r} is no http:// address; say where it is: url = "http://…"')
        if self._origin and origin_of(address) != origin_of(self._origin):
            raise SpecError(
                f"its server {address[:200]!r} is another than the document's own: keys are not sent where a document "
                f'that was fetched points to; say so yourself: url = "{address[:200]}"'
            )
        return address.rstrip("/")


def origin_of(url: str) -> tuple[str, str]:
    """Scheme and host of a URL, which keys are meant for; empty for what is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc


def _item(schema: Any) -> Any:
    """The schema of one item of a stream: documents of before 3.2 describe the item, or an array of them."""
    if isinstance(schema, dict) and schema.get("type") == "array" and isinstance(schema.get("items"), dict):  # pyright: ignore[reportUnknownMemberType] - any schema
        return schema["items"]  # pyright: ignore[reportUnknownVariableType] - any schema
    return schema  # pyright: ignore[reportUnknownVariableType] - any schema


def _description(own: dict[str, Any], shared: dict[str, Any]) -> str:
    texts = [own.get("summary", shared.get("summary")), own.get("description", shared.get("description"))]
    told = dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip())
    return "\n\n".join(told)[:DESCRIPTION_CHARACTERS_MAX]
