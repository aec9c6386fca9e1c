"""`--watch`: a source that changes on disk is reloaded without losing a call; a broken change keeps the old version."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType] - it names types of trio, which is not here

from dragoman.host.launching import files_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from dragoman.core.fault import Fault
    from dragoman.host.host import Host
    from dragoman.upstream.options import UpstreamOptions

DEBOUNCE_MS = 200
"""Editors save in several steps; a checkout changes many files. One reload is enough for what belongs together."""
SETTLE_MS = 50
IGNORED = frozenset(
    {"__pycache__", ".git", ".dragoman", ".venv", "node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
)


async def watch(
    host: Host,
    tell: Callable[[str, Fault | None], None],
    apply: Callable[[], Awaitable[object]] | None = None,
    renewed: asyncio.Event | None = None,
) -> None:
    """Reload what changes, until cancelled; `tell(source, why it is broken or None)` after each reload.

    `apply` is for the project file, when that has changed. Whenever other sources are in force (`renewed`), those are
    watched.
    """
    renewed = renewed or asyncio.Event()
    while folders := sorted({str(folder) for folder in watched(host)}):
        renewed.clear()
        async for changes in awatch(
            *folders, debounce=DEBOUNCE_MS, step=SETTLE_MS, watch_filter=interesting, stop_event=renewed
        ):
            file = host.project.file
            if apply is not None and file is not None and str(file) in {path for _, path in changes}:
                await apply()
            for name in touched(host, {path for _, path in changes}):
                tell(name, await host.reload(name))
        if not renewed.is_set():
            return


def watched(host: Host) -> Iterable[Path]:
    """The folders that hold sources, and the project file."""
    if host.project.file is not None:
        yield host.project.file.parent
    for source in host.project.sources.values():
        if source.kind == "command":
            yield source.folder
        elif source.upstream is not None:
            yield from (file.parent for file in described_by(source.upstream))
        else:
            yield from (folder for folder in files_of(source).folders() if folder.is_dir())


def described_by(options: UpstreamOptions) -> list[Path]:
    """The files that say what a service offers."""
    return [file for file in (options.document, options.proto) if isinstance(file, Path)]


def interesting(_: object, path: str) -> bool:
    """Whether a changed path can matter to a source."""
    return not IGNORED.intersection(path.split("/")) and not path.endswith((".pyc", "~", ".swp", ".tmp"))


def touched(host: Host, paths: set[str]) -> list[str]:
    """The sources that changed paths belong to.

    A language says which files its sources are made of: a Python source may import any Python file beside or below it,
    a Go package any of its module. A command may run or read any file of its folder that its argument list names.
    """
    names: list[str] = []
    for name, source in host.project.sources.items():
        if source.kind == "command":
            named = {str((source.folder / part).resolve()) for part in source.command if "{" not in part}
            hit = bool(named & paths)
        elif source.upstream is not None:
            hit = any(str(file.resolve()) in paths or str(file) in paths for file in described_by(source.upstream))
        else:
            files = files_of(source)
            hit = any(files.hold(path) for path in paths)
        if hit:
            names.append(name)
    return names
