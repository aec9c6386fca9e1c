"""What the HTTP ingress asks of durable tasks. It knows no values of theirs: a task is a JSON document.

A document has at least `id`, `state`, the moments `submitted_at` and `due_at`, and `seq`, which grows with every
change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dragoman.core.call import Call, Reply
    from dragoman.core.terms import Terms

Document: TypeAlias = dict[str, Any]

TASKS_PREFIX = "/v1/tasks/"
LIVE = ("SCHEDULED", "PENDING", "RUNNING", "RETRYING")
OVER = ("SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "DEAD")
STATES = LIVE + OVER
"""The words for what a task may be."""
PAGE_MAX = 1000
"""Tasks of one page: half a megabyte of JSON."""
PAGE = 100
"""And as many where nobody says how many."""


def is_over(task: Document) -> bool:
    """Whether nothing more comes of a task by itself."""
    return task["state"] in OVER


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks to list, the newest first: those with all that is given. `before` is an id: older ones only."""

    states: frozenset[str] = frozenset()
    function: str = ""
    caller: str = ""
    schedule: str = ""
    parent: str = ""
    before: str = ""
    limit: int = PAGE


class Tasks(Protocol):
    """The tasks of a host's store. Everything raises `Fault`s alone, `NOT_FOUND` for a task that is not there."""

    async def submit(self, call: Call, terms: Terms) -> tuple[Document, bool]:
        """Store a call as a task; its document, and whether it is a new one."""
        ...

    async def show(self, task: str, /) -> Document:
        """A task, with its attempts as `history`."""
        ...

    async def result(self, task: str, /) -> Reply | None:
        """What a task gave; None while it is not over. Raises the fault that it ended with."""
        ...

    async def find(self, wanted: Wanted, /) -> Document:
        """`{"tasks": […], "next": id | None}`: a page of tasks, and where the next one begins."""
        ...

    def events(self, task: str, /, after: int = 0) -> AsyncIterator[tuple[int, str, Document]]:
        """What becomes of a task, until it is over: `(seq, kind, data)`, kinds `state`, `progress` and `log`.

        First how it is now, then what it has logged since its change `after`.
        """
        ...

    async def logs(self, task: str, /, after: int = 0) -> list[Document]:
        """The lines that a task has logged since its change `after`."""
        ...

    async def cancel(self, task: str, /) -> Document:
        """Have a task never run, or be stopped; one that is over stays as it is."""
        ...

    async def retry(self, task: str, /) -> Document:
        """Have a task that ended without a result run anew."""
        ...

    async def undelivered(self) -> list[Document]:
        """Messages about ends of tasks that were given up."""
        ...

    async def redeliver(self, task: str, /) -> None:
        """Have such a message tried again."""
        ...
