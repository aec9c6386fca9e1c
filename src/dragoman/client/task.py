"""A durable task as a program holds it: a handle by its id, which survives whatever happens to the host.

Whoever waits does so in long polls, over breaks of the connection and restarts of the host (`client.persistence`).
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from dragoman.client.desk import NOT_YET, Document, TaskEvent, Trail
from dragoman.client.ending import SUCCEEDED, fault_of, is_over, still_running
from dragoman.client.persistence import Persistence, broken_off
from dragoman.core.fault import Fault
from dragoman.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dragoman.client.desk import Desk
    from dragoman.core.clock import Clock

Answer = TypeVar("Answer")


class Seen:
    """What was last seen of a task: its `document`."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.on_away: Callable[[Fault], object] | None = None
        """Told when the host is away while somebody waits, once each time."""

    def __repr__(self) -> str:
        return f"<task {self.id} of {self.function}: {self.state}>"

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.document["id"])

    @property
    def function(self) -> str:
        """The full name of its function."""
        return str(self.document.get("function", ""))

    @property
    def state(self) -> str:
        """Its state when it was last looked at."""
        return str(self.document.get("state", ""))

    @property
    def over(self) -> bool:
        """Whether it had ended when it was last looked at."""
        return is_over(self.document)

    @property
    def progress(self) -> float:
        """How far it was when it was last looked at, between 0 and 1, as far as its function says."""
        return float(self.document.get("progress") or 0.0)

    @property
    def message(self) -> str:
        """What its function said with that."""
        return str(self.document.get("message") or "")

    def learn(self, event: TaskEvent) -> None:
        """Take in what an event says of it."""
        if event.kind in ("state", "progress"):
            self.document = {**self.document, **event.data}


class Task(Seen):
    """A task, for callers that block. Usable from any thread."""

    def __init__(self, desk: Desk, document: Document, clock: Clock) -> None:
        super().__init__(document)
        self._desk = desk
        self._clock = clock

    def status(self) -> Document:
        """The task as it is now, with its attempts so far (`history`). Raises the `Fault` of the asking."""
        return self._seen(self._desk.show(self.id))

    def wait(self, timeout: float | None = None) -> Document:
        """Wait until the task is over, for `timeout` seconds at most; how it is then.

        Raises the `Fault` of a host that is away for too long: five minutes, or the whole `timeout`.
        """
        return self._wait(Persistence(timeout, self._clock, self.on_away))

    def result(self, timeout: float | None = None) -> Any:
        """What the function returned; waits until the task is over. Raises the `Fault` that it ended with.

        That is `Cancelled` for a task that was cancelled, `DeadlineExceeded` for one that ran out of time, and
        `DeadlineExceeded` too where it is not over after `timeout` seconds: it goes on then, and is not `over`.
        """
        persistence = Persistence(timeout, self._clock, self.on_away)
        known = self.state == SUCCEEDED  # what has a result is not run again
        while True:
            asked_at = persistence.now()
            document = self.document if known else self._wait(persistence)
            if not is_over(document):
                raise still_running(document, format_duration(persistence.timeout_s or 0.0))
            if document["state"] != SUCCEEDED:
                raise fault_of(document)
            value = self._ask(persistence, lambda: self._desk.result(self.id, self.function))
            if value is not NOT_YET:
                return value
            known = False
            pause(persistence.early_s(asked_at))

    def events(self, after: int = 0) -> Generator[TaskEvent]:
        """What becomes of the task, from now until it is over: `(seq, kind, data)`, each once, over all restarts.

        First how it is, then what it has logged since its change `after`. Raises the `Fault` of a host that is away for
        five minutes.
        """
        trail, persistence = Trail(after), Persistence(None, self._clock, self.on_away)
        while True:
            asked_at = persistence.now()
            try:
                yield from self._followed(trail, persistence)
                if trail.ended or trail.is_all(self.status()):
                    return
                raise broken_off(self.id)
            except Fault as fault:
                pause(max(persistence.pause_s(fault), persistence.early_s(asked_at)))

    def logs(self, after: int = 0) -> list[Document]:
        """What the task has logged since its change `after`: `seq`, `at`, `level`, `message` of each line."""
        return self._desk.logs(self.id, after)

    def cancel(self) -> Document:
        """Have the task never run, or be stopped; how it is then. One that is over stays as it is."""
        return self._seen(self._desk.cancel(self.id))

    def retry(self) -> Document:
        """Have a task that ended without a result run again; how it is then. Raises `FailedPrecondition` for others."""
        return self._seen(self._desk.retry(self.id))

    def _followed(self, trail: Trail, persistence: Persistence) -> Generator[TaskEvent]:
        with closing(self._desk.events(self.id, trail.after)) as events:
            for event in events:
                persistence.answered()
                if trail.is_new(event):
                    self.learn(event)
                    yield event

    def _wait(self, persistence: Persistence) -> Document:
        while True:
            asked_at = persistence.now()
            document = self._seen(self._ask(persistence, lambda: self._desk.wait(self.id, persistence.poll_s())))
            if is_over(document) or persistence.over:
                return document
            pause(persistence.early_s(asked_at))

    def _ask(self, persistence: Persistence, question: Callable[[], Answer]) -> Answer:
        while True:
            try:
                answer = question()
            except Fault as fault:
                pause(persistence.pause_s(fault))
            else:
                persistence.answered()
                return answer

    def _seen(self, document: Document) -> Document:
        self.document = document
        return document


def pause(seconds: float) -> None:
    """Wait."""
    threading.Event().wait(seconds)
