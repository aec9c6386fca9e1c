"""Statements for many rows at once: a step of SQLite's gives up and takes back Python's lock, whatever it does.

So what is done for a hundred tasks is one statement with a hundred rows, not a hundred statements. Rows come in powers
of two, so that few statements are kept prepared.
"""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

ROWS_MAX = 256
"""Rows of one statement: of 40 values each, a third of what SQLite allows."""
ROWS = "{rows}"
"""Where the rows go in a statement's text."""


def run_many(db: sqlite3.Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement for rows of values, all of one length."""
    at, left = 0, len(rows)
    while left:
        size = min(1 << (left.bit_length() - 1), ROWS_MAX)
        text = _spelled(statement, size, len(rows[at]))
        db.execute(text, list(chain.from_iterable(rows[at : at + size])))
        at, left = at + size, left - size


@lru_cache(maxsize=256)
def _spelled(statement: str, rows: int, values: int) -> str:
    row = f"({','.join('?' * values)})"
    return statement.replace(ROWS, ",".join([row] * rows))


def listed(values: Iterable[Any]) -> str:
    """Values as the one that `json_each` takes apart."""
    return json.dumps(list(values), separators=(",", ":"))


def read_many(db: sqlite3.Connection, statement: str, values: Sequence[Any]) -> list[Any]:
    """The rows that a statement answers as one JSON document (`json_group_array`): numbers and texts only."""
    return json.loads(db.execute(statement, values).fetchone()[0])
