"""What SQLite complains of, as sentences: which file, what is the matter, what to do."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from dragoman.tasks.store import StoreFailed

if TYPE_CHECKING:
    from pathlib import Path

_DAMAGED = (
    "is damaged ({error}): stop all hosts, keep a copy of it, and restore a backup or see `sqlite3 FILE .recover`"
)
_ALL = "the file, those beside it (-wal, -shm) and their folder"
_REMEDIES = {
    sqlite3.SQLITE_FULL: "is full, or its disk is ({error}): free some space; nothing that was stored is lost",
    sqlite3.SQLITE_BUSY: "is locked by another process ({error}): end what holds it, a backup or a shell perhaps",
    sqlite3.SQLITE_LOCKED: "is locked by another process ({error}): end what holds it, a backup or a shell perhaps",
    sqlite3.SQLITE_READONLY: f"cannot be written ({{error}}): let this user write {_ALL}",
    sqlite3.SQLITE_PERM: f"cannot be written ({{error}}): let this user write {_ALL}",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened ({{error}}): let this user read and write {_ALL}",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: "cannot be read or written ({error}): look at its disk",
    sqlite3.SQLITE_TOOBIG: "cannot keep a value of this size ({error})",
}
_WHOLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_IOERR,
    }
)


def code_of(error: sqlite3.Error) -> int:
    """The primary code of an error, 0 where it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_everybodys(error: BaseException) -> bool:
    """Whether it is the file that has trouble, so that no other operation would fare better."""
    return isinstance(error, StoreFailed) or (isinstance(error, sqlite3.Error) and code_of(error) in _WHOLE)


def explain(path: Path, error: BaseException, *, committing: bool = False) -> StoreFailed:
    """An error as one that a user can act upon. Where reading or writing failed in a commit, it may have happened."""
    if isinstance(error, StoreFailed):
        return error
    if not isinstance(error, sqlite3.Error):
        return StoreFailed(f"the tasks' file {path} cannot keep this: {error}")
    code = code_of(error)
    remedy = _REMEDIES.get(code, "does not do it: {error}")
    unsure = committing and code == sqlite3.SQLITE_IOERR
    return StoreFailed(f"the tasks' file {path} {remedy.format(error=error)}", unsure=unsure)
