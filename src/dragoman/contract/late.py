"""Imports that wait until they are needed, where user code runs in between.

A source may have put its folder, with a `traceback.py` or an `asyncio.py` in it, in front of `sys.path`, or have
emptied that list. What is imported late is still meant as it was when the process began.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_PATH = list(sys.path)


@contextmanager
def own_path() -> Generator[None]:
    """Import from where this module's own process began to look; user code gets its `sys.path` back afterwards."""
    users = sys.path
    sys.path = list(_PATH)
    try:
        yield
    finally:
        sys.path = users
