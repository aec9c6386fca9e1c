"""Executables: a keeper that runs the command guest, which starts the program once for each call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.sandbox.confinement import Launch, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENTRY = "dragoman.guest.command:main"
PRELOAD = "dragoman.guest.command"
"""What the spawner imports beforehand, so that a worker of this kind is one fork."""


def launch(settings: Mapping[str, Any], folder: Path, env: Mapping[str, str], limits: Limits) -> Launch:
    """A worker for one command. `settings` is what the command guest reads; `env` is the program's environment."""
    described = {**settings, "env": dict(env), "cwd": str(folder)}
    return Launch(
        entry=ENTRY,
        env={**env, "DRAGOMAN_COMMAND": json.dumps(described)},
        cwd=str(folder),
        limits=limits,
    )
