"""The folder that a client is written to: what differs there, and writing it without touching what is not ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dragoman.generate.writing import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEAD_CHARACTERS = 4096


class NotOurs(Exception):  # noqa: N818 - a refusal
    """A file that something else wrote is where one of ours should be."""


def differing(folder: Path, files: Mapping[str, str]) -> list[str]:
    """The files, by their paths within the folder, that are not there, or are other than they should be."""
    return [name for name, text in files.items() if _read(folder / name) != text]


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write what differs, each file whole or not at all; gives those. Raises `NotOurs`, before anything is written."""
    changed = differing(folder, files)
    for name in changed:
        found = _read(folder / name)
        if found is not None and MARK not in found[:_HEAD_CHARACTERS]:
            message = f"{folder / name} was not made by dragoman generate: move it away, or choose another folder"
            raise NotOurs(message)
    for name in changed:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            fresh.write_text(files[name], encoding="utf-8", newline="\n")
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    return changed


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
