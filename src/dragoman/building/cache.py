"""Where what was built is kept: one folder per key, put there whole, shared between hosts, bounded.

    builds/<key>/    finished; moved here in one step, never changed after that
    locks/<key>      held alone by whoever builds, shared by every host that uses it
    work/<key>.*/    under construction; left behind only by a host that was killed, and cleared by the next one
    keep/<language>/ the caches of a language's own tools
    use              held by every host that builds here, alone by whoever removes all of it
    owner            the folder whose sources it is for, where the cache is not within that

Locks are those of the kernel, so they end with whoever held them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
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
ENTRY_PAUSE_S = 0.005
ENTRIES_MAX = 100
"""Tries to enter a cache: each may meet somebody who removes it at that moment, and is done soon."""
USE, OWNER = "use", "owner"
GONE = ".gone-"
"""How a cache is called while it is being removed."""
PRIVATE = 0o700
TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Built by Dragoman; may be removed while nothing runs.\n"
"""What backup programs know a cache by (bford.info/cachedir)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for a cache, and the folder that it is for where it is beside the caches of others."""

    folder: Path
    owner: Path | None = None


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

    def __init__(self, folder: Path, owner: Path | None = None) -> None:
        """Make the folder, for this user alone. Raises `OSError` where it cannot be made or written to."""
        self.folder = folder
        self.owner = owner
        self._use = self._entered()
        try:
            self._furnish()
        except BaseException:
            self._use.close()
            raise

    def close(self) -> None:
        """Nothing is built here any more. What was built is kept by its own lock. Harmless when repeated."""
        self._use.close()

    def _entered(self) -> Lock:
        """The lock that keeps others from removing the whole, which may happen while it is being made."""
        for _ in range(ENTRIES_MAX):
            if self.folder.is_file():
                raise NoCache(errno.EEXIST, "File exists, which is no folder")
            with suppress(FileNotFoundError, FileExistsError):  # somebody removed it between two steps
                self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
                if self.folder.stat().st_uid != os.geteuid():
                    raise NoCache(f"{self.folder} belongs to another user")
                lock = Lock(os.open(self.folder / USE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                if lock.share() and _same(lock.fd, self.folder / USE):
                    os.utime(lock.fd)
                    return lock
                lock.close()
            time.sleep(ENTRY_PAUSE_S)
        raise NoCache(f"{self.folder} is being removed")

    def _furnish(self) -> None:
        folder, owner = self.folder, self.owner
        if owner is not None and not (folder / OWNER).exists():
            (folder / OWNER).write_bytes(os.fsencode(owner))
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
        return _same(lock.fd, self.folder / "locks" / key)

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

    def prune_others(self, now: float) -> None:
        """Remove the caches beside this one whose owner is gone or that are unused for long, unless they are in use."""
        if self.owner is None:
            return
        with suppress(OSError):
            for folder in self.folder.parent.iterdir():
                if folder.name.startswith(GONE):
                    remove(folder)
                elif folder != self.folder and not folder.is_symlink() and (folder / "CACHEDIR.TAG").exists():
                    _remove_unused(folder, now)

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


def _remove_unused(folder: Path, now: float) -> None:
    locks: list[Lock] = []
    try:
        if not (folder / "builds").is_dir() or not (_is_ownerless(folder) or now - _last_use(folder) > UNUSED_S_MAX):
            return
        files = (folder / USE, *(folder / "locks").iterdir())
        for file in files:
            locks.append(Lock(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)))
            if not locks[-1].alone():
                return
        gone = Path(tempfile.mkdtemp(prefix=GONE, dir=folder.parent))
        folder.rename(gone)  # in one step: whoever comes now makes it anew
        remove(gone)
    except OSError:
        return  # it stays until somebody can
    finally:
        for lock in locks:
            lock.close()


def _is_ownerless(folder: Path) -> bool:
    """Whether it says whose it is, and that is no more. A folder that cannot be looked for may be back tomorrow."""
    try:
        owner = os.fsdecode((folder / OWNER).read_bytes())
        Path(owner).stat()
    except FileNotFoundError as error:
        return error.filename != str(folder / OWNER)
    return False


def _last_use(folder: Path) -> float:
    found = (folder, folder / USE, *(folder / "locks").iterdir())
    return max(each.stat().st_mtime for each in found if each.exists())


def _same(fd: int, path: Path) -> bool:
    """Whether an open file is the one that others will find by its name."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(fd), path.stat())
    return False


def remove(folder: Path) -> None:
    """Remove a folder whatever it holds: module caches make theirs read-only. What cannot be removed stays."""
    for parent, names, _ in os.walk(folder):
        for name in (".", *names):
            with suppress(OSError):
                path = Path(parent, name)
                if not path.is_symlink():
                    path.chmod(PRIVATE)
    shutil.rmtree(folder, ignore_errors=True)


def open_cache(candidates: Iterable[Place]) -> Cache:
    """A cache in the first of these places that can be used. Raises `NoCache` with what is wrong with each."""
    problems: list[str] = []
    for place in candidates:
        try:
            return Cache(place.folder, place.owner)
        except OSError as error:
            problems.append(f"{place.folder}: {error.strerror or error}")
    raise NoCache(f"there is no folder to build in ({'; '.join(problems)})")
