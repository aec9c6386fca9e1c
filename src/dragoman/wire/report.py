"""The bodies of FAULT and EVENT: what a guest reports besides results, as JSON.

Readers are tolerant of what they do not know (an unlisted code is UNKNOWN, an event of another kind is none), strict
about the shape of what they do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from dragoman.core.fault import Breach, Code, Fault, Started
from dragoman.wire.document import dump, items, load, number, section, text
from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import REPORT_BYTES_MAX

if TYPE_CHECKING:
    from dragoman.core.event import Event

TEXT_CHARS_MAX = 64 * 1024
"""A traceback or log line is cut here: past it nobody reads, and even escaped sixfold it fits the frame."""
DETAIL_CHARS_MAX = 16 * 1024
"""A detail is cut here: an exception's message may hold a whole data set, and a caller reads the first page."""
ERRORS_MAX = 1000
"""Breaches named in one fault; fewer where they would not fit the frame."""
BREACH_CHARS_MAX = 200
NAMES = ("function", "call_id", "trace_id", "service")
"""What only a host knows of a fault, and tells its clients."""
NAME_CHARS_MAX = 256


def dump_fault(fault: Fault) -> bytes:
    """The body of FAULT. Whatever user code put into the fault, this makes a body that fits its frame."""
    body: dict[str, Any] = {
        "code": fault.code.value,
        "detail": _cut(fault.detail, DETAIL_CHARS_MAX),
        "started": fault.started.value,
    }
    if fault.traceback:
        body["traceback"] = _cut(fault.traceback, keep_end=True)
    retry_after_s: object = fault.retry_after_s
    if isinstance(retry_after_s, int | float) and math.isfinite(retry_after_s):
        body["retry_after_s"] = retry_after_s
    for name in NAMES:
        value = getattr(fault, name)
        if isinstance(value, str) and value:
            body[name] = _cut(value, NAME_CHARS_MAX)
    errors = [
        {"path": _cut(path, BREACH_CHARS_MAX), "message": _cut(message, BREACH_CHARS_MAX)}
        for path, message in fault.errors[:ERRORS_MAX]
    ]
    while errors:
        data = dump(body | {"errors": errors})
        if len(data) <= REPORT_BYTES_MAX:
            return data
        errors = errors[: len(errors) // 2]
    return dump(body)


def load_fault(body: bytes) -> Fault:
    """The fault that a FAULT frame carries, marked as remote. Raises `ProtocolFault` where the body is malformed."""
    document = load(body, "FAULT")
    try:
        code = Code(text(document, "code", "FAULT"))
    except ValueError:
        code = Code.UNKNOWN
    try:
        started = Started(text(document, "started", "FAULT", Started.UNKNOWN))
    except ValueError:
        started = Started.UNKNOWN
    retry_after_s = number(document, "retry_after_s", "FAULT", 0) if "retry_after_s" in document else None
    fault = Fault.of(
        code,
        text(document, "detail", "FAULT", ""),
        started=started,
        errors=tuple(_breach(each) for each in items(document, "errors", "FAULT")[:ERRORS_MAX]),
        retry_after_s=retry_after_s,
        traceback=text(document, "traceback", "FAULT", ""),
    )
    for name in NAMES:
        setattr(fault, name, text(document, name, "FAULT", "")[:NAME_CHARS_MAX])
    fault.remote = True
    return fault


def _breach(entry: object) -> Breach:
    if not isinstance(entry, dict):
        raise ProtocolFault(Reason.JSON, "FAULT: each of `errors` must be an object")
    document = cast("dict[str, Any]", entry)
    return Breach(text(document, "path", "FAULT", ""), text(document, "message", "FAULT", ""))


def dump_log(message: str, level: str = "info", stream: str = "log", fields: dict[str, Any] | None = None) -> bytes:
    """The body of an EVENT that is a log line; fields too large for the frame are left out.

    Raises `TypeError` or `ValueError` where `fields` are not JSON.
    """
    log: dict[str, Any] = {"message": _cut(message), "level": level, "stream": stream}
    data = dump({"log": log | {"fields": fields or {}}})
    return data if len(data) <= REPORT_BYTES_MAX else dump({"log": log})


def dump_progress(share: float, message: str = "") -> bytes:
    """The body of an EVENT that tells progress; `share` is clamped to 0…1."""
    return dump({"progress": {"share": min(max(share, 0.0), 1.0), "message": _cut(message)}})


def load_event(body: bytes) -> Event | None:
    """The event that an EVENT frame carries; none where it is of a kind that this side does not know.

    Raises `ProtocolFault` where the body is malformed.
    """
    from dragoman.core.event import Log, Progress  # noqa: PLC0415 - only hosts read events; guests stay quick to import

    document = load(body, "EVENT")
    if "log" in document:
        log = section(document, "log", "EVENT")
        message = text(log, "message", "EVENT")
        level, stream = text(log, "level", "EVENT", "info"), text(log, "stream", "EVENT", "log")
        return Log(message, level, stream, section(log, "fields", "EVENT"))
    if "progress" in document:
        progress = section(document, "progress", "EVENT")
        share = min(max(number(progress, "share", "EVENT"), 0.0), 1.0)
        return Progress(share, text(progress, "message", "EVENT", ""))
    return None


def _cut(value: object, chars_max: int = TEXT_CHARS_MAX, *, keep_end: bool = False) -> str:
    value = str(value)  # user code may put anything into a fault; its report must not fail for it
    if len(value) <= chars_max:
        return value
    return "…" + value[1 - chars_max :] if keep_end else value[: chars_max - 1] + "…"
