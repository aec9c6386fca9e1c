"""What the writing thread does: whatever has come meanwhile is one transaction, one sync of the disk (group commit).

An operation that cannot be done does not take others along: then all are done again, each behind a savepoint, and where
the whole cannot be committed either, each by itself.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite.clerk import Landing
from dragoman.tasks.stores.sqlite.hearing import Hearing
from dragoman.tasks.stores.sqlite.opening import check, connect, create, ready
from dragoman.tasks.stores.sqlite.order import Order, perform
from dragoman.tasks.stores.sqlite.schema import finish
from dragoman.tasks.stores.sqlite.trouble import code_of, explain, is_everybodys
from dragoman.tasks.stores.sqlite.turns import Turns
from dragoman.tasks.stores.sqlite.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.tasks.stores.sqlite.options import Options
    from dragoman.tasks.task import Change

CHECKPOINT_ROWS = 4000
"""Changed rows after which the log is carried over into the file, while nobody waits for it: a few megabytes."""
BUSY_PAUSE_S, BUSY_PAUSE_S_MAX = 0.001, 0.01
"""How long to wait before another look whether another process has let go of the file: as long as they hold it..."""
BUSY_SHORTLY_S = 0.25
"""... and longer, where that one seems to be busy with something else."""
COURTESY_S = 0.002
"""How long to stay away from a file that others write too: twice as long as they wait between two looks."""


class Writer:
    """The connection that writes."""

    def __init__(self, path: Path, listener: str, options: Options) -> None:
        """`listener` is the store's own id, by which its changes are told from those of others."""
        self._path = path
        self._listener = listener
        self._options = options
        self._version = -1
        self._others = False
        self._rivals = False
        self._synced = options.full_sync
        self._rows = 0
        self._places: list[tuple[int, int]] = []
        self._names = [Path(f"{path}{end}") for end in ("", "-wal", "-shm")]

    def open(self) -> None:
        """Make the file if there is none, and bring it up to date."""
        create(self._path, self._options.steps)
        self._db = connect(self._path, self._options.busy_s, full_sync=self._options.full_sync)
        try:
            ready(self._db, self._path, self._options.steps)
            self._turns = Turns(self._db)
            self.hearing = Hearing(self._db, self._listener, self._options.steps[-1].number)
            self._places = self._found()
            self._db.execute("PRAGMA busy_timeout = 0")
        except BaseException:
            self._db.close()
            raise

    def register(self, work: Work) -> None:
        """Be one of the hosts that have the file open, unless what this one needs was taken away meanwhile."""
        check(work.db, self._path, self._options.steps)
        self.hearing.begin(work)

    def finish(self, work: Work) -> None:
        """Take away what only older hosts need, once there are none, and keep nothing for those who are gone."""
        finish(work.db, self._options.steps)
        self.hearing.thin(work)
        self._others = self.hearing.others()

    def close(self) -> None:
        """Have the others know that nobody listens here any more, and let go."""
        with suppress(sqlite3.Error):
            self._lock()
            self.hearing.end()
            self._db.execute("COMMIT")
        with suppress(sqlite3.Error):
            self._db.close()

    def work(self, items: Sequence[Order]) -> tuple[list[Landing], list[Change]]:
        """Do orders in one transaction, and look for what others have changed."""
        landings, changes = self._write(items) if items else ([], [])
        if self._rivals or not items:
            # Whoever asks next is told of any trouble; this is looked for again.
            with suppress(sqlite3.Error):
                changes += self.hearing.changes()
        return landings, changes

    def patience_s(self) -> float | None:
        """As long as nobody else can have changed anything of interest."""
        return self.hearing.patience_s

    def _write(self, items: Sequence[Order]) -> tuple[list[Landing], list[Change]]:
        orders = sorted(items, key=lambda order: order.rank)
        self._sync(full=any(order.lasting for order in orders))
        try:
            return self._together(orders)
        except BaseException as error:  # noqa: BLE001 - each of those who wait is told what went wrong
            self._undo()
            if len(orders) == 1 or is_everybodys(error):
                return [Landing(each.future, None, self._explained(error)) for each in orders], []
        try:
            return self._apart(orders)
        except BaseException as error:  # noqa: BLE001 - as above
            self._undo()
            if is_everybodys(error):
                return [Landing(each.future, None, self._explained(error)) for each in orders], []
        return self._alone(orders)

    def rest(self) -> None:
        """Let others have the file, where there are any; carry the log over into it, now and then."""
        if self._rivals:
            time.sleep(COURTESY_S)
        if self._rows < CHECKPOINT_ROWS:
            return
        self._rows = 0
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if self._others:
                self.hearing.forget()

    def _together(self, orders: Sequence[Order]) -> tuple[list[Landing], list[Change]]:
        self._begin()
        work = Work(self._db, self._turns)
        answers = perform(work, orders)
        work.finish(listener=self._listener, others=self._others)
        self._commit(len(work.changes))
        landings = [Landing(order.future, answer) for order, answer in zip(orders, answers, strict=True)]
        return landings, work.changes

    def _apart(self, orders: Sequence[Order]) -> tuple[list[Landing], list[Change]]:
        self._begin()
        landings: list[Landing] = []
        changes: list[Change] = []
        for order in orders:
            self._db.execute("SAVEPOINT one")
            work = Work(self._db, self._turns)
            try:
                (answer,) = perform(work, [order])
                work.finish(listener=self._listener, others=self._others)
            except Exception as error:
                if is_everybodys(error) or not self._db.in_transaction:
                    raise
                self._db.execute("ROLLBACK TO one")
                self._turns.forget()
                landings.append(Landing(order.future, None, self._explained(error)))
            else:
                landings.append(Landing(order.future, answer))
                changes += work.changes
            self._db.execute("RELEASE one")
        self._commit(len(changes))
        return landings, changes

    def _alone(self, orders: Sequence[Order]) -> tuple[list[Landing], list[Change]]:
        landings: list[Landing] = []
        changes: list[Change] = []
        for order in orders:
            try:
                landed, changed = self._together([order])
            except BaseException as error:  # noqa: BLE001 - as above
                self._undo()
                landed, changed = [Landing(order.future, None, self._explained(error))], []
            landings += landed
            changes += changed
        return landings, changes

    def _begin(self) -> None:
        self._lock()
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        self._rivals = version != self._version
        if self._rivals:
            self._version = version
            self._turns.forget()
            self._others = self.hearing.others()

    def _lock(self) -> None:
        """Have the file for this process alone, for writing.

        SQLite's own patience sleeps a tenth of a second after a while, in which another may come and go many times.
        """
        waited_s = 0.0
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if code_of(error) != sqlite3.SQLITE_BUSY or waited_s >= self._options.busy_s:
                    raise
            else:
                return
            pause_s = BUSY_PAUSE_S if waited_s < BUSY_SHORTLY_S else BUSY_PAUSE_S_MAX
            time.sleep(pause_s)
            waited_s += pause_s

    def _commit(self, rows: int) -> None:
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if is_everybodys(error):
                raise explain(self._path, error, committing=True) from error
            raise
        self._rows += rows
        places = self._found()
        self._places = self._places or places
        if places != self._places:
            raise StoreFailed(
                f"the tasks' file {self._path} was removed or replaced while it was in use, or the log beside it was: "
                "stop all hosts, and put back what was there",
                unsure=True,
            )

    def _found(self) -> list[tuple[int, int]]:
        """Which files have the names of the file and of its log: what is stored in a file without a name is lost."""
        try:
            stats = [name.stat() for name in self._names]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError:
            return self._places  # nobody can look, so nothing says that they are others
        return [(each.st_dev, each.st_ino) for each in stats]

    def _sync(self, *, full: bool) -> None:
        """Have commits wait for the disk, or not: those that do take along what was not waited for before."""
        full = full and self._options.full_sync
        if full != self._synced:
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA synchronous = FULL" if full else "PRAGMA synchronous = NORMAL")
                self._synced = full

    def _undo(self) -> None:
        self._turns.forget()
        self._version = -1
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _explained(self, error: BaseException) -> BaseException:
        if isinstance(error, sqlite3.Error | ValueError | OverflowError | TypeError):
            return explain(self._path, error)
        return error
