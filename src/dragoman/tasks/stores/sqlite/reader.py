"""What the reading thread does: it answers questions, beside whatever is being written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.tasks.stores.sqlite.clerk import Landing
from dragoman.tasks.stores.sqlite.opening import connect
from dragoman.tasks.stores.sqlite.trouble import explain

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from dragoman.tasks.stores.sqlite.options import Options
    from dragoman.tasks.task import Change


class Question(NamedTuple):
    """Something to be read."""

    future: asyncio.Future[Any]
    answer: Callable[[sqlite3.Connection], Any]


class Reader:
    """The connection that reads."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        self._options = options

    def open(self) -> None:
        """Connect."""
        self._db = connect(self._path, self._options.busy_s, reads=True)

    def close(self) -> None:
        """Let go."""
        with suppress(sqlite3.Error):
            self._db.close()

    def rest(self) -> None:
        """Nothing waits for a moment of peace."""

    def patience_s(self) -> None:
        """There is nothing to look after but questions."""

    def work(self, items: Sequence[Question]) -> tuple[list[Landing], list[Change]]:
        """Answer questions."""
        return [self._answer(each) for each in items], []

    def _answer(self, question: Question) -> Landing:
        try:
            return Landing(question.future, question.answer(self._db))
        except sqlite3.Error as error:
            return Landing(question.future, None, explain(self._path, error))
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            return Landing(question.future, None, error)
