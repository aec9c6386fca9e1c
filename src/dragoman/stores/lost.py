"""Why an operation of a store gave nothing. Whoever asked goes on without."""

from __future__ import annotations


class StoreLost(ConnectionError):  # noqa: N818 - says what has happened, as faults do
    """The store is down, slow, or has too much to do already: there is no answer, and may have been no effect."""


class StoreRefused(StoreLost):
    """The store works, and refused this operation: it is full, read-only, or its user may not do that."""


class StoreDenied(StoreLost):
    """The server lets nobody in with this password, or without one."""
