"""Which language a source is written in, by its name or by what its folder holds.

Languages that Dragoman will host but this version does not are recognised, so that a Go package is not told that it
is a broken script.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from dragoman.config.kinds import SHOWN_CHARS_MAX, Schema, wrong
from dragoman.config.problem import Refused, did_you_mean

HOSTED = ("python", "exec")
MODES = ("warm", "exec", "inline")

LATER = {
    "go": "Go",
    "node": "JavaScript",
    "javascript": "JavaScript",
    "typescript": "TypeScript",
    "rust": "Rust",
    "java": "Java",
}

SUFFIXES = {
    ".py": "python",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
    ".ts": "typescript",
    ".mts": "typescript",
    ".go": "go",
    ".rs": "rust",
    ".java": "java",
    ".jar": "java",
}

MARKERS = {
    "go.mod": "go",
    "tsconfig.json": "typescript",
    "package.json": "node",
    "Cargo.toml": "rust",
    "pom.xml": "java",
    "build.gradle": "java",
    "build.gradle.kts": "java",
}

ENTRIES_MAX = 1000
"""Entries of a folder looked at for a known suffix: enough to meet a source file, few enough to be quick."""


@dataclass(frozen=True)
class Language:
    """A language that this version hosts."""

    def read(self, value: object) -> str:
        """The language's name. Raises `Refused`."""
        if not isinstance(value, str):
            raise wrong("a language", value)
        if value in LATER:
            raise Refused(_not_yet(LATER[value]))
        if value not in HOSTED:
            message = f"unknown language {value[:SHOWN_CHARS_MAX]!r}{did_you_mean(value, [*HOSTED, *LATER])}"
            raise Refused(message)
        return value

    def schema(self) -> Schema:
        """An enumeration."""
        return {"type": "string", "enum": list(HOSTED)}

    def words(self) -> str:
        """For the reference page."""
        return ", ".join(f'`"{name}"`' for name in HOSTED)


@dataclass(frozen=True)
class Mode:
    """A way of running that this version has."""

    def read(self, value: object) -> str:
        """The mode's name. Raises `Refused`."""
        if not isinstance(value, str):
            raise wrong("a mode", value)
        if value == "fork":
            message = f'mode "fork" is not in this version, which has {", ".join(MODES)}; "warm" is the nearest'
            raise Refused(message)
        if value not in MODES:
            message = f"unknown mode {value[:SHOWN_CHARS_MAX]!r}{did_you_mean(value, MODES)}"
            raise Refused(message)
        return value

    def schema(self) -> Schema:
        """An enumeration."""
        return {"type": "string", "enum": list(MODES)}

    def words(self) -> str:
        """For the reference page."""
        return ", ".join(f'`"{name}"`' for name in MODES)


def recognise(path: Path, declared: str = "") -> Literal["python", "exec"]:
    """The language of a source that exists, `python` or `exec`.

    Args:
        path: The file, or a Python package's folder, absolute.
        declared: What its `language` setting says, if anything.

    Raises:
        Refused: Nothing is there, or nothing that this version can run.
    """
    if not os.path.exists(path):  # noqa: PTH110 - answers False, not an error, for names that no file can have
        message = f"no such file: {path}"
        raise Refused(message)
    if path.is_dir():
        return _package(path)
    language = declared or SUFFIXES.get(path.suffix, "exec")
    if language in LATER:
        raise Refused(_not_yet(LATER[language], path.name))
    if not path.is_file():
        message = f"{path} is not a file"
        raise Refused(message)
    if language == "exec":
        check_executable(path)
        return "exec"
    if path.suffix != ".py":
        message = f"{path} cannot be imported: a Python source is a file that ends in .py, or a package"
        raise Refused(message)
    if not os.access(path, os.R_OK):
        message = f"{path} cannot be read"
        raise Refused(message)
    return "python"


def check_executable(path: Path) -> None:
    """Raise `Refused` unless the path is a file that may be executed."""
    if not os.path.exists(path):  # noqa: PTH110 - answers False, not an error, for names that no file can have
        message = f"no such program: {path}"
        raise Refused(message)
    if not path.is_file():
        message = f"{path} is not a program, but {'a folder' if path.is_dir() else 'something else'}"
        raise Refused(message)
    if not os.access(path, os.X_OK):
        message = f"{path} is not executable: run chmod +x {path.name}"
        raise Refused(message)


def _package(folder: Path) -> Literal["python"]:
    """A folder is a Python package with a name that can be imported, or `Refused` for what it is instead."""
    try:
        names = sorted(entry.name for entry in islice(folder.iterdir(), ENTRIES_MAX))
    except OSError as error:
        message = f"{folder} cannot be listed: {error.strerror}"
        raise Refused(message) from None
    if not os.path.isfile(folder / "__init__.py"):  # noqa: PTH113 - answers False where the folder may not be searched
        raise Refused(_folder_refusal(folder, names))
    if not folder.name.isidentifier():
        message = f"{folder} cannot be imported: a package's name is letters, digits and underscores"
        raise Refused(message)
    return "python"


def _folder_refusal(folder: Path, names: list[str]) -> str:
    marked = [MARKERS[name] for name in names if name in MARKERS]
    found = marked or [SUFFIXES[Path(name).suffix] for name in names if Path(name).suffix in SUFFIXES]
    if not found:
        return f"{folder} is a folder in which no source is recognised"
    if found[0] == "python":
        script = next(name for name in names if name.endswith(".py"))
        return f"{folder} is no Python package: name one file, such as {script}, or add an __init__.py"
    return _not_yet(LATER[found[0]], folder.name)


def _not_yet(language: str, name: str = "") -> str:
    what = f"{name} is {language}, which" if name else f"{language}"
    return f"{what} is not hosted by this version: it hosts Python and executables (any program, by `command`)"
