"""A folder for what a language's runtime compiles as it loads: for this user and one pool alone, and as long as that.

Its host holds it by a lock of the kernel's, which ends with the process however that ends: what a host that was killed
has left is removed by the next one that makes such a folder.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from dragoman.building.cache import Lock

PREFIX = "dragoman-compiled-"
TRIES_MAX = 10
"""Another host may take a folder for one that was left, in the moment before it is locked; not again and again."""


class Compiled:
    """One such folder. Close it when no process needs it any more."""

    def __init__(self, place: Path | None = None) -> None:
        """Make it, where temporary files are. Raises `OSError` where that cannot be."""
        self.folder, self._lock = _taken(place or Path(tempfile.gettempdir()))

    def close(self) -> None:
        """Remove it. Harmless when repeated."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def sweep(place: Path | None = None) -> None:
    """Remove this user's folders that no host holds. Blocks for as long as that takes."""
    for folder in (place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        with suppress(OSError):  # no folder, somebody else's, or gone by now
            lock = _lock(folder)
            try:
                if os.fstat(lock.fd).st_uid == os.geteuid() and lock.alone():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                lock.close()


def _taken(place: Path) -> tuple[Path, Lock]:
    """A new folder, and the lock that holds it."""
    for _ in range(TRIES_MAX):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        with suppress(FileNotFoundError):
            lock = _lock(folder)
            if lock.alone() and folder.exists():
                return folder, lock
            lock.close()
    raise OSError(errno.EBUSY, "each folder for compiled code is removed by somebody as soon as it is made", str(place))


def _lock(folder: Path) -> Lock:
    return Lock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
