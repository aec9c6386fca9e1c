"""Python workers: the interpreter that runs the host, with the guest as its main module."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dragoman.sandbox.confinement import Launch, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024), "MALLOC_TRIM_THRESHOLD_": str(16 * 1024 * 1024)}
"""Have glibc keep up to 16 MB of freed memory: a body of 1 MB otherwise costs a page fault for each of its pages, in
every call, which is most of what it costs at all."""


def launch(path: Path, folder: Path, env: Mapping[str, str], limits: Limits) -> Launch:
    """A worker for one Python file, started in its project's folder. `env` is its whole environment."""
    return Launch(
        argv=(sys.executable, "-P", "-m", "dragoman.guest"),
        env={**MALLOC, **env, "DRAGOMAN_SOURCE": str(path)},
        cwd=str(folder),
        limits=limits,
    )
