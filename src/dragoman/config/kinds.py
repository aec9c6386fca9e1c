"""The kinds of value that a setting may have: how each is read, strictly, and how an editor's schema describes it.

Nothing is coerced: `"4"` is not 4, 1 is not true. A kind answers with the value as the rest of the program wants it
(seconds, bytes), or raises `Refused` with what was expected and what was found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from dragoman.config.problem import Refused
from dragoman.core import units

TEXT_CHARS_MAX = 4096
"""PATH_MAX on Linux; no name, path or argument that makes sense is longer."""

ITEMS_MAX = 1000
"""Arguments of one command; the kernel's own bound for all of them together is of the same order."""

VARIABLE_BYTES_MAX = 128 * 1024 - 1
"""MAX_ARG_STRLEN: `execve` refuses a longer `NAME=value`."""

SHOWN_CHARS_MAX = 80
"""A line's worth of a value in a message."""

REQUIREMENT = re.compile(r"[A-Za-z0-9][^\x00-\x1f]*")
"""Begins with a package's name: an option, or a path whose content nobody would watch, begins otherwise."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

Schema = dict[str, Any]


class Kind(Protocol):
    """How one setting's value is read."""

    def read(self, value: object) -> Any:
        """The value in the program's own terms. Raises `Refused`."""
        ...

    def schema(self) -> Schema:
        """JSON Schema of what may stand in the file."""
        ...

    def words(self) -> str:
        """What may stand there, as the reference page says it."""
        ...


def shown(value: object) -> str:
    """A value as a message names it: its TOML type and, where it is short, itself."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f"the string {value[:SHOWN_CHARS_MAX]!r}{'…' if len(value) > SHOWN_CHARS_MAX else ''}"
    if isinstance(value, int):
        return f"the integer {value}" if abs(value) < 1 << 64 else "an integer of more than 64 bits"
    names = {"list": "an array", "dict": "a table", "float": f"the number {value}", "NoneType": "nothing"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")


def wrong(expected: str, value: object, below: tuple[str | int, ...] = ()) -> Refused:
    """The refusal of a value that is of another type than the setting."""
    return Refused(f"expected {expected}, found {shown(value)}", below)


@dataclass(frozen=True)
class Text:
    """A string without control characters, by a pattern or out of a closed set where one is given."""

    expected: str = "a string"
    pattern: str = ""
    choices: tuple[str, ...] = ()
    lines: bool = False

    def read(self, value: object) -> str:
        """The string itself."""
        if self.choices and value not in self.choices:
            raise wrong(" or ".join(f'"{choice}"' for choice in self.choices), value)
        if not isinstance(value, str):
            raise wrong(self.expected, value)
        if not value or len(value) > TEXT_CHARS_MAX:
            msg = f"expected {self.expected} of 1 to {TEXT_CHARS_MAX} characters, found {len(value)} characters"
            raise Refused(msg)
        if any(ord(char) < 0x20 and not (self.lines and char in "\n\t") for char in value):  # noqa: PLR2004 - C0 controls
            msg = f"expected {self.expected}, found control characters in {shown(value)}"
            raise Refused(msg)
        if self.pattern and re.fullmatch(self.pattern, value, re.ASCII) is None:
            msg = f"expected {self.expected}, found {shown(value)}"
            raise Refused(msg)
        return value

    def schema(self) -> Schema:
        """A string, an enumeration or a pattern."""
        if self.choices:
            return {"type": "string", "enum": list(self.choices)}
        bounds: Schema = {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX}
        return bounds | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})

    def words(self) -> str:
        """For the reference page."""
        return ", ".join(f'`"{choice}"`' for choice in self.choices) or self.expected


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int

    def read(self, value: object) -> int:
        """The number itself."""
        expected = f"a whole number from {self.least} to {self.most}"
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise wrong(expected, value)
        return value

    def schema(self) -> Schema:
        """An integer with its bounds."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def words(self) -> str:
        """For the reference page."""
        return f"{self.least} to {self.most}"


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, value: object) -> bool:
        """The boolean itself."""
        if not isinstance(value, bool):
            raise wrong("true or false", value)
        return value

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}

    def words(self) -> str:
        """For the reference page."""
        return "`true`, `false`"


@dataclass(frozen=True)
class Duration:
    """Seconds, written with a unit; `off` lets zero switch the setting off."""

    least: str
    most: str
    off: bool = False

    def read(self, value: object) -> float:
        """Seconds."""
        if not isinstance(value, str):
            raise wrong(units.DURATION_EXPECTED, value)
        try:
            seconds = units.duration(value)
        except ValueError as error:
            raise Refused(str(error)) from None
        if self.off and seconds == 0:
            return seconds
        if not units.duration(self.least) <= seconds <= units.duration(self.most):
            off = " (or 0s for none)" if self.off else ""
            msg = f"expected a duration from {self.least} to {self.most}{off}, found {shown(value)}"
            raise Refused(msg)
        return seconds

    def schema(self) -> Schema:
        """A string by the pattern of durations."""
        return {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$"}

    def words(self) -> str:
        """For the reference page."""
        return f"duration, {'`0s` or ' if self.off else ''}{self.least} to {self.most}"


@dataclass(frozen=True)
class Size:
    """Bytes, written with a unit or plain; `off` lets zero switch the setting off."""

    least: int
    most: int
    off: bool = False

    def read(self, value: object) -> int:
        """Bytes."""
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise wrong(units.SIZE_EXPECTED, value)
        try:
            count = units.size(value)
        except ValueError as error:
            raise Refused(str(error)) from None
        if self.off and count == 0:
            return count
        if not self.least <= count <= self.most:
            off = " (or 0 for none)" if self.off else ""
            bounds = f"{units.format_size(self.least)} to {units.format_size(self.most)}{off}"
            msg = f"expected a size from {bounds}, found {shown(value)}"
            raise Refused(msg)
        return count

    def schema(self) -> Schema:
        """A string by the pattern of sizes, or a whole number."""
        text = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(B|KB|MB|GB|TB)$"}
        return {"anyOf": [text, {"type": "integer", "minimum": 0 if self.off else self.least, "maximum": self.most}]}

    def words(self) -> str:
        """For the reference page."""
        return f"size, {'0 or ' if self.off else ''}{units.format_size(self.least)} to {units.format_size(self.most)}"


@dataclass(frozen=True)
class Arguments:
    """A program and its arguments; each one a string of its own, since no shell ever splits them."""

    def read(self, value: object) -> tuple[str, ...]:
        """The argument list."""
        if isinstance(value, str):
            expected = 'an argument list such as ["./thumb.sh", "{width}"] (no shell splits it)'
            raise wrong(expected, value)
        items = cast("list[object]", value)
        if not isinstance(value, list) or not items:
            raise wrong("an argument list of at least the program", items)
        if len(items) > ITEMS_MAX:
            msg = f"expected at most {ITEMS_MAX} arguments, found {len(items)}"
            raise Refused(msg)
        return tuple(self._argument(item, index) for index, item in enumerate(items))

    def _argument(self, item: object, index: int) -> str:
        if not isinstance(item, str):
            raise wrong("a string", item, (index,))
        if "\0" in item or len(item) > VARIABLE_BYTES_MAX or (index == 0 and not item):
            raise Refused(
                "an argument holds no NUL and fewer than 128K characters, and the program has a name", (index,)
            )
        return item

    def schema(self) -> Schema:
        """An array of strings."""
        return {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": ITEMS_MAX}

    def words(self) -> str:
        """For the reference page."""
        return "array of strings"


@dataclass(frozen=True)
class Requirements:
    """What a Python source needs installed: requirements one by one, or the name of a file that lists them."""

    def read(self, value: object) -> tuple[str, ...] | str:
        """The requirements, or the file's name."""
        if isinstance(value, str):
            if not value.endswith((".txt", ".in", "pyproject.toml")) or len(value) > TEXT_CHARS_MAX or "\0" in value:
                raise wrong('requirements, or a file such as "requirements.txt" or "pyproject.toml"', value)
            return value
        if not isinstance(value, list):
            raise wrong('an array of requirements such as "pandas>=2", or the name of a file', value)
        items = cast("list[object]", value)
        if len(items) > ITEMS_MAX:
            raise Refused(f"expected at most {ITEMS_MAX} requirements, found {len(items)}")
        return tuple(self._requirement(item, index) for index, item in enumerate(items))

    def _requirement(self, item: object, index: int) -> str:
        if not isinstance(item, str) or REQUIREMENT.fullmatch(item) is None or len(item) > TEXT_CHARS_MAX:
            raise wrong('a requirement such as "pandas>=2" or "name @ https://…"', item, (index,))
        return item

    def schema(self) -> Schema:
        """An array of strings, or a file's name."""
        one: Schema = {"type": "string", "pattern": "^[A-Za-z0-9]", "maxLength": TEXT_CHARS_MAX}
        file = {"type": "string", "pattern": r"\.txt$|\.in$|pyproject\.toml$"}
        return {"anyOf": [file, {"type": "array", "items": one, "maxItems": ITEMS_MAX}]}

    def words(self) -> str:
        """For the reference page."""
        return "array of requirements, or a file that lists them"


@dataclass(frozen=True)
class Names:
    """A list of strings, each of one kind."""

    each: Text

    def read(self, value: object) -> tuple[str, ...]:
        """The strings, in order."""
        if not isinstance(value, list):
            raise wrong(f"a list, each {self.each.expected}", value)
        items = cast("list[object]", value)
        if len(items) > ITEMS_MAX:
            msg = f"expected at most {ITEMS_MAX} of them, found {len(items)}"
            raise Refused(msg)
        return tuple(self._item(item, index) for index, item in enumerate(items))

    def _item(self, item: object, index: int) -> str:
        try:
            return self.each.read(item)
        except Refused as refusal:
            raise Refused(refusal.message, (index,)) from None

    def schema(self) -> Schema:
        """An array of such strings."""
        return {"type": "array", "items": self.each.schema(), "maxItems": ITEMS_MAX}

    def words(self) -> str:
        """For the reference page."""
        return f"list, each {self.each.words()}"


@dataclass(frozen=True)
class Variables:
    """Environment variables: a table of strings, whole numbers and booleans."""

    def read(self, value: object) -> Mapping[str, str]:
        """Each variable as the string that a process sees; booleans become `true` and `false`."""
        if not isinstance(value, dict):
            raise wrong("a table of environment variables", value)
        items = cast("dict[str, object]", value)
        return {name: self._variable(name, item) for name, item in items.items()}

    def _variable(self, name: str, value: object) -> str:
        if VARIABLE.fullmatch(name) is None:
            raise Refused("a variable's name is letters, digits and underscores, and starts with no digit", (name,))
        if name.startswith("DRAGOMAN_"):
            raise Refused("names that begin with DRAGOMAN_ belong to the host; choose another", (name,))
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, (str, int)) or (isinstance(value, int) and abs(value) >= 1 << 64):
            raise wrong("a string, a 64-bit integer or a boolean", value, (name,))
        text = str(value)
        if "\0" in text or len(name) + 1 + len(text.encode()) > VARIABLE_BYTES_MAX:
            raise Refused("a variable holds no NUL and at most 128KB together with its name", (name,))
        return text

    def schema(self) -> Schema:
        """An object of scalars."""
        return {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": {"pattern": "^DRAGOMAN_"}},
            "additionalProperties": {"type": ["string", "integer", "boolean"]},
        }

    def words(self) -> str:
        """For the reference page."""
        return "table of strings, integers and booleans"
