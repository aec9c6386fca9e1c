"""What a service answers instead of a reply, as the fault that it means: the table of INTERFACE read backwards.

Problem documents (RFC 9457) are taken over, with our own members where the service is a host like this one. A status
alone says little about whether anything ran: only what refuses a request unread says that nothing did.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from dragoman.client.failure import CODES as USUAL
from dragoman.client.failure import media_type, phrase, retry_after
from dragoman.contract.codecs import json
from dragoman.core.fault import Code, Fault, Started
from dragoman.core.problem import clip, from_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN_CHARS_MAX = 500

CODES = USUAL | {
    406: Code.UNIMPLEMENTED,
    407: Code.UNAUTHENTICATED,
    410: Code.NOT_FOUND,
    412: Code.FAILED_PRECONDITION,
    416: Code.OUT_OF_RANGE,
    422: Code.INVALID_ARGUMENT,
    423: Code.FAILED_PRECONDITION,
    428: Code.FAILED_PRECONDITION,
    451: Code.PERMISSION_DENIED,
    500: Code.UNKNOWN,
    507: Code.RESOURCE_EXHAUSTED,
}
"""The code of each status that means one; other 4xx are `FAILED_PRECONDITION`, everything else `UNKNOWN`."""

UNREAD = frozenset({401, 405, 407, 413, 414, 415, 429, 431, 501})
"""Statuses of requests that nobody began to serve."""

_DETAILS = ("detail", "message", "error_description", "title", "error")
"""Where services that write no problem documents say what is wrong, the most telling first."""


def code_of(status: int) -> Code:
    """The code that a status means."""
    other = Code.FAILED_PRECONDITION if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR else None
    return CODES.get(status, other or Code.UNKNOWN)


def read_failure(status: int, headers: Mapping[str, str], body: bytes, function: str) -> Fault:
    """The fault that a whole response means, which is no reply. Never raises."""
    code = code_of(status)
    kind = media_type(headers)
    document = _document(body) if kind.endswith("json") else None
    retry_after_s = retry_after(headers)
    started = Started.NO if status in UNREAD else Started.UNKNOWN
    if kind == "application/problem+json" or (
        isinstance(document, dict) and "code" in document and "started" in document
    ):
        fault = from_problem(cast("object", document), fallback=code, retry_after_s=retry_after_s)
        if not (isinstance(document, dict) and "started" in document):
            fault.started = started
    else:
        fault = Fault.of(code, _detail(status, document, body), started=started, retry_after_s=retry_after_s)
    return own(fault, function)


def read_fault(data: bytes, function: str) -> Fault | None:
    """The fault of a problem document that came within a stream; `None` where it is none. Never raises."""
    document = _document(data)
    if isinstance(document, dict) and "code" in document:
        return own(from_problem(cast("object", document)), function)
    return None


def own(fault: Fault, function: str) -> Fault:
    """A service's fault as that of the function here: ids and names of its own mean nothing to our callers."""
    fault.function = function
    fault.call_id = fault.trace_id = fault.service = fault.traceback = ""
    fault.remote = False
    return fault


def _detail(status: int, document: Any, body: bytes) -> str:
    said = _said(document) or " ".join(body[: SHOWN_CHARS_MAX * 4].decode("utf-8", "replace").split())
    told = f"the service answered {status} {phrase(status)}".rstrip()
    return f"{told}: {clip(said, SHOWN_CHARS_MAX)}" if said else told


def _said(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    fields = cast("dict[str, Any]", document)
    for key in _DETAILS:
        value = fields.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict) and (inner := _said(value)):
            return inner
    return ""


def _document(body: bytes) -> Any:
    try:
        return json.decode(body)
    except ValueError:
        return None
