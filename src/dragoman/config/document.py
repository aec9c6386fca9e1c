"""One project file while it is being read: its tables, and the problems found so far with their places."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dragoman.config.kinds import Flag, wrong
from dragoman.config.positions import Path as KeyPath
from dragoman.config.positions import Positions
from dragoman.config.problem import ConfigError, Problem, Refused, did_you_mean
from dragoman.config.setting import shorthands

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.config.setting import Setting

FILE_BYTES_MAX = 1024 * 1024
"""Thousands of sources fit; anything larger is not a project file."""

PROBLEMS_MAX = 1000
"""Here reading stops: nobody mends more at a time, and each costs a search for the nearest known key."""

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
KEY_CHARS_MAX = 200
PLACE = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)


class Value(NamedTuple):
    """A setting's value and the key it was written under, which may be another table's."""

    value: Any
    path: KeyPath


Values = dict[str, Value]


@dataclass(frozen=True)
class Document:
    """A parsed file; `refuse` notes a problem, `finish` raises them all."""

    file: Path
    text: str
    tables: Mapping[str, Any]
    problems: list[Problem]

    @classmethod
    def parse(cls, file: Path, content: bytes) -> Document:
        """Parse a file's content. Raises `ConfigError` where it is not TOML."""
        if len(content) > FILE_BYTES_MAX:
            raise ConfigError.of(file, f"holds {len(content)} bytes; a project file holds at most {FILE_BYTES_MAX}")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ConfigError([Problem(str(file), line, "", "is not UTF-8, as TOML has to be")]) from None
        try:
            tables = tomllib.loads(text)
        except RecursionError:
            raise ConfigError.of(file, "is nested too deep to be read") from None
        except ValueError as error:
            raise ConfigError([_syntax_problem(file, text, str(error))]) from None
        return cls(file, text, tables, [])

    @cached_property
    def positions(self) -> Positions:
        """Where the keys are; worked out for the first problem only."""
        return Positions(self.text)

    def place(self, path: KeyPath) -> str:
        """A key and its line, as a message about another key mentions it."""
        return f"{dotted(path)} (line {self.positions.line(path)})"

    def refuse(self, path: KeyPath, message: str) -> None:
        """Note a problem with the value of a key. Raises `ConfigError` where that is one too many."""
        self.note(Problem(str(self.file), self.positions.line(path), dotted(path), message))

    def note(self, problem: Problem) -> None:
        """Note a problem. Raises `ConfigError` where that is one too many."""
        self.problems.append(problem)
        if len(self.problems) >= PROBLEMS_MAX:
            self.finish()

    def finish(self) -> None:
        """Raise `ConfigError` where anything was refused."""
        if self.problems:
            raise ConfigError(self.problems)

    def table(self, path: KeyPath) -> dict[str, Any]:
        """The table at a path; empty where there is none, or where something else stands there, which is refused."""
        value: Any = self.tables
        for key in path:
            value = value[key] if isinstance(key, int) else value.get(key, {})
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        self.refuse(path, wrong("a table", value).message)
        return {}

    def read(self, path: KeyPath, settings: Iterable[Setting]) -> Values:
        """Read a table's settings by their dotted keys; whatever is refused is noted and left out."""
        known = {setting.key: setting for setting in settings}
        values: Values = {}
        for name, key_path, value in self._flat(path, known):
            if name not in known:
                self._refuse_unknown(key_path, known)
                continue
            try:
                values[name] = Value(known[name].kind.read(value), key_path)
            except Refused as refusal:
                self.refuse((*key_path, *refusal.below), refusal.message)
        return values

    def _flat(self, path: KeyPath, known: Mapping[str, Setting]) -> list[tuple[str, KeyPath, Any]]:
        groups = {key.partition(".")[0] for key in known if "." in key}
        flat: list[tuple[str, KeyPath, Any]] = []
        for name, value in self.table(path).items():
            here = (*path, name)
            if name not in groups:
                flat.append(("\0" if "." in name else name, here, value))
            elif isinstance(value, dict):
                inner = cast("dict[str, Any]", value)
                flat += [(f"{name}.{key}", (*here, key), item) for key, item in inner.items()]
            elif meant := _meant(known.values(), name, value):
                flat += [(key, here, value) for key in meant]
            else:
                self.refuse(here, wrong("a table", value).message)
        return flat

    def _refuse_unknown(self, path: KeyPath, known: Iterable[str]) -> None:
        *above, name = path
        group = f"{above[-1]}." if above else ""
        beside = [key.removeprefix(group) for key in known if key.startswith(group)]
        if not group or not beside:
            beside = list(dict.fromkeys(key.partition(".")[0] for key in known))
        self.refuse(path, f"unknown key{did_you_mean(str(name), beside)}")


def _meant(known: Iterable[Setting], group: str, value: object) -> list[str]:
    """The keys that a value in place of their table stands for: `workers = 4`, `cache = false`."""
    short = shorthands(known, group)
    flags = [setting.key for setting in short if isinstance(setting.kind, Flag)]
    others = [setting.key for setting in short if setting.key not in flags]
    return flags if (flags and isinstance(value, bool)) or not others else others


def dotted(path: KeyPath) -> str:
    """A path as TOML writes it: quoted where it must be, array elements in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        short = part if len(part) <= KEY_CHARS_MAX else part[:KEY_CHARS_MAX] + "…"
        key = short if BARE_KEY.fullmatch(short) else json.dumps(short, ensure_ascii=False)
        text += f".{key}" if text else key
    return text


def _syntax_problem(file: Path, text: str, message: str) -> Problem:
    match = PLACE.fullmatch(message)
    if match is None:
        return Problem(str(file), 0, "", f"is not TOML: {message}")
    if match["line"] is None:
        last = text.split("\n")
        return Problem(str(file), len(last), "", f"is not TOML: {match['what']}", len(last[-1]) + 1)
    return Problem(str(file), int(match["line"]), "", f"is not TOML: {match['what']}", int(match["column"]))
