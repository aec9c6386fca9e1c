"""Tasks of a host over HTTP, without the I/O: the requests, and what their answers mean. Both faces drive this."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from dragoman.client.desk import NOT_YET
from dragoman.client.documents import document_of, documents_of, event_of, foreign, page_of, task_of
from dragoman.client.events import EventReader, TooLarge
from dragoman.client.exchange import (
    EVENTS,
    HTTP_ACCEPTED,
    HTTP_OK,
    TYPES,
    Incoming,
    Patience,
    Request,
    call_request,
    marked,
)
from dragoman.client.failure import media_type, read_fault
from dragoman.core.call import Codec
from dragoman.core.fault import OutOfRange, Started, Unimplemented

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.client.desk import Document, Search, TaskEvent
    from dragoman.client.listing import Listed
    from dragoman.client.order import Order
    from dragoman.core.clock import Clock

ANSWER_S_MAX = 60.0
"""How long an exchange may take, beside what it is held for: stores answer in milliseconds, or say that they cannot."""
SILENCE_S_MAX = 60.0
"""A stream of events that says nothing for so long is asked for anew: hosts keep theirs alive every 15 s."""
EVENT_BYTES_MAX = 4 * 1024 * 1024
"""A task with the fault of its last attempt, a thousand breaches and a traceback is a tenth of this."""
DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
"""A page of a thousand tasks that all ended with long faults."""
SEQ_DIGITS_MAX = 19
HTTP_NO_CONTENT = 204
"""All has been told already."""
TASKS = "/v1/tasks"
JSON = {"accept": TYPES[Codec.JSON]}
RESULT = {"accept": "*/*"}
"""As it is stored: each of these can be read here."""


def submit_request(function: str, value: Any, listed: Listed | None, order: Order) -> Request:
    """The request that hands in a task. Raises `InvalidArgument` for an input that cannot be sent."""
    request = call_request(function, value, listed, None, streamed=False)
    if request.items is not None:
        detail = f"{function} was given an iterator, and a task's input is stored whole: give a list"
        raise Unimplemented(detail, started=Started.NO, function=function)
    headers = {**request.headers, **order.headers()}
    if headers["accept"] == EVENTS:
        headers["accept"] = TYPES[Codec.MSGPACK]
    return marked(replace(request, headers=headers), order.marks)


def show_request(id: str, seconds: float | None = None) -> Request:  # noqa: A002 - the public word
    """The request for a task, to be held for so many seconds at most."""
    wait = "" if not seconds else f"?wait={int(seconds * 1000)}ms"
    return Request("GET", f"{_path(id)}{wait}", JSON)


def find_request(search: Search) -> Request:
    """The request for a page of a list."""
    pairs = [("state", ",".join(search.states)), ("function", search.function), ("before", search.before)]
    query = urlencode([(name, value) for name, value in pairs if value] + [("limit", str(search.limit))])
    return Request("GET", f"{TASKS}?{query}", JSON)


def result_request(id: str) -> Request:  # noqa: A002 - the public word
    """The request for what a task gave."""
    return Request("GET", f"{_path(id)}/result", RESULT)


def logs_request(id: str, after: int) -> Request:  # noqa: A002 - the public word
    """The request for lines of a task's log."""
    return Request("GET", f"{_path(id)}/logs" + (f"?after={after}" if after else ""), JSON)


def cancel_request(id: str) -> Request:  # noqa: A002 - the public word
    """The request that cancels a task."""
    return Request("DELETE", _path(id), JSON)


def retry_request(id: str) -> Request:  # noqa: A002 - the public word
    """The request that has a task run again."""
    return Request("POST", f"{_path(id)}/retry", JSON)


DELIVERIES_REQUEST = Request("GET", f"{TASKS}/deliveries?state=dead", JSON)


def redeliver_request(id: str) -> Request:  # noqa: A002 - the public word
    """The request that has a message tried again."""
    return Request("POST", f"{TASKS}/deliveries/{quote(id, safe='')}/retry", JSON)


def events_request(id: str, after: int) -> Request:  # noqa: A002 - the public word
    """The request for a task's events."""
    return Request("GET", f"{_path(id)}/events", {"accept": EVENTS} | ({"last-event-id": str(after)} if after else {}))


def patience(clock: Clock, function: str = "", held_s: float = 0.0) -> Patience:
    """How long one exchange may take that is held for so long."""
    return Patience(function, ANSWER_S_MAX + held_s, clock.monotonic())


class Quiet(Patience):
    """Of a stream of events, which has no end of its own: each wait for its next bytes is bounded."""

    def __init__(self, now: float) -> None:
        super().__init__("", SILENCE_S_MAX, now)

    def left_s(self, now: float) -> float | None:  # noqa: ARG002 - the base class's signature
        """Seconds to wait for what comes next."""
        return SILENCE_S_MAX


def _path(id: str) -> str:  # noqa: A002 - the public word
    return f"{TASKS}/{quote(id, safe='')}"


class Told(Incoming):
    """The answer to a question about tasks."""

    def document(self) -> Document:
        """The document that it is. Raises the fault that it is instead."""
        return document_of(self.body())

    def task(self) -> Document:
        """The task that it is. Raises like `document`."""
        return task_of(self.document())

    def submitted(self, function: str) -> Document:
        """The task that was stored. Raises like `document`, and `Unimplemented` for a call that was run at once."""
        if self.status == HTTP_OK:
            detail = f"the host answered {function} as a call, at once: it has no tasks"
            raise Unimplemented(detail, started=Started.YES, function=function)
        return self.task()

    def page(self) -> Document:
        """The page of a list. Raises like `document`."""
        return page_of(self.document())

    def documents(self, name: str) -> list[Document]:
        """The list of documents of that name. Raises like `document`."""
        return documents_of(self.document(), name)


class Resulting(Incoming):
    """The answer to a question for a result."""

    def result(self) -> Any:
        """The result's value, or `NOT_YET`. Raises the fault that it is instead."""
        return NOT_YET if self.status == HTTP_ACCEPTED else self.value()


class Happening:
    """A stream of events, fed as it comes in."""

    def __init__(self) -> None:
        self._reader = EventReader(EVENT_BYTES_MAX)
        self._failed: Incoming | None = None

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head has come."""
        if status == HTTP_NO_CONTENT:
            return
        if status != HTTP_OK or media_type(headers) != EVENTS:
            self._failed = Incoming("", None, DOCUMENT_BYTES_MAX)
            self._failed.begin(status, headers)

    def feed(self, chunk: bytes) -> list[TaskEvent]:
        """More of the body: the events that are whole now. Raises `OutOfRange` for one that is too large."""
        if self._failed is not None:
            self._failed.gather(chunk)
            return []
        try:
            return [_event(each.id, each.name, each.data) for each in self._reader.feed(chunk)]
        except TooLarge as error:
            raise OutOfRange(f"an event of a task: {error}", started=Started.UNKNOWN) from None

    def finish(self) -> None:
        """The body has ended. Raises the fault that it is."""
        if self._failed is not None:
            self._failed.body()
            raise foreign("it is no stream of events")


def _event(seq: str, kind: str, data: bytes) -> TaskEvent:
    if kind == "fault":
        raise read_fault(data)
    # Longer ones come from nobody who counts changes, and Python reads no number of thousands of digits.
    number = int(seq) if seq.isascii() and seq.isdigit() and len(seq) <= SEQ_DIGITS_MAX else 0
    return event_of(number, kind, document_of(data))
