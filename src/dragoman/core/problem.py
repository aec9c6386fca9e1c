"""A fault as neutral JSON values: the fields of an RFC 9457 problem, without any transport around them.

Both sides of a call read this module: an ingress writes a fault, a client reads one back. What comes from a remote
host is untrusted: every field is taken only if it has the right shape, and never longer than it may usefully be.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from dragoman.core.fault import BY_CODE, Breach, Code, Fault, Started

DETAIL_CHARS_MAX = 16 * 1024
"""Longer details are cut: an exception's message may hold a whole data set, and a caller reads the first page."""

NAME_CHARS_MAX = 256
"""Bound on ids and names taken from a remote problem: longer than any real one, short enough for a log line."""

TRACEBACK_CHARS_MAX = 64 * 1024
"""Bound on a traceback taken from a remote problem; recursion errors print a thousand frames."""

BREACHES_MAX = 1000
"""Bound on breaches taken from a remote problem."""

Member = TypeVar("Member", Code, Started)


def title_of(code: Code) -> str:
    """A code in words: `Deadline exceeded`."""
    return code.value.replace("_", " ").capitalize()


def to_problem(fault: Fault, *, status: int, instance: str, timestamp: str, title: str = "") -> dict[str, Any]:
    """Write a fault as the members of a problem document, in the order in which they are documented.

    `status` is the transport's own, `instance` the path that was called, `timestamp` RFC 3339. The traceback is not
    among them: whoever may show it adds it.
    """
    return {
        "type": "about:blank",
        "title": title or title_of(fault.code),
        "status": status,
        "detail": clip(fault.detail, DETAIL_CHARS_MAX),
        "instance": instance,
        "code": fault.code.value,
        "function": fault.function,
        "started": fault.started.value,
        "retryable": fault.retryable,
        "errors": [{"path": breach.path, "message": breach.message} for breach in fault.errors],
        "call_id": fault.call_id,
        "trace_id": fault.trace_id,
        "service": fault.service,
        "timestamp": timestamp,
    }


def from_problem(document: object, *, fallback: Code = Code.UNKNOWN, retry_after_s: float | None = None) -> Fault:
    """Read a fault from whatever JSON value a remote host sent. Never raises.

    `fallback` is the code of a document that names none, or one outside the closed set: a transport knows it from its
    own status. A fault that does not say whether the function started is `unknown`: only the host can know.
    """
    fields = cast("dict[object, object]", document) if isinstance(document, dict) else {}
    code = _member(Code, fields.get("code"), fallback)
    detail = _text(fields.get("detail"), DETAIL_CHARS_MAX) or _text(fields.get("title"), DETAIL_CHARS_MAX)
    fault = BY_CODE[code](
        detail or f"the remote host answered {title_of(code).lower()} and gave no detail",
        started=_member(Started, fields.get("started"), Started.UNKNOWN),
        errors=_breaches(fields.get("errors")),
        retry_after_s=retry_after_s,
        function=_text(fields.get("function"), NAME_CHARS_MAX),
        traceback=_text(fields.get("traceback"), TRACEBACK_CHARS_MAX),
    )
    fault.call_id = _text(fields.get("call_id"), NAME_CHARS_MAX)
    fault.trace_id = _text(fields.get("trace_id"), NAME_CHARS_MAX)
    fault.service = _text(fields.get("service"), NAME_CHARS_MAX)
    fault.remote = True
    return fault


def clip(text: str, chars_max: int) -> str:
    """Cut a text that is too long, and say so in it."""
    if len(text) <= chars_max:
        return text
    note = f"… ({len(text)} characters)"
    return text[: chars_max - len(note)] + note


def _text(value: object, chars_max: int) -> str:
    return clip(value, chars_max) if isinstance(value, str) else ""


def _member(kind: type[Member], value: object, default: Member) -> Member:
    for member in kind:
        if member.value == value:
            return member
    return default


def _breaches(value: object) -> tuple[Breach, ...]:
    if not isinstance(value, list):
        return ()
    breaches: list[Breach] = []
    for item in cast("list[object]", value)[:BREACHES_MAX]:
        if isinstance(item, dict):
            fields = cast("dict[object, object]", item)
            path, message = fields.get("path"), fields.get("message")
            if isinstance(path, str) and isinstance(message, str):
                breaches.append(Breach(clip(path, NAME_CHARS_MAX), clip(message, DETAIL_CHARS_MAX)))
    return tuple(breaches)
