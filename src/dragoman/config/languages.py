"""Which language a source is written in, by its name or by what its folder holds.

Languages that Dragoman will host but this version does not are recognised, so that a Go package is not told that it
is a broken script.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
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


def recognise(path: Path, declared: str = "") -> Literal["python", "exec"]:
    """The language of a source that exists, `python` or `exec`.

    Args:
        path: The file or folder, absolute.
        declared: What its `language` setting says, if anything.

    Raises:
        Refused: Nothing is there, or nothing that this version can run.
    """
    if not os.path.exists(path):  # noqa: PTH110 - answers False, not an error, for names that no file can have
        message = f"no such file: {path}"
        raise Refused(message)
    if path.is_dir():
        raise Refused(_folder_refusal(path))
    language = declared or SUFFIXES.get(path.suffix, "exec")
    if language in LATER:
        raise Refused(_not_yet(LATER[language], path.name))
    if not path.is_file():
        message = f"{path} is not a file"
        raise Refused(message)
    if language == "exec":
        check_executable(path)
        return "exec"
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


def _folder_refusal(folder: Path) -> str:
    try:
        names = sorted(entry.name for entry, _ in zip(folder.iterdir(), range(ENTRIES_MAX), strict=False))
    except OSError as error:
        return f"{folder} cannot be listed: {error.strerror}"
    marked = [MARKERS[name] for name in names if name in MARKERS]
    found = marked or [SUFFIXES[Path(name).suffix] for name in names if Path(name).suffix in SUFFIXES]
    if not found:
        return f"{folder} is a folder in which no source is recognised"
    if found[0] == "python":
        scripts = [name for name in names if name.endswith(".py") and name != "__init__.py"]
        return f"{folder} is a folder: a Python source is one file, for example {(scripts or ['main.py'])[0]}"
    return _not_yet(LATER[found[0]], folder.name)


def _not_yet(language: str, name: str = "") -> str:
    what = f"{name} is {language}, which" if name else f"{language}"
    return f"{what} is not hosted by this version: it hosts Python and executables (any program, by `command`)"
