"""`dragoman new`: a small project that runs, from the templates beside this module, a folder for each language.

Templates end in `.in`, so that neither tools nor an import take them for code of this package.
"""

from __future__ import annotations

import re
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from dragoman.building.shipped import sdk
from dragoman.cli.starters import LIBRARIES, TRIES
from dragoman.core.fault import StartFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable
    from pathlib import Path

RENAMED = {"gitignore": ".gitignore"}
"""A `.gitignore` among the templates would hide them from the package itself."""


class NotScaffolded(ValueError):  # noqa: N818 - named for the condition, as faults are
    """No project was made; the message says why and what to do."""


def scaffold(folder: Path, language: str = "python") -> list[Path]:
    """Make a project in a folder that does not exist yet, or is empty.

    Args:
        folder: The project's folder; its name becomes the project's.
        language: One of `starters.TRIES`.

    Returns:
        The files made, in the order of their names, those of a folder together.

    Raises:
        NotScaffolded: The language has no template, the folder holds something, or it cannot be written.
    """
    if language not in TRIES:
        message = f"there is no template for {language!r} in this version; there are: {', '.join(TRIES)}"
        raise NotScaffolded(message)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "is not empty" if folder.is_dir() else "is not a folder"
            message = f"{folder} {what}: name a new folder, or an empty one"
            raise NotScaffolded(message)
        folder.mkdir(parents=True, exist_ok=True)
        return list(_fill(files("dragoman.cli") / "templates" / language, folder, language, project_name(folder)))
    except StartFailed as fault:
        raise NotScaffolded(fault.detail) from None
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


def _fill(templates: Traversable, folder: Path, language: str, name: str) -> Iterator[Path]:
    """Write what the templates of a folder, and of those in it, say."""
    for template in sorted(templates.iterdir(), key=lambda entry: entry.name):
        if template.is_dir():
            (folder / template.name).mkdir()
            yield from _fill(template, folder / template.name, language, name)
        elif template.name.endswith(".in"):
            plain = template.name.removesuffix(".in")
            yield _write(template, folder / RENAMED.get(plain, plain), language, name)


def _write(template: Traversable, path: Path, language: str, name: str) -> Path:
    text = template.read_text(encoding="utf-8")
    library = sdk(LIBRARIES.get(language, language)) if "$sdk" in text else ""
    text = Template(text).substitute(name=name, sdk=library)
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)
    if text.startswith("#!"):
        path.chmod(0o755)
    return path
