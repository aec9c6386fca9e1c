"""Tasks in one file, with nothing installed: SQLite, written by one thread, read by another."""

from dragoman.tasks.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
