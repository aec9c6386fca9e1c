"""Faults as HTTP sees them: the status of each code, RFC 9457 bytes, and when to try again."""

from __future__ import annotations

import json
import math
from http import HTTPStatus

from dragoman.core.fault import Code, Fault
from dragoman.core.problem import to_problem

MEDIA_TYPE = "application/problem+json"

STATUS: dict[Code, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ABORTED: 409,
    Code.ALREADY_EXISTS: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INTERNAL: 500,
    Code.DATA_LOSS: 500,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
"""The HTTP status of each gRPC code."""

RETRY_AFTER_S_MAX = 24 * 60 * 60
"""A day: whoever may retry only later than this had better be told by other means."""

TRACEBACK_CHARS_MAX = 64 * 1024
"""The end of a traceback that a debugging caller is shown; a recursion error prints a thousand frames."""


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def status_of(code: Code) -> int:
    """The HTTP status that a gRPC code travels as."""
    return STATUS[code]


def render(fault: Fault, *, status: int, instance: str, timestamp: str, debug: bool = False) -> bytes:
    """Write a fault as a problem document, in UTF-8.

    Where `status` is not the one of the fault's code (405, 413, 415 …) the title is the status's own phrase, as RFC
    9457 §4.2.1 asks. The traceback of user code is shown only under `debug`. Text that UTF-8 cannot hold (halves of
    surrogate pairs) is replaced by question marks.
    """
    document = to_problem(
        fault,
        status=status,
        instance=instance,
        timestamp=timestamp,
        title="" if status == STATUS[fault.code] else _phrase(status),
    )
    if debug and fault.traceback:
        document["traceback"] = fault.traceback[-TRACEBACK_CHARS_MAX:]
    return _encode(document).encode("utf-8", "replace")


def retry_after(fault: Fault) -> str:
    """The value of `Retry-After`: whole seconds, at least 1; empty where a retry makes no sense.

    A fault that is safe to retry but names no time may be retried after a second.
    """
    wait_s = fault.retry_after_s
    if wait_s is None or math.isnan(wait_s):
        return "1" if fault.retryable else ""
    return str(math.ceil(min(max(wait_s, 1), RETRY_AFTER_S_MAX)))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
