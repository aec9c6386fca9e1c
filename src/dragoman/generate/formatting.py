"""A language's own formatter, run over what was generated where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PATIENCE_S = 60.0
"""Of one file: a thousand functions take a few seconds in the slowest of them."""
WORDS_MAX = 300


class NotFormatted(Exception):  # noqa: N818 - what was generated is as good without
    """The text stays as it was generated; the message says why, and what mends it."""


@dataclass(frozen=True, slots=True)
class Formatter:
    """A program that formats its standard input. `{name}` among its arguments is the file's."""

    program: str
    arguments: tuple[str, ...]
    install: str

    def format(self, name: str, text: str, folder: Path) -> str:
        """The text, formatted. Raises `NotFormatted`."""
        found = self.locate(folder)
        if found is None:
            message = f"{self.program} is not here, so the code is as it was generated; {self.install}"
            raise NotFormatted(message)
        command = [found, *(each.format(name=PurePosixPath(name).name) for each in self.arguments)]
        try:
            # From the root of all, since a formatter reads what it finds in the folders above.
            done = subprocess.run(  # noqa: S603 - a formatter by its name, with fixed arguments
                command, input=text, capture_output=True, encoding="utf-8", timeout=PATIENCE_S, cwd="/", check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            message = f"{self.program} did not run: {error}"
            raise NotFormatted(message) from None
        if done.returncode or not done.stdout:
            message = f"{self.program} refused {name}: {done.stderr.strip()[:WORDS_MAX]}"
            raise NotFormatted(message)
        return done.stdout

    def locate(self, folder: Path) -> str | None:
        """Where it is: on the PATH, beside Python, or among the packages of a project for Node."""
        found = shutil.which(self.program) or shutil.which(str(Path(sys.executable).parent / self.program))
        if found is not None:
            return found
        place = folder.absolute()
        candidates = (each / "node_modules" / ".bin" / self.program for each in (place, *place.parents))
        return next((str(each) for each in candidates if shutil.which(str(each))), None)
