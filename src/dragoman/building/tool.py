"""Programs of a toolchain: what a source needs, where it lies, which version it is, and how to get it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin"
NUMBER = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?|\b(\d+)\b")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that is needed. `least` is the oldest version that will do, `install` a command or an address.

    `ask` are the arguments that make it tell its version; without them it is not asked. `candidates` are further places
    to look at, after the ones of PATH.
    """

    program: str
    install: str
    least: tuple[int, ...] = ()
    ask: tuple[str, ...] = ("--version",)
    candidates: tuple[Path, ...] = ()

    def locate(self, path: str) -> str | None:
        """Where it is, by a PATH; None where it is not."""
        found = shutil.which(self.program, path=path or PATH_DEFAULT)
        if found is not None:
            return found
        return next((str(each) for each in self.candidates if shutil.which(str(each))), None)

    def wanted(self) -> str:
        """Its name, with the version that it should have."""
        least = ".".join(map(str, self.least))
        return f"{self.program} {least} or newer" if least else self.program

    def old(self, version: str) -> bool:
        """Whether what it says of its version is less than what is needed; what cannot be read is new enough."""
        said = NUMBER.search(version)
        if not self.least or said is None:
            return False
        numbers = tuple(int(group) for group in said.groups() if group is not None)
        return numbers < self.least[: len(numbers)]


@dataclass(frozen=True, slots=True)
class Found:
    """A tool that is there: its path, and the first line that it says of its version."""

    path: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """A tool that is not there, or is too old."""

    tool: Tool
    why: str

    def __str__(self) -> str:
        """What is missing, and the command that installs it."""
        return f"{self.why}; to install it: {self.tool.install}"
