"""Where tasks are handed in and asked about, as their handles need it: a host far away, or one in this process.

Each question is one exchange, and fails like one; what is done about that, the handles know (`client.task`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from dragoman.client.ending import is_over

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from dragoman.client.order import Order

Document = dict[str, Any]
"""A task as everything shows it: plain JSON."""
NOT_YET = object()
"""In place of a result: the task is not over, as somebody has had it run again."""
PAGE = 100
"""Tasks of one page of a list."""


class TaskEvent(NamedTuple):
    """What has become of a task.

    `kind` is `state` (`data` is the task), `progress` (its `progress` and `message`) or `log` (a line: `seq`, `at`,
    `level`, `message`). `seq` is where to go on behind it: all lines up to there have been told.
    """

    seq: int
    kind: str
    data: Document


class Search(NamedTuple):
    """Which tasks are listed, the newest first: those in one of these states, if any, of a function; older than one."""

    states: tuple[str, ...] = ()
    function: str = ""
    before: str = ""
    limit: int = PAGE


class Desk(Protocol):
    """For callers that block. Everything raises `Fault`s."""

    def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task; it is stored once this has returned."""
        ...

    def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task, with its attempts (`history`). Raises `NotFound`."""
        ...

    def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or about so many seconds have passed; maybe earlier."""
        ...

    def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        """What a task that succeeded gave, or `NOT_YET`."""
        ...

    def find(self, search: Search) -> Document:
        """A page of a list: `tasks`, and `next`, the id to go on before, null at the end."""
        ...

    def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task not run, or stopped."""
        ...

    def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task that ended without a result run again."""
        ...

    def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """What it has logged since its change `after`."""
        ...

    def undelivered(self) -> list[Document]:
        """Messages about the ends of tasks that nobody took, the latest first."""
        ...

    def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have such a message tried again. Raises `NotFound`."""
        ...

    def events(self, id: str, after: int) -> Generator[TaskEvent]:  # noqa: A002 - as above
        """How it is now, what it has logged since its change `after`, and what becomes of it. Its end comes last."""
        ...


class AsyncDesk(Protocol):
    """As `Desk`, for callers that await."""

    async def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task; it is stored once this has returned."""
        ...

    async def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task, with its attempts (`history`). Raises `NotFound`."""
        ...

    async def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or about so many seconds have passed; maybe earlier."""
        ...

    async def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        """What a task that succeeded gave, or `NOT_YET`."""
        ...

    async def find(self, search: Search) -> Document:
        """A page of a list: `tasks`, and `next`, the id to go on before, null at the end."""
        ...

    async def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task not run, or stopped."""
        ...

    async def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task that ended without a result run again."""
        ...

    async def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """What it has logged since its change `after`."""
        ...

    async def undelivered(self) -> list[Document]:
        """Messages about the ends of tasks that nobody took, the latest first."""
        ...

    async def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have such a message tried again. Raises `NotFound`."""
        ...

    def events(self, id: str, after: int) -> AsyncGenerator[TaskEvent]:  # noqa: A002 - as above
        """How it is now, what it has logged since its change `after`, and what becomes of it. Its end comes last."""
        ...


class Trail:
    """What has been seen of a task's events, so that those that come twice after a break are seen once."""

    def __init__(self, after: int) -> None:
        """`after` is the last change whose log lines are known."""
        self.after = after
        self.ended = False
        """Whether the end was told, which hosts do last of all."""
        self._state = -1

    def is_new(self, event: TaskEvent) -> bool:
        """Whether an event says anything that has not been said; it is then taken for said."""
        if event.kind == "progress":
            return True
        if event.kind == "log":
            new = event.seq > self.after
            self.after = max(event.seq, self.after)
            return new
        self.ended = self.ended or (event.kind == "state" and is_over(event.data))
        change = int(event.data.get("seq", 0))
        new = change > self._state
        self._state = max(change, self._state)
        return new

    def is_all(self, document: Document) -> bool:
        """Whether a task, as it is now, has nothing more to tell. That it is over is not enough: its last lines are."""
        return is_over(document) and self.after >= int(document.get("seq", 0))
