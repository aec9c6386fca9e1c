"""Where each key of a TOML text stands, since the standard parser does not say.

The text has already been parsed by `tomllib` when a line is asked for, so this scanner only has to follow the shape:
it reads tokens, keeps a path, and never raises; a key that it cannot find is given the line of its nearest parent.
"""

from __future__ import annotations

import re
import tomllib
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

DEPTH_MAX = 64
"""Deeper values keep the line of their parent; no setting is nested a tenth as deep."""

TOKEN = re.compile(
    r"""
    (?P<skip>[ \t\r]+|\#[^\n]*)
  | (?P<newline>\n)
  | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
  | (?P<mark>[\[\]{}=,.])
  | (?P<bare>[^\s\[\]{}=,.#"']+)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

END = ("end", "", 0)


class Positions:
    """The line of each key, by its path; array elements are counted from 0."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._elements: dict[Path, int] = {}
        self._tokens = _tokens(text)
        self._at = 0
        self._document()

    def line(self, path: Path) -> int:
        """The line of a key, or of the nearest thing around it that has one; 0 where nothing has."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return 0

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _next(self) -> tuple[str, str, int]:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, mark: str) -> bool:
        found = self._peek()[:2] == ("mark", mark)
        self._at += found
        return found

    def _document(self) -> None:
        table: Path = ()
        while (token := self._peek()) != END:
            if token[1] == "[":
                table = self._header()
            elif token[0] != "newline":
                self._pair(table, 0)
            self._skip_to_newline()
            self._next()

    def _header(self) -> Path:
        line = self._next()[2]
        many = self._take("[")
        path = self._resolved(self._key())
        if many:
            count = self._elements[path] = self._elements.get(path, -1) + 1
            self._lines.setdefault(path, line)
            path = (*path, count)
        self._note((), path, line)
        return path

    def _resolved(self, key: list[str]) -> Path:
        path: Path = ()
        for part in key[:-1]:
            path = (*path, part)
            if path in self._elements:
                path = (*path, self._elements[path])
        return (*path, *key[-1:])

    def _pair(self, table: Path, depth: int) -> None:
        line = self._peek()[2]
        start = self._at
        path = (*table, *self._key())
        self._note(table, path, line)
        if self._take("="):
            self._value(path, depth)
        elif self._at == start:
            self._next()

    def _note(self, table: Path, path: Path, line: int) -> None:
        for length in range(len(table) + 1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while self._peek()[0] in {"bare", "string"}:
            kind, text, _ = self._next()
            parts.append(_unquoted(text) if kind == "string" else text)
            if not self._take("."):
                break
        return parts

    def _value(self, path: Path, depth: int) -> None:
        if depth < DEPTH_MAX and self._take("["):
            self._array(path, depth + 1)
        elif depth < DEPTH_MAX and self._take("{"):
            self._inline_table(path, depth + 1)
        else:
            self._skip_value()

    def _array(self, path: Path, depth: int) -> None:
        index = 0
        while (token := self._peek()) != END and not self._take("]"):
            if token[0] == "newline":
                self._next()
            elif self._take(","):
                index += 1
            else:
                self._lines.setdefault((*path, index), token[2])
                start = self._at
                self._value((*path, index), depth)
                if self._at == start:  # a brace that closes nothing
                    self._next()

    def _inline_table(self, path: Path, depth: int) -> None:
        while (token := self._peek()) != END and not self._take("}"):
            if token[0] in {"bare", "string"}:
                self._pair(path, depth)
            else:
                self._next()

    def _skip_value(self) -> None:
        """Pass over a scalar, which may be several tokens (`1.5`, a date and a time), or what is nested too deep."""
        inside = 0
        while (token := self._peek()) != END:
            kind, text, _ = token
            if inside == 0 and (kind == "newline" or text in {",", "]", "}"}) and kind != "string":
                return
            if kind == "mark":
                inside += (text in {"[", "{"}) - (text in {"]", "}"})
            self._next()

    def _skip_to_newline(self) -> None:
        while (token := self._peek()) != END and token[0] != "newline":
            self._next()


def _tokens(text: str) -> list[tuple[str, str, int]]:
    tokens: list[tuple[str, str, int]] = []
    line = 1
    for match in TOKEN.finditer(text):
        kind, value = match.lastgroup or "other", match.group()
        if kind != "skip":
            tokens.append((kind, value, line))
        line += value.count("\n")
    return tokens


def _unquoted(text: str) -> str:
    try:
        return next(iter(tomllib.loads(f"{text} = 0")))
    except (tomllib.TOMLDecodeError, RecursionError, StopIteration):
        return text
