"""What a host, or something in front of it, answered instead of a reply: as the fault that it means.

A host's own answers are problem documents (RFC 9457). Proxies, load balancers and login pages answer as they like:
their status decides the code, and nobody can know whether the function ran.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.core.fault import Code, Fault, Started
from dragoman.core.problem import clip, from_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEM_BYTES_MAX = 2 * 1024 * 1024
"""A problem with a thousand breaches and a traceback is a tenth of this."""

SHOWN_CHARS_MAX = 200
RETRY_AFTER_S_MAX = 24 * 60 * 60.0
ID_CHARS_MAX = 256

CODES = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    408: Code.DEADLINE_EXCEEDED,
    409: Code.ABORTED,
    413: Code.INVALID_ARGUMENT,
    414: Code.INVALID_ARGUMENT,
    415: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    431: Code.INVALID_ARGUMENT,
    499: Code.CANCELLED,
    501: Code.UNIMPLEMENTED,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}
"""The code that an HTTP status most likely means where no problem document says it; `UNKNOWN` for the rest."""

REDIRECTS = range(300, 400)


def media_type(headers: Mapping[str, str]) -> str:
    """The media type of a response, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`; a date there is not read, since clocks differ."""
    try:
        wait_s = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(wait_s, RETRY_AFTER_S_MAX) if wait_s >= 0 and not math.isnan(wait_s) else None


def phrase(status: int) -> str:
    """The words of a status; empty where it is none that is known."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""


def read_failure(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """The fault that a whole response means, which is no reply. Never raises."""
    code = CODES.get(status, Code.UNKNOWN)
    kind = media_type(headers)
    document = _document(body) if kind in ("application/problem+json", "application/json") else None
    if isinstance(document, dict) and "code" in document:
        fault = from_problem(cast("object", document), fallback=code, retry_after_s=retry_after(headers))
    else:
        fault = _foreign(code, status, headers, body)
    fault.call_id = fault.call_id or headers.get("dragoman-call-id", "")[:ID_CHARS_MAX]
    fault.remote = True
    return fault


def read_fault(data: bytes) -> Fault:
    """The fault of a problem document that came within a stream. Never raises."""
    return from_problem(_document(data), fallback=Code.UNKNOWN)


def _foreign(code: Code, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    where = " ".join(filter(None, (str(status), phrase(status))))
    if status in REDIRECTS:
        place = clip(headers.get("location", "another place"), SHOWN_CHARS_MAX)
        detail = f"the address answers {where}, which is not followed: it points to {place}"
        return Fault.of(Code.FAILED_PRECONDITION, detail, started=Started.NO)
    text = " ".join(body[: SHOWN_CHARS_MAX * 4].decode("utf-8", "replace").split())
    said = f": {clip(text, SHOWN_CHARS_MAX)}" if text else ""
    kind = media_type(headers) or "no media type"
    detail = f"the answer is {where} with {kind}, which no Dragoman host says; something between may have{said}"
    return Fault.of(code, detail, started=Started.UNKNOWN, retry_after_s=retry_after(headers))


def _document(body: bytes) -> object:
    try:
        return codec.decode(body, Codec.JSON)
    except ValueError:
        return None
