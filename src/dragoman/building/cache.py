"""Where what was built is kept: one folder per key, put there whole, shared between hosts, bounded.

    builds/<key>/    finished; moved here in one step, never changed after that
    locks/<key>      held alone by whoever builds, shared by every host that uses it
    work/<key>.*/    under construction; left behind only by a host that was killed, and cleared by the next one
    keep/<language>/ the caches of a language's own tools

Locks are those of the kernel, so they end with whoever held them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BUILDS_MAX = 4
"""Builds kept of one source, the most recently used ones: to go back to a branch, or a toolchain, costs nothing."""
UNUSED_S_MAX = 30 * 24 * 3600.0
"""What no host has used for a month goes, whatever source it was of."""
PRIVATE = 0o700
TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Built by Dragoman; may be removed while nothing runs.\n"
"""What backup programs know a cache by (bford.info/cachedir)."""


class NoCache(OSError):  # noqa: N818 - named for the condition, as faults are
    """There is no folder that could be written to."""


@dataclass(slots=True)
class Lock:
    """An open lock file. Closing it lets go."""

    fd: int
    shared: bool = False

    def alone(self) -> bool:
        """Take it for oneself; false where somebody else has it."""
        return self._take(fcntl.LOCK_EX)

    def share(self) -> bool:
        """Take it together with others who share it."""
        return self._take(fcntl.LOCK_SH)

    def _take(self, how: int) -> bool:
        try:
            fcntl.flock(self.fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.shared = how == fcntl.LOCK_SH
        return True

    def close(self) -> None:
        """Let go. Harmless when repeated."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Cache:
    """One folder of builds. Every method blocks for a moment; those that remove things, for longer."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, for this user alone. Raises `OSError` where it cannot be made or written to."""
        self.folder = folder
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise NoCache(f"{folder} belongs to another user")
        for name in ("builds", "locks", "work", "keep"):
            (folder / name).mkdir(mode=PRIVATE, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "work"):
            pass  # a file system that is mounted read-only has all its folders, and says no only now
        for name, text in (("CACHEDIR.TAG", TAG), (".gitignore", "*\n")):
            if not (folder / name).exists():
                (folder / name).write_text(text)

    def find(self, key: str, product: str) -> Path | None:
        """What was built for a key, if it is whole."""
        folder = self.folder / "builds" / key
        return folder if (folder / product).exists() else None

    def similar(self, prefix: str, product: str) -> str | None:
        """The key most recently used of those that begin so and are whole."""
        keys = [each.name for each in (self.folder / "builds").glob(f"{prefix}*") if self.find(each.name, product)]
        return max(keys, key=self._used_at, default=None)

    def lock(self, key: str) -> Lock:
        """The lock of a key, not yet taken; opening it counts as a use of the key."""
        fd = os.open(self.folder / "locks" / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.utime(fd)
        return Lock(fd)

    def names(self, lock: Lock, key: str) -> bool:
        """Whether a lock that was taken is still the one that others will see under this key."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(lock.fd), (self.folder / "locks" / key).stat())
        return False

    def work(self, key: str) -> Path:
        """An empty folder to build in, for whoever holds the lock; what a killed builder left is removed first."""
        for left in (self.folder / "work").glob(f"{key}.*"):
            remove(left)
        return Path(tempfile.mkdtemp(prefix=f"{key}.", dir=self.folder / "work"))

    def keep(self, language: str) -> Path:
        """The folder for the caches of a language's tools."""
        folder = self.folder / "keep" / language
        folder.mkdir(mode=PRIVATE, exist_ok=True)
        return folder

    def publish(self, work: Path, key: str) -> Path:
        """Put a finished build where it stays. The lock must be held alone."""
        place = self.folder / "builds" / key
        if place.exists():  # there, and not whole
            remove(place)
        work.rename(place)
        return place

    def prune(self, source: str, now: float) -> None:
        """Remove builds past the bounds, and what killed builders left, but for what somebody uses or builds."""
        keys = sorted((each.name for each in (self.folder / "builds").iterdir()), key=self._used_at, reverse=True)
        own = [key for key in keys if key.rsplit("-", 2)[0] == source]
        stale = [key for key in keys if now - self._used_at(key) > UNUSED_S_MAX]
        for key in dict.fromkeys((*own[BUILDS_MAX:], *stale)):
            self._remove(key, (self.folder / "builds" / key,))
        for left in (self.folder / "work").iterdir():
            self._remove(left.name.partition(".")[0], (left,))

    def _remove(self, key: str, folders: Iterable[Path]) -> None:
        lock = self.lock_if_there(key)
        try:
            if lock is None or lock.alone():
                for folder in folders:
                    remove(folder)
                with suppress(OSError):
                    (self.folder / "locks" / key).unlink()
        finally:
            if lock is not None:
                lock.close()

    def lock_if_there(self, key: str) -> Lock | None:
        """The lock of a key, where there is one; opening it is no use of the key."""
        try:
            return Lock(os.open(self.folder / "locks" / key, os.O_RDWR | os.O_CLOEXEC))
        except OSError:
            return None

    def _used_at(self, key: str) -> float:
        for name in ("locks", "builds"):
            with suppress(OSError):
                return (self.folder / name / key).stat().st_mtime
        return 0.0


def remove(folder: Path) -> None:
    """Remove a folder whatever it holds: module caches make theirs read-only. What cannot be removed stays."""
    for parent, names, _ in os.walk(folder):
        for name in (".", *names):
            with suppress(OSError):
                path = Path(parent, name)
                if not path.is_symlink():
                    path.chmod(PRIVATE)
    shutil.rmtree(folder, ignore_errors=True)


def open_cache(candidates: Iterable[Path]) -> Cache:
    """A cache in the first of these folders that can be used. Raises `NoCache` with what is wrong with each."""
    problems: list[str] = []
    for folder in candidates:
        try:
            return Cache(folder)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
    raise NoCache(f"there is no folder to build in ({'; '.join(problems)})")
