"""Docstrings in the Google, NumPy and Sphinx styles: the description, and what is said about each parameter."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from inspect import cleandoc

DOCSTRING_CHARACTERS_MAX = 16_000
"""A docstring past this is a manual, not a description; the rest is left out."""

_PARAMETERS = {"args", "arguments", "parameters", "params", "attributes", "keyword args", "other parameters"}
_SECTIONS = _PARAMETERS | {
    *("returns", "return", "yields", "yield", "raises", "raise", "example", "examples", "note", "notes", "see also"),
    *("warning", "warnings", "references", "todo", "warns"),
}
_NAME = r"\*{0,2}([A-Za-z_]\w*)"
_GOOGLE_ITEM = re.compile(rf"{_NAME}\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY_ITEM = re.compile(rf"{_NAME}(?:\s*,\s*{_NAME})*\s*(?::.*)?$")
_SPHINX_FIELD = re.compile(r":(\w+)(?:\s+([^:]*?))?\s*:(?:\s+(.*)|$)")
_RESULTS = {"returns", "return", "yields", "yield"}


@dataclass(slots=True)
class Documented:
    """What a docstring says: the text before its sections, its parameters by name, and its result."""

    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict[str, str])
    result: str = ""


def parse(docstring: str | None) -> Documented:
    """Read a docstring of any of the three styles; whatever cannot be understood stays in the description."""
    if not isinstance(docstring, str) or not docstring:
        return Documented()
    lines = cleandoc(docstring[:DOCSTRING_CHARACTERS_MAX]).splitlines()
    documented = Documented()
    head: list[str] = []
    at = 0
    while at < len(lines):
        title, body_at, numpy = _section(lines, at)
        if title:
            end = _section_end(lines, body_at, indented=not numpy)
            _read_section(documented, title, lines[body_at:end], numpy=numpy)
            at = end
        elif match := _SPHINX_FIELD.match(lines[at]):
            end = _indented_end(lines, at + 1)
            _read_field(documented, match, lines[at + 1 : end])
            at = end
        else:
            if not documented.parameters and not documented.result:
                head.append(lines[at])
            at += 1
    documented.description = "\n".join(head).strip()
    return documented


def _section(lines: list[str], at: int) -> tuple[str, int, bool]:
    """The title of a section that starts at a line ("" for none), where its body starts, and whether it is NumPy's."""
    line = lines[at].strip()
    if lines[at].startswith(" ") or line.rstrip(":").lower() not in _SECTIONS:
        return "", at, False
    following = lines[at + 1].strip() if at + 1 < len(lines) else ""
    if following and set(following) <= {"-"}:
        return line.rstrip(":").lower(), at + 2, True
    return (line[:-1].lower(), at + 1, False) if line.endswith(":") else ("", at, False)


def _section_end(lines: list[str], at: int, *, indented: bool) -> int:
    if indented:
        return _indented_end(lines, at)
    while at < len(lines) and not _section(lines, at)[0]:
        at += 1
    return at


def _indented_end(lines: list[str], at: int) -> int:
    """The line after a block of indented and blank ones; trailing blank lines are not part of it."""
    end = at
    while at < len(lines) and (not lines[at].strip() or lines[at].startswith(" ")):
        at += 1
        if lines[at - 1].strip():
            end = at
    return end


def _read_section(documented: Documented, title: str, body: list[str], *, numpy: bool) -> None:
    if title in _PARAMETERS:
        documented.parameters.update(_items(cleandoc("\n".join(["", *body])).splitlines(), numpy=numpy))
    elif title in _RESULTS:
        text = [line for line in body if line.strip()]
        if numpy and len(text) > 1:
            text = text[1:]
        documented.result = _flat(text)


def _items(lines: list[str], *, numpy: bool) -> dict[str, str]:
    items: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line.startswith(" ") or not line.strip():
            current.append(line)
            continue
        current = []
        if numpy and _NUMPY_ITEM.match(line):
            for name in line.split(":")[0].split(","):
                items[name.strip().lstrip("*")] = current
        elif match := _GOOGLE_ITEM.match(line):
            current.append(match[2])
            items[match[1]] = current
    return {name: _flat(text) for name, text in items.items()}


def _read_field(documented: Documented, match: re.Match[str], more: list[str]) -> None:
    text = _flat([match[3] or "", *more])
    subject = (match[2] or "").split()
    if match[1] in {"param", "parameter", "arg", "argument", "key", "keyword"} and subject:
        documented.parameters[subject[-1].lstrip("*")] = text
    elif match[1] in {"return", "returns", "yield", "yields"}:
        documented.result = text


def _flat(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
