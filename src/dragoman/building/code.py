"""A source as those see it who build it and start its workers: where its code lies, and what that asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Code:
    """One source's code.

    `path` is its file or folder, absolute; `folder` the project's folder, where its workers run; `home` the folder of
    the project file, where there is one: what is built for it is kept there. `requirements` and `python` are what a
    Python source asks for: packages (or one file that lists them), and the version of its interpreter.
    `build_timeout_s` is how long each step of building it may take.
    """

    name: str
    language: str
    path: Path
    folder: Path
    home: Path | None = None
    requirements: tuple[str, ...] = ()
    python: str = ""
    build_timeout_s: float = 600.0

    @property
    def root(self) -> Path:
        """The folder that holds the code."""
        return self.path if self.path.is_dir() else self.path.parent
