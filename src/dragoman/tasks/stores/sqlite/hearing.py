"""What other processes have changed, as far as somebody here wants to know.

It is for the thread that writes, which tells of its own changes too: a task is told of as it is at that moment, so what
is told of it never goes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.tasks.liveness import Place, has_gone, place
from dragoman.tasks.stores.sqlite.rows import CHANGE, change
from dragoman.tasks.stores.sqlite.statements import listed

if TYPE_CHECKING:
    import sqlite3

    from dragoman.tasks.stores.sqlite.work import Work
    from dragoman.tasks.task import Change

POLL_S = 0.05
"""How often the file is looked at for what others have changed: some microseconds each time."""
CHANGES_AT_ONCE = 1000
"""Changes that are told of at once: some milliseconds of the loop."""
CHANGES_MAX = 100_000
"""Changes kept for other processes: ten seconds at full rate. Whoever missed more is told of all tasks."""

_LISTEN = "INSERT OR REPLACE INTO listeners (id, pid, born_at, boot, space, version) VALUES (?, ?, ?, ?, ?, ?)"
_NEW = "SELECT n, task, origin FROM changes WHERE n > ? ORDER BY n LIMIT ?"
_NOW = f"SELECT {CHANGE} FROM tasks WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 - names of columns, all ours
_ALL = f"SELECT {CHANGE} FROM tasks WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - as above


class Hearing:
    """One store's knowledge of what others have changed."""

    def __init__(self, db: sqlite3.Connection, listener: str, tables: int) -> None:
        """`tables` is which version of the tables this host knows."""
        self._db = db
        self._listener = listener
        self._tables = tables
        self._since: int | None = None
        self._version = -1
        self._missed: str | None = None
        self._more = False

    @property
    def patience_s(self) -> float | None:
        """How long to wait until the next look; None where nobody wants to know."""
        if self._since is None:
            return None
        return 0.0 if self._more else POLL_S

    def begin(self, work: Work) -> None:
        """Have others keep their changes for this one, from now on."""
        self.thin(work)
        work.db.execute(_LISTEN, (self._listener, *place(), self._tables))
        last = work.db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'changes'").fetchone()[0]
        self._since = last or 0

    @staticmethod
    def thin(work: Work) -> None:
        """Forget those who are gone: they no longer want to know."""
        for found in work.db.execute("SELECT id, pid, born_at, boot, space FROM listeners").fetchall():
            if has_gone(Place(*found[1:])):
                work.db.execute("DELETE FROM listeners WHERE id = ?", found[:1])

    def end(self) -> None:
        """Want to know nothing more."""
        self._db.execute("DELETE FROM listeners WHERE id = ?", (self._listener,))

    def others(self) -> bool:
        """Whether anybody else wants to know."""
        found = self._db.execute("SELECT 1 FROM listeners WHERE id <> ? LIMIT 1", (self._listener,)).fetchone()
        return found is not None

    def changes(self) -> list[Change]:
        """What others have changed since the last look, or some of it."""
        if self._since is None:
            return []
        self._more = False
        if self._missed is not None:
            return self._all(self._missed)
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return []
        found = self._db.execute(_NEW, (self._since, CHANGES_AT_ONCE)).fetchall()
        foreign = {task for _, task, origin in found if origin != self._listener}
        changes = list(map(change, self._db.execute(_NOW, (listed(foreign),)))) if foreign else []
        # Only now, for a look that fails is to be made again.
        if found and found[0][0] > self._since + 1:
            self._missed = ""
        self._since = found[-1][0] if found else self._since
        rest = len(found) == CHANGES_AT_ONCE
        self._version = -1 if rest else version
        self._more = rest or self._missed is not None
        return changes

    def forget(self) -> None:
        """Forget changes that everybody else has heard of, or has missed."""
        self._db.execute("DELETE FROM changes WHERE n < (SELECT max(n) FROM changes) - ?", (CHANGES_MAX,))

    def _all(self, after: str) -> list[Change]:
        """Some were forgotten before they were seen here: all tasks are told of."""
        found = self._db.execute(_ALL, (after, CHANGES_AT_ONCE)).fetchall()
        self._missed = found[-1][0] if len(found) == CHANGES_AT_ONCE else None
        self._more = self._missed is not None
        return list(map(change, found))
