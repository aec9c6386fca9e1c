"""How a file of tasks is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dragoman.tasks.stores.sqlite.schema import MIGRATIONS

if TYPE_CHECKING:
    from dragoman.tasks.stores.sqlite.schema import Migration


class Options(NamedTuple):
    """Without `full_sync`, the end of the machine (not of the process) loses the last commits.

    `busy_s` is how long another process may hold the file before that is trouble.
    `steps` are the tables as this program knows them.
    """

    busy_s: float = 5.0
    full_sync: bool = True
    steps: tuple[Migration, ...] = MIGRATIONS
