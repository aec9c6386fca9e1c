"""Python workers: the interpreter that runs the host, with the guest as its main module."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dragoman.sandbox.confinement import Launch, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def launch(path: Path, folder: Path, env: Mapping[str, str], limits: Limits) -> Launch:
    """A worker for one Python file, started in its project's folder. `env` is its whole environment."""
    return Launch(
        argv=(sys.executable, "-P", "-m", "dragoman.guest"),
        env={**env, "DRAGOMAN_SOURCE": str(path)},
        cwd=str(folder),
        limits=limits,
    )
