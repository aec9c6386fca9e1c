"""The tasks of a project that no host serves, straight from their store: looked at, cancelled, had run again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NoReturn, Self

from dragoman.client.submitting import Submitting
from dragoman.core.clock import SystemClock
from dragoman.core.fault import NotFound, Started, Unavailable
from dragoman.host.blocking import new_loop
from dragoman.host.desk import LoopDesk, TasksDesk
from dragoman.host.tasking import store_of
from dragoman.tasks.tasks import Tasks
from dragoman.tasks.watching import Watching
from dragoman.workers.crossing import run_on_loop

if TYPE_CHECKING:
    from types import TracebackType

    from dragoman.config.project import Project
    from dragoman.core.call import Call
    from dragoman.tasks.options import TaskOptions
    from dragoman.tasks.store import Store


class Shelf:
    """A store that is opened to be looked into, and runs nothing."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._options = options = project.tasks
        self._watching = Watching()
        self._store: Store | None = None
        self.backlog = options.backlog
        self.tasks = Tasks(self, self, self._watching, SystemClock(), self._no_host, self._no_callback)

    @property
    def present(self) -> bool:
        """Whether there may be tasks."""
        return self._options.present

    async def open(self) -> Store:
        """The store. Raises `StoreFailed`."""
        if self._store is None:
            store = store_of(self._options.store)
            store.listen(self._watching.heard)
            await store.open()
            self._store = store
        return self._store

    def due(self, at_us: int) -> None:
        """Nothing is run here, whatever is due."""

    async def close(self) -> None:
        """Let go of the store."""
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    async def admit(self, call: Call) -> TaskOptions:
        """Refuse: no function is known here."""
        self._no_host(call.target.name)

    def options(self, function: str) -> TaskOptions:
        """What the project's file says of a function, whether there is one or not: its source is not started here.

        Raises `NOT_FOUND` where there is no such source either.
        """
        source = function.partition(".")[0]
        if source not in self._project.sources:
            raise NotFound(f"the project has no source {source} any more", started=Started.NO, function=function)
        return self._project.settings(source, function).task

    async def _no_callback(self, _: bytes) -> bytes:
        self._no_host()

    def _no_host(self, function: str = "") -> NoReturn:
        raise Unavailable("no host serves this project", started=Started.NO, function=function)


class StoredTasks(Submitting):
    """For callers that block. Use it in `with`."""

    def __init__(self, project: Project) -> None:
        self._shelf = Shelf(project)
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dragoman tasks", daemon=True)
        self._desk = LoopDesk(TasksDesk(self._shelf.tasks), lambda work: run_on_loop(self._loop, work))

    @property
    def present(self) -> bool:
        """Whether there is a store."""
        return self._shelf.present

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            run_on_loop(self._loop, self._shelf.close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
