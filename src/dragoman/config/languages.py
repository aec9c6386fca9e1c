"""Which language a source is written in, by its name or by what its folder holds.

Languages that Dragoman knows but this version has no runtime for are recognised, so that a package of one is not told
that it is a broken script.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dragoman.config.kinds import SHOWN_CHARS_MAX, Schema, wrong
from dragoman.config.problem import Refused, did_you_mean
from dragoman.workers.runtimes.languages import RUNTIMES

EXEC, WIRE = "exec", "wire"
HOSTED = (*RUNTIMES, EXEC)
MODES = ("warm", "fork", "exec", "inline")

NAMES = {
    "python": "Python",
    "go": "Go",
    "node": "JavaScript",
    "typescript": "TypeScript",
    "rust": "Rust",
    "java": "Java",
    "wire": "a program that speaks the wire",
    "exec": "executables (any program, by `command`)",
}
"""What people call them."""

ALIASES = {"javascript": "node", "golang": "go", "ts": "typescript", "js": "node"}

SUFFIXES = {
    ".py": "python",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
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
        if value not in HOSTED and value in NAMES:
            raise Refused(_not_yet(value))
        if value not in HOSTED:
            near = f"; did you mean {ALIASES[value]!r}?" if value in ALIASES else did_you_mean(value, HOSTED)
            raise Refused(f"unknown language {value[:SHOWN_CHARS_MAX]!r}{near}")
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


def recognise(path: Path, declared: str = "") -> str:
    """The language of a source that exists, one of `HOSTED`.

    Args:
        path: The file, or the folder of a package or project, absolute.
        declared: What its `language` setting says, if anything.

    Raises:
        Refused: Nothing is there, or nothing that this version can run.
    """
    if not os.path.exists(path):  # noqa: PTH110 - answers False, not an error, for names that no file can have
        message = f"no such file: {path}"
        raise Refused(message)
    if path.is_dir():
        return _folder(path, declared)
    language = declared or SUFFIXES.get(path.suffix, EXEC)
    if language not in HOSTED:
        raise Refused(_not_yet(language, path.name))
    if not path.is_file():
        message = f"{path} is not a file"
        raise Refused(message)
    if language in {EXEC, WIRE}:
        check_executable(path)
        return language
    suffixes = [suffix for suffix, known in SUFFIXES.items() if known == language]
    if path.suffix not in suffixes and language == "python":
        message = f"{path} cannot be imported: a Python source is a file that ends in .py, or a package"
        raise Refused(message)
    if path.suffix not in suffixes and {language, SUFFIXES.get(path.suffix)} != {"node", "typescript"}:
        message = f"{path} cannot be {NAMES[language]}: such a file ends in {' or '.join(suffixes)}"
        raise Refused(message)
    if not os.access(path, os.R_OK):
        message = f"{path} cannot be read"
        raise Refused(message)
    return language


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


def _folder(folder: Path, declared: str) -> str:
    """The language of a folder: as declared, by a file that marks its kind of project, or by the sources it holds."""
    try:
        names = sorted(entry.name for entry in islice(folder.iterdir(), ENTRIES_MAX))
    except OSError as error:
        message = f"{folder} cannot be listed: {error.strerror}"
        raise Refused(message) from None
    marked = [language for name, language in MARKERS.items() if name in names]
    package = os.path.isfile(folder / "__init__.py")  # noqa: PTH113 - answers False where the folder may not be searched
    language = declared or ("python" if package else next(iter(marked), "") or _held(folder, names))
    if language in {EXEC, WIRE}:
        message = f"{folder} is a folder, and no program"
        raise Refused(message)
    if language not in HOSTED:
        raise Refused(_not_yet(language, folder.name))
    if language == "python":
        _check_package(folder, names, package=package)
    return language


def _check_package(folder: Path, names: list[str], *, package: bool) -> None:
    if not package:
        script = next((name for name in names if name.endswith(".py")), "one.py")
        raise Refused(f"{folder} is no Python package: name one file, such as {script}, or add an __init__.py")
    if not folder.name.isidentifier():
        message = f"{folder} cannot be imported: a package's name is letters, digits and underscores"
        raise Refused(message)


def _held(folder: Path, names: list[str]) -> str:
    """The language of the sources in a folder that nothing marks. Raises `Refused` where there are none."""
    found = [SUFFIXES[Path(name).suffix] for name in names if Path(name).suffix in SUFFIXES]
    if not found:
        raise Refused(f"{folder} is a folder in which no source is recognised")
    return found[0]


def _not_yet(language: str, name: str = "") -> str:
    what = f"{name} is {NAMES[language]}, which" if name else NAMES[language]
    return f"{what} is not hosted by this version: it hosts {', '.join(NAMES[each] for each in HOSTED)}"
