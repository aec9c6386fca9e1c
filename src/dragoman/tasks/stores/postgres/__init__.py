"""Tasks in Postgres, for many hosts."""

from dragoman.tasks.stores.postgres.options import PostgresOptions
from dragoman.tasks.stores.postgres.store import PostgresStore

__all__ = ["PostgresOptions", "PostgresStore"]
