"""Where a command finds tasks: at a running host, at whichever host serves the project just now, or in its store."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from dragoman.cli.hosts import urls
from dragoman.cli.outcome import Stop, complain
from dragoman.cli.place import place_of
from dragoman.client.connecting import connect
from dragoman.client.submitting import Submitting
from dragoman.client.task import Task
from dragoman.config.environment import read_environment
from dragoman.config.load import load
from dragoman.config.problem import ConfigError
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, Started, Unavailable
from dragoman.wire.address import is_native

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from dragoman.cli.options import Whose
    from dragoman.client.desk import Desk, Document, Search, TaskEvent
    from dragoman.client.native_remote import NativeRemote
    from dragoman.client.order import Order
    from dragoman.contract.function import Contract

COMPLETED = 50
"""Tasks that a shell shows when the key is pressed; more nobody reads."""
COMPLETE_S = 1.0
"""Whoever pressed the key waits no longer."""
NO_HOST = "no host serves this project now, by this user"
Answer = TypeVar("Answer")


class Found(NamedTuple):
    """The tasks that a command is about; not `served` where they come from a store that no host has open."""

    tasks: Submitting
    served: bool


@contextmanager
def tasks_of(whose: Whose, *, stored: bool = True) -> Generator[Found]:
    """The tasks that a command is about.

    Where no host serves the project they come from its store, which is said; not `stored`, from whichever host is the
    next to serve it. Raises `Stop` where there can be none.
    """
    place = place_of(whose.url, whose.project, whose.cacert)
    if place.url:
        with place.connect() as remote:
            yield Found(remote, served=True)
        return
    with contextlib.closing(FoundTasks(place.paths)) as tasks:
        if tasks.served or not stored:
            yield Found(tasks, served=True)
            return
    from dragoman.host.stored import StoredTasks  # noqa: PLC0415 - the host's imports, which a running one spares

    with StoredTasks(load(place.paths)) as kept:
        if not kept.present:
            raise Stop(f"{NO_HOST}, and it has no tasks: start one with dragoman serve")
        complain(f"{NO_HOST}: this is from its store")
        yield Found(kept, served=False)


class FoundTasks(Submitting):
    """The tasks of a project, at whichever host serves it when they are asked for: the next one has another socket."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._remote: NativeRemote | None = None
        self._desk = FoundDesk(self._at, self.close)

    @property
    def served(self) -> bool:
        """Whether a host serves it now."""
        return bool(urls(self._paths))

    def contract(self, function: str) -> Contract:
        """What a function promises. Raises `NotFound`, and `Unavailable` where no host serves the project."""
        return self._found().contract(function)

    def handle(self, document: Document) -> Task:
        """The handle of a task that is known, whoever is to be asked about it."""
        return Task(self._desk, document, SystemClock())

    def close(self) -> None:
        """Close the connection; another host is found by the next question."""
        remote, self._remote = self._remote, None
        if remote is not None:
            remote.close()

    def _found(self) -> NativeRemote:
        if self._remote is None:
            found = urls(self._paths)
            if not found:
                raise Unavailable(f"{NO_HOST}: start one with dragoman serve", started=Started.NO)
            self._remote = cast("NativeRemote", connect(found[0][1]))
        return self._remote

    def _at(self) -> Desk:
        return self._found()._desk  # noqa: SLF001 - another face of the same kind


class FoundDesk:
    """Implements `Desk` by one that is found anew where it is away: `at` finds it, `lost` is told."""

    def __init__(self, at: Callable[[], Desk], lost: Callable[[], object]) -> None:
        self._at = at
        self._lost = lost

    def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task."""
        return self._ask(lambda desk: desk.submit(function, value, order))

    def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task."""
        return self._ask(lambda desk: desk.show(id))

    def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or so many seconds have passed."""
        return self._ask(lambda desk: desk.wait(id, seconds))

    def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        """What a task gave."""
        return self._ask(lambda desk: desk.result(id, function))

    def find(self, search: Search) -> Document:
        """A page of a list."""
        return self._ask(lambda desk: desk.find(search))

    def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Cancel a task."""
        return self._ask(lambda desk: desk.cancel(id))

    def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task run again."""
        return self._ask(lambda desk: desk.retry(id))

    def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """Lines of its log."""
        return self._ask(lambda desk: desk.logs(id, after))

    def undelivered(self) -> list[Document]:
        """Messages that nobody took."""
        return self._ask(lambda desk: desk.undelivered())

    def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have one tried again."""
        self._ask(lambda desk: desk.redeliver(id))

    def events(self, id: str, after: int) -> Generator[TaskEvent]:  # noqa: A002 - as above
        """What becomes of it."""
        try:
            yield from self._at().events(id, after)
        except Unavailable:
            self._lost()
            raise

    def _ask(self, question: Callable[[Desk], Answer]) -> Answer:
        try:
            return question(self._at())
        except Unavailable:
            self._lost()
            raise


def known_tasks(project: str | None, url: str | None) -> list[tuple[str, str]]:
    """The latest tasks, by their ids, and what they are; none where that cannot be told quickly."""
    with contextlib.suppress(Fault, Stop, ConfigError, OSError):
        address = url or read_environment().url
        found = [(0, address)] if address else urls([project] if project else [])
        if found and is_native(found[0][1]):
            with cast("NativeRemote", connect(found[0][1])) as remote:
                page = remote.call("dragoman.tasks.find", {"limit": COMPLETED}, timeout=COMPLETE_S)
            return [(each["id"], f"{each['function']} {each['state']}") for each in page["tasks"]]
    return []
