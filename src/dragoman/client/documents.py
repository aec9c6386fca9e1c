"""What a host says of tasks, looked at before it is used: whoever answers may be no Dragoman host.

Each of these raises the `Fault` that says so.
"""

from __future__ import annotations

from typing import Any, cast

from dragoman.client.desk import Document, TaskEvent
from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.core.fault import Code, Fault

SHARE_BITS_MAX = 64
"""Of a progress without a fraction: far past any, and what a float has room for."""


def foreign(why: str) -> Fault:
    """The fault of an answer that cannot be one about a task."""
    fault = Fault.of(Code.UNKNOWN, f"the answer about a task cannot be read, so this may be no Dragoman host: {why}")
    fault.remote = True
    return fault


def document_of(body: bytes) -> Document:
    """The document that a body is."""
    try:
        value = codec.decode(body, Codec.JSON)
    except ValueError as error:
        raise foreign(str(error)) from None
    if not isinstance(value, dict):
        raise foreign("it is no object")
    return cast("Document", value)


def task_of(document: Document) -> Document:
    """The task that a document is."""
    if not _is_task(document):
        raise foreign("it is no task")
    return document


def page_of(document: Document) -> Document:
    """The page of a list that a document is."""
    if not all(map(_is_task, documents_of(document, "tasks"))):
        raise foreign("what is in its list is no task")
    return {"next": None, **document}


def documents_of(document: Document, name: str) -> list[Document]:
    """The list of documents of that name in a document."""
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in cast("list[Any]", found)):
        raise foreign(f"it has no list of {name}")
    return cast("list[Document]", found)


def event_of(seq: int, kind: str, data: object) -> TaskEvent:
    """The event of these parts."""
    if not isinstance(data, dict):
        raise foreign("an event is no object")
    document = cast("Document", data)
    known = {"state": _is_state, "progress": _is_progress, "log": _is_counted}.get(kind)
    if known is not None and not known(document):
        raise foreign(f"an event is no {kind}")
    return TaskEvent(seq, kind, document)


def _is_task(document: Document) -> bool:
    return isinstance(document.get("id"), str) and _is_state(document)


def _is_state(document: Document) -> bool:
    told = isinstance(document.get("state"), str) and isinstance(document.get("fault"), dict | None)
    return told and _is_progress(document) and _is_counted(document)


def _is_progress(document: Document) -> bool:
    share = document.get("progress", 0.0)
    return isinstance(share, float | None) or (isinstance(share, int) and share.bit_length() <= SHARE_BITS_MAX)


def _is_counted(document: Document) -> bool:
    return isinstance(document.get("seq", 0), int)
