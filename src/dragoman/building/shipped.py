"""The guest libraries of other languages, which come with this package as sources: builds fetch them from nowhere."""

from __future__ import annotations

from pathlib import Path

from dragoman.core.fault import StartFailed

PACKAGE = Path(__file__).resolve().parent.parent


def sdk(language: str) -> Path:
    """The folder with the library of a language, inside this package (in a checkout it is a link to `sdk/`).

    Raises `StartFailed` where it is not there, as in a package that was put together by hand.
    """
    folder = (PACKAGE / "sdk" / language).resolve()
    if folder.is_dir():
        return folder
    raise StartFailed(f"the {language} library is not part of this installation ({PACKAGE}): reinstall dragoman")
