"""A connection to the file: made where there is none, refused where it is not ours, never made anew.

A new file appears at its place with its tables in it, so one that is empty or cut off is damage, and no beginning.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite.schema import MIGRATIONS, Migration, finish, refuse_strangers, upgrade
from dragoman.tasks.stores.sqlite.trouble import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

OLDEST = (3, 33, 0)
"""The first SQLite with UPDATE ... FROM."""
STATEMENTS = 512
"""Statements kept prepared: all of ours, in each of the sizes that they come in."""
CHECKPOINT_PAGES = 8000
"""The log is carried over between commits (`writer`); this many pages (32 MB) are for when there is no between."""
LOG_BYTES_MAX = 64 * 1024 * 1024
"""What the log keeps of the disk once it was carried over, however large one commit was: twice what it grows to."""


def create(path: Path, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Make the file, unless it is there. Raises `StoreFailed`."""
    try:
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        os.close(number)
    except OSError as error:
        raise StoreFailed(
            f"the tasks' file {path} cannot be made ({error.strerror}): let this user read and write its folder"
        ) from error
    made = Path(name)
    try:
        with closing(sqlite3.connect(made, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN")
            upgrade(db, steps)
            db.execute("COMMIT")
        # Whoever was quicker has made the same.
        with suppress(FileExistsError):
            os.link(made, path)
        _keep_name(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise explain(path, error) from error
    finally:
        for rest in ("", "-wal", "-shm"):
            Path(f"{made}{rest}").unlink(missing_ok=True)


def connect(path: Path, busy_s: float, *, full_sync: bool = True, reads: bool = False) -> sqlite3.Connection:
    """Connect to a file that is there. It is for the thread that asks. Raises `StoreFailed`."""
    if sqlite3.sqlite_version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise StoreFailed(f"SQLite {wanted} is needed for tasks, and this Python has {sqlite3.sqlite_version}")
    try:
        if path.stat().st_size == 0:
            raise StoreFailed(
                f"the tasks' file {path} is empty, so what was in it is lost: restore a backup, or remove it"
            )
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=busy_s,
            isolation_level=None,
            cached_statements=STATEMENTS,
        )
    except (sqlite3.Error, OSError) as error:
        raise explain(path, error) from error
    try:
        _set_up(db, path, full_sync=full_sync, reads=reads)
    except sqlite3.Error as error:
        db.close()
        raise explain(path, error) from error
    except BaseException:
        db.close()
        raise
    return db


def _set_up(db: sqlite3.Connection, path: Path, *, full_sync: bool, reads: bool) -> None:
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreFailed(f"the tasks' file {path} lies where memory cannot be shared: put it on a local disk")
    db.execute("PRAGMA synchronous = FULL" if full_sync else "PRAGMA synchronous = NORMAL")
    # Elsewhere a sync ends in the disk's own cache, unless asked for more; here these do nothing.
    db.execute("PRAGMA fullfsync = ON")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("PRAGMA cache_size = -65536")
    if reads:
        db.execute("PRAGMA query_only = ON")
    else:
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES:d}")
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_MAX:d}")


def ready(db: sqlite3.Connection, path: Path, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the tables up to date. Raises `StoreFailed` where the file is not for us."""
    try:
        check(db, path, steps)
        db.execute("BEGIN IMMEDIATE")
        try:
            upgrade(db, steps)
            finish(db, steps)
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise explain(path, error) from error


def check(db: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    """Raise `StoreFailed` where the file is another program's, or no longer for this version of ours."""
    try:
        refuse_strangers(db, steps)
    except StoreFailed as failed:
        raise StoreFailed(f"the tasks' file {path} {failed}") from failed


def _keep_name(folder: Path) -> None:
    """Have the file's name survive the machine's end as what is in it does."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
