"""`dragoman new`: a small project that runs, from the templates beside this module, one folder per language.

Templates end in `.in`, so that neither tools nor an import take them for code of this package.
"""

from __future__ import annotations

import re
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

LANGUAGES = ("python", "exec")

RENAMED = {"gitignore": ".gitignore"}
"""A `.gitignore` among the templates would hide them from the package itself."""


class NotScaffolded(ValueError):  # noqa: N818 - named for the condition, as faults are
    """No project was made; the message says why and what to do."""


def scaffold(folder: Path, language: str = "python") -> list[Path]:
    """Make a project in a folder that does not exist yet, or is empty.

    Args:
        folder: The project's folder; its name becomes the project's.
        language: One of `LANGUAGES`.

    Returns:
        The files made, in the order of their names.

    Raises:
        NotScaffolded: The language has no template, the folder holds something, or it cannot be written.
    """
    if language not in LANGUAGES:
        message = f"there is no template for {language!r} in this version; there are: {', '.join(LANGUAGES)}"
        raise NotScaffolded(message)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "is not empty" if folder.is_dir() else "is not a folder"
            message = f"{folder} {what}: name a new folder, or an empty one"
            raise NotScaffolded(message)
        folder.mkdir(parents=True, exist_ok=True)
        templates = sorted((files("dragoman.cli") / "templates" / language).iterdir(), key=lambda entry: entry.name)
        return [_write(template, folder) for template in templates if template.name.endswith(".in")]
    except OSError as error:
        message = f"{error.filename or folder} cannot be written: {error.strerror}"
        raise NotScaffolded(message) from None
    except ValueError as error:
        if isinstance(error, NotScaffolded):
            raise
        message = f"{str(folder)!a} cannot be the name of a folder"
        raise NotScaffolded(message) from None


def project_name(folder: Path) -> str:
    """A folder's name, made fit for a project's."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name).strip("-.")
    return name[:64] or "project"


def _write(template: Traversable, folder: Path) -> Path:
    name = template.name.removesuffix(".in")
    path = folder / RENAMED.get(name, name)
    text = Template(template.read_text(encoding="utf-8")).substitute(name=project_name(folder))
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)
    if text.startswith("#!"):
        path.chmod(0o755)
    return path
