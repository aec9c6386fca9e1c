"""What the reading thread does: it answers, and looks now and then whether other processes have changed something."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.tasks.stores.sqlite.clerk import Landing
from dragoman.tasks.stores.sqlite.opening import connect
from dragoman.tasks.stores.sqlite.rows import STATES
from dragoman.tasks.stores.sqlite.trouble import explain
from dragoman.tasks.task import Change

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from dragoman.tasks.stores.sqlite.options import Options

CHANGES_AT_ONCE = 1000
"""Changes that are told of at once: some milliseconds of the loop."""
_CHANGES = "SELECT n, task, function, state, seq, cancelling, origin FROM changes WHERE n > ? ORDER BY n LIMIT ?"
_ALL = "SELECT id, function, state, seq, cancelling FROM tasks WHERE id > ? ORDER BY id LIMIT ?"


class Question(NamedTuple):
    """Something to be read."""

    future: asyncio.Future[Any]
    answer: Callable[[sqlite3.Connection], Any]


class Reader:
    """The connection that reads."""

    def __init__(self, path: Path, listener: str, options: Options) -> None:
        """`listener` is the store's own id: its own changes are told of by who makes them."""
        self.since: int | None = None
        """The change after which those of others are told of; None where nobody listens."""
        self._path = path
        self._listener = listener
        self._options = options
        self._version = -1
        self._missed: str | None = None

    def open(self) -> None:
        """Connect."""
        self._db = connect(self._path, self._options.busy_s, reads=True)

    def close(self) -> None:
        """Let go."""
        with suppress(sqlite3.Error):
            self._db.close()

    def rest(self) -> None:
        """Nothing waits for a moment of peace."""

    def work(self, items: Sequence[Question]) -> tuple[list[Landing], list[Change]]:
        """Answer questions, and tell what others have changed."""
        return [self._answer(each) for each in items], self._changes()

    def _answer(self, question: Question) -> Landing:
        try:
            return Landing(question.future, question.answer(self._db))
        except sqlite3.Error as error:
            return Landing(question.future, None, explain(self._path, error))
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            return Landing(question.future, None, error)

    def _changes(self) -> list[Change]:
        if self.since is None:
            return []
        try:
            return self._missed_changes() if self._missed is not None else self._new_changes(self.since)
        except sqlite3.Error:
            # Whoever asks next is told of the trouble; this is looked for again.
            self._version = -1
            return []

    def _new_changes(self, since: int) -> list[Change]:
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return []
        found = self._db.execute(_CHANGES, (since, CHANGES_AT_ONCE)).fetchall()
        if len(found) < CHANGES_AT_ONCE:
            self._version = version
        if not found:
            return []
        self.since = found[-1][0]
        if found[0][0] > since + 1:
            self._missed = ""
        return [_change(each[1:]) for each in found if each[-1] != self._listener]

    def _missed_changes(self) -> list[Change]:
        """Some were forgotten before they were seen here: all tasks are told of as they are now."""
        found = self._db.execute(_ALL, (self._missed, CHANGES_AT_ONCE)).fetchall()
        self._missed = found[-1][0] if len(found) == CHANGES_AT_ONCE else None
        return [_change(each) for each in found]


def _change(columns: Sequence[Any]) -> Change:
    id, function, state, seq, cancelling, *_ = columns  # noqa: A001 - the field's public name
    return Change(id, function, STATES[state], seq, bool(cancelling))
