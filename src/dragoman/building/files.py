"""The files that something is made of: which they are, and one fingerprint of all that they hold."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import StartFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILES_MAX = 100_000
"""Ten times a large project; past it somebody's data lies beside the code, and every start would wait for it."""
BYTES_MAX = 1024 * 1024 * 1024
"""A second of reading. Programs of that size exist, their sources do not."""
READ_BYTES = 1024 * 1024

ALWAYS_IGNORED = frozenset(
    {".git", ".hg", ".svn", ".dragoman", ".idea", ".vscode", "__pycache__", ".DS_Store", ".venv", ".pytest_cache"}
)
"""What tools keep beside sources, in any language."""
UNSAVED = ("~", ".swp", ".tmp", ".pyc")
"""Endings of what editors write before, or beside, what they save."""


class Digest(Protocol):
    """A hash in the making."""

    def update(self, data: bytes, /) -> None:
        """Add to it."""
        ...


@dataclass(frozen=True, slots=True)
class Files:
    """Everything in `roots` (files, or folders with all below them) but what is `ignored`, by the name of any part.

    With `suffixes`, only files that end in one of them, and the roots that are files.
    """

    roots: tuple[Path, ...]
    ignored: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()

    def hold(self, path: str) -> bool:
        """Whether a path, which need not exist any more, is one of these files."""
        for root in map(str, self.roots):
            if path == root:
                return True
            inner = path.removeprefix(root.rstrip("/") + "/")
            if inner != path and not self._leaves_out(inner.split("/")):
                return not self.suffixes or path.endswith(self.suffixes)
        return False

    def folders(self) -> Iterator[Path]:
        """The folders to look at for changes."""
        for root in self.roots:
            yield root if root.is_dir() else root.parent

    def fingerprint(self) -> str:
        """A hash of all names and contents. Blocks. Raises `StartFailed` where there is too much, or it is unreadable.

        Where the files lie is no part of it: a copy of a project has the same one.
        """
        digest = hashlib.sha256()
        size = 0
        for count, (label, path) in enumerate(self._listed(), 1):
            try:
                size += _add(digest, label, path)
            except OSError as error:
                raise StartFailed(f"{path} cannot be read: {error.strerror}") from error
            if count > FILES_MAX or size > BYTES_MAX:
                raise StartFailed(
                    f"{self.roots[0]} holds more than {FILES_MAX} files or {BYTES_MAX >> 20}MB: "
                    "keep data out of the folder of a source, or name a smaller folder"
                )
        return digest.hexdigest()

    def _listed(self) -> Iterator[tuple[str, Path]]:
        for index, root in enumerate(self.roots):
            if not root.is_dir():
                yield f"{index}:{root.name}", root
                continue
            for folder, names, files in _walk(root):
                names[:] = sorted(name for name in names if not self._leaves_out((name,)))
                links = [name for name in names if (folder / name).is_symlink()]
                for name in sorted((*self._kept(files), *links)):
                    path = folder / name
                    yield f"{index}:{path.relative_to(root).as_posix()}", path

    def _kept(self, files: Iterable[str]) -> Iterator[str]:
        for name in files:
            if not self._leaves_out((name,)) and (not self.suffixes or name.endswith(self.suffixes)):
                yield name

    def _leaves_out(self, parts: Iterable[str]) -> bool:
        return any(
            part in ALWAYS_IGNORED or part in self.ignored or part.endswith(UNSAVED) or part.startswith(".#")
            for part in parts
        )


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    for folder, names, files in os.walk(root):
        yield type(root)(folder), names, files


def _add(digest: Digest, label: str, path: Path) -> int:
    """Add a file to a hash; its size."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(path)  # noqa: PTH115 - the text of the link, as it is
        digest.update(f"link {label!r} {target!r}\n".encode("utf-8", "surrogateescape"))
        if not path.is_file():
            return 0
    elif not stat.S_ISREG(found.st_mode):
        return 0  # a socket or a pipe, which no build reads
    size = 0
    digest.update(f"file {label!r} {found.st_mode & 0o100:o}\n".encode("utf-8", "surrogateescape"))
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            digest.update(data)
            size += len(data)
            if size > BYTES_MAX:
                break
    digest.update(f"\n{size}\n".encode())
    return size
