"""The argument list of a program, with `{name}` where a value of the input goes. Never a shell, so nothing to escape.

    ["grep", "--max-count={max}", "--", "{pattern}", "{files}"]

- A string goes in as it is; numbers, booleans and objects as JSON; `{{` and `}}` stand for braces.
- A value that is null or missing takes its whole argument with it: `--max-count={max}` is then not there at all.
- An array makes one argument of each of its members where the argument is nothing but `{name}`; elsewhere it is JSON.
- No value becomes an option: an argument that a value makes begin with `-` is refused, unless a literal `--` stands
  before it, or the placeholder is `{args}`, by which a template says that the caller may write arguments of its own.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from dragoman.core.fault import Breach, InvalidArgument, Started

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)

ARGUMENT_BYTES_MAX = 128 * 1024 - 1
"""MAX_ARG_STRLEN of Linux, less the closing NUL: `execve` refuses a longer argument."""

ARGUMENTS_MAX = 10_000
"""Well inside what `execve` takes (2 MB with the pointers), and more than a program should be told in this way."""

FREE = "args"
"""The placeholder whose values may be options."""


class Template:
    """The arguments after the program itself."""

    def __init__(self, arguments: Sequence[str], defaults: Mapping[str, Any]) -> None:
        """`defaults` stand in for values that are missing; null ones stay null."""
        self._defaults = dict(defaults)
        self._parts: list[tuple[list[str], bool]] = []
        ended = False
        for argument in arguments:
            self._parts.append((_split(argument), ended))
            ended = ended or argument == "--"
        self._constant = [_literal(parts) for parts, _ in self._parts]
        self._is_constant = None not in self._constant

    def fill(self, values: Mapping[str, Any]) -> list[bytes]:
        """The arguments for one call, encoded. Raises `InvalidArgument` (not started) that names the property."""
        if self._is_constant:
            return [constant for constant in self._constant if constant is not None]
        values = {**self._defaults, **values}
        filled: list[bytes] = []
        for (parts, ended), constant in zip(self._parts, self._constant, strict=True):
            if constant is not None:
                filled.append(constant)
            else:
                self._fill_one(filled, parts, values, ended=ended)
        if len(filled) > ARGUMENTS_MAX:
            detail = f"the input makes {len(filled)} arguments; at most {ARGUMENTS_MAX} can be given"
            raise InvalidArgument(detail, started=Started.NO)
        return filled

    def _fill_one(self, filled: list[bytes], parts: list[str], values: Mapping[str, Any], *, ended: bool) -> None:
        names = parts[1::2]
        if any(values.get(name) is None for name in names):
            return
        if len(names) == 1 and not parts[0] and not parts[2] and isinstance(values[names[0]], list):
            name = names[0]
            for at, member in enumerate(values[name]):
                if member is not None:
                    filled.append(_encode(_text(member), f"/{name}/{at}", free=ended or name == FREE))
            return
        text = "".join(_text(values[part]) if at % 2 else part for at, part in enumerate(parts))
        filled.append(_encode(text, f"/{names[0]}", free=ended or parts[0].startswith("-") or names[0] == FREE))


def _split(argument: str) -> list[str]:
    """Literals and names in turns: a literal (perhaps empty) first and last."""
    parts = [""]
    at = 0
    for found in PLACEHOLDER.finditer(argument):
        parts[-1] += argument[at : found.start()]
        at = found.end()
        if found[1]:
            parts += [found[1], ""]
        else:
            parts[-1] += found[0][0]
    parts[-1] += argument[at:]
    return parts


def _literal(parts: list[str]) -> bytes | None:
    return parts[0].encode("utf-8", "surrogateescape") if len(parts) == 1 else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encode(text: str, path: str, *, free: bool) -> bytes:
    problem = ""
    if text.startswith("-") and not free:
        problem = "begins with '-', and the program would take it for an option"
    elif "\0" in text:
        problem = "holds a NUL character, which no argument of a program can"
    else:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            problem = "holds half of a surrogate pair, which is no character"
        else:
            if len(data) <= ARGUMENT_BYTES_MAX:
                return data
            problem = f"is {len(data)} bytes long; an argument of a program has at most {ARGUMENT_BYTES_MAX}"
    raise InvalidArgument(f"{path} {problem}", started=Started.NO, errors=(Breach(path, problem),))
