"""Whatever a function or an import raises, as the fault that its caller will read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dragoman.contract.late import own_path
from dragoman.core.fault import Cancelled, Fault, Started, Unknown
from dragoman.guest.interrupt import CallCancelled

if TYPE_CHECKING:
    from types import TracebackType

TRACEBACK_CHARS_MAX = 16 * 1024
"""Head and tail of a traceback: deep recursion prints thousands of lines, and both ends say what happened."""
DETAIL_CHARS_MAX = 4 * 1024
"""An exception's message may hold a whole data set; a caller reads its first page."""

_OURS = ("dragoman", "importlib", "_frozen_importlib")


def fault_of(error: BaseException) -> Fault:
    """The fault for whatever came out of a function, with its traceback where user code raised."""
    traceback = begin_of_user_code(error.__traceback__)
    started = Started.YES if traceback is not None else None
    if isinstance(error, Fault):
        if started is not None:
            # A class raised as it is (`raise NotFound("…")`) says "it never ran" by default; but it did.
            error.started = started
        return error
    if isinstance(error, CallCancelled):
        return Cancelled("the call was cancelled", started=Started.YES)
    if isinstance(error, SystemExit):
        detail = f"the function called sys.exit({'' if error.code is None else repr(error.code)})"
        return Unknown(detail[:DETAIL_CHARS_MAX], started=Started.YES, traceback=render(error, traceback))
    return Unknown(describe(error), started=Started.YES, traceback=render(error, traceback))


def describe(error: BaseException) -> str:
    """Type and message on one line, whatever the exception's own `__str__` does."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - user code may raise anything here, and the worker outlives it
        text = "(its message cannot be read)"
    name = type(error).__qualname__
    return f"{name}: {text}"[:DETAIL_CHARS_MAX] if text else name


def begin_of_user_code(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of the guest and the import system at its head; None if nothing is left."""
    while traceback is not None and is_ours(traceback):
        traceback = traceback.tb_next
    return traceback


def is_ours(traceback: TracebackType) -> bool:
    """Whether a frame belongs to the guest, the contracts or the import system."""
    module = str(traceback.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _OURS


def render(error: BaseException, traceback: TracebackType | None) -> str:
    """The traceback as text, bounded; empty where it cannot be written."""
    try:
        with own_path():
            from traceback import format_exception  # noqa: PLC0415 - only failures pay for this import

        limit = sys.getrecursionlimit()
        lines = format_exception(type(error), error.with_traceback(traceback), traceback, limit=limit)
        text = "".join(lines)
    except BaseException:  # noqa: BLE001 - memory or stack may have run out, and an exception's own code may raise
        return ""
    if len(text) <= TRACEBACK_CHARS_MAX:
        return text
    half = TRACEBACK_CHARS_MAX // 2
    return f"{text[:half]}\n  … {len(text) - 2 * half} characters left out …\n{text[-half:]}"
