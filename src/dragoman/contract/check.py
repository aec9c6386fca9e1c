"""Values against JSON Schema 2020-12: built once per contract, then a yes or no in half a microsecond, or every breach.

The validator lists its errors eagerly, at microseconds and a copy each, so a large wrong value is first thinned out:
arrays and objects are cut, and whatever would be said about a cut one is left to the first error of the whole value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

import jsonschema_rs

from dragoman.contract.codecs import json
from dragoman.contract.codecs.typed import builtins
from dragoman.contract.function import ContractError
from dragoman.contract.malformed import Malformed
from dragoman.contract.nesting import DEPTH_MAX, is_deep, kind_of
from dragoman.contract.pointer import pointer
from dragoman.contract.unbounded import is_unbounded, stand_ins
from dragoman.core.fault import Breach

BREACHES_MAX = 100
"""Nobody reads more, and the answer must stay smaller than the question."""
MESSAGE_CHARACTERS_MAX = 300
"""A breach is one line."""
_NODES_MAX = 4_000
"""Values looked at for a full list: about 30 ms of errors at the worst."""
_BRANCH_DEPTH_MAX = 8

_DURATION = re.compile(
    r"[+-]?P(?:\d+(?:\.\d+)?W|(?=\d|T\d)(?:\d+Y)?(?:\d+M)?(?:\d+(?:\.\d+)?D)?"
    r"(?:T(?=\d)(?:\d+(?:\.\d+)?H)?(?:\d+(?:\.\d+)?M)?(?:\d+(?:\.\d+)?S)?)?)",
    re.ASCII,
)
_TIME = re.compile(
    r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?", re.ASCII
)


_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)


def _is_decimal(text: str) -> bool:
    return _DECIMAL.fullmatch(text) is not None


def _is_base64(text: str) -> bool:
    return len(text) % 4 == 0 and _BASE64.fullmatch(text) is not None


def _is_duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None


def _is_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None


_FORMATS = {"base64": _is_base64, "decimal": _is_decimal, "duration": _is_duration, "time": _is_time}
"""Durations and times wider than in RFC 3339, whose durations have no fractions and whose times must say their offset;
decimals, and bytes as text where a schema is `strict` about them, as every guest reads them."""

_FORMAT_HINTS = {
    "date-time": ": write it with its offset, as in 2026-01-31T12:00:00Z",
    "date": ": write it as in 2026-01-31",
    "time": ": write it as in 12:00:00",
    "duration": ": write it as in P1DT2H30M or PT0.5S",
    "decimal": ': write it as text, as in "12.50"',
}

_SIMPLE = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be greater than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must be at least {} characters long",
    "maxLength": "must be at most {} characters long",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} keys",
    "maxProperties": "must have at most {} keys",
    "pattern": "must match the pattern {}",
    "format": "is not a valid {}",
}


class Checker:
    """One schema, compiled. Patterns run on a linear-time engine, and references never leave the schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises `ContractError` for a schema that is none, refers outside itself or uses a look-around pattern."""
        if is_deep(schema):
            message = f"the schema nests more than {DEPTH_MAX} levels deep"
            raise ContractError(message)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema,
                validate_formats=True,
                formats=_FORMATS,
                offline=True,
                mask="the value",
                pattern_options=jsonschema_rs.RegexOptions(),
            )
        except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
            raise ContractError(_schema_message(error)) from error

    def valid(self, value: Any) -> bool:
        """Whether a value keeps to the schema. A value that JSON cannot hold does not."""
        return not is_deep(value) and self.fits(value)

    def fits(self, value: Any) -> bool:
        """The same for a value that a codec has just read: those do not nest too deep."""
        try:
            return self._validator.is_valid(value) or (
                is_unbounded(value) and all(map(self._validator.is_valid, stand_ins(value)))
            )
        except ValueError:
            pass
        try:
            return self._validator.is_valid(builtins(value))
        except ValueError:
            return False

    def breaches(self, value: Any) -> tuple[Breach, ...]:
        """Every place where a decoded value breaks the schema, at most `BREACHES_MAX`; none if it keeps to it."""
        if is_deep(value):
            return (Breach("", f"is nested more than {DEPTH_MAX} levels deep"),)
        try:
            if not is_unbounded(value):
                return self._breaches(value)
            found = [self._breaches(each) for each in stand_ins(value)]
            return next((breaches for breaches in found if breaches), ())
        except ValueError:
            pass
        try:
            return self._breaches(builtins(value))
        except Malformed as error:
            return (Breach(error.path, _cut(error.message)),)
        except ValueError as error:
            return (Breach("", _cut(f"cannot be checked: {error}")),)

    def _breaches(self, value: Any) -> tuple[Breach, ...]:
        if self._validator.is_valid(value):
            return ()
        found: dict[Breach, None] = {}
        thin = _Thinner()
        reduced = thin.cut(value, ())
        for error in self._validator.iter_errors(reduced):
            if tuple(error.instance_path) not in thin.untold:
                found.update(dict.fromkeys(_told(error, 0)))
            if len(found) >= BREACHES_MAX:
                break
        if not found:
            found.update(dict.fromkeys(_told(self._first(value), 0)))
        return tuple(found)[:BREACHES_MAX]

    def _first(self, value: Any) -> jsonschema_rs.ValidationError:
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return error
        raise AssertionError("is_valid and validate disagree")


class _Thinner:
    """A copy of a value with at most `_NODES_MAX` values in it.

    `untold` are the places whose own errors mean nothing, because something below them was cut.
    """

    def __init__(self) -> None:
        self._left = _NODES_MAX
        self.untold: set[tuple[str | int, ...]] = set()

    def cut(self, value: Any, path: tuple[str | int, ...]) -> Any:
        """Copy. One frame for each level, without comprehensions: the deepest value has to fit Python's stack."""
        kind = kind_of(value)
        if kind is list or kind is tuple:
            array: list[Any] = []
            for index, member in enumerate(value[: self._share(len(value), path)]):
                array.append(self.cut(member, (*path, index)))
            return array
        if kind is dict:
            table: dict[str, Any] = {}
            for key, member in islice(value.items(), self._share(len(value), path)):
                table[key] = self.cut(member, (*path, key))
            return table
        return value

    def _share(self, members: int, path: tuple[str | int, ...]) -> int:
        share = min(members, self._left)
        self._left -= share
        if share < members:
            self.untold.update(path[:length] for length in range(len(path) + 1))
        return share


def _told(error: Any, depth: int) -> Iterable[Breach]:
    """One error in our words; an unknown or missing key is named by its own path."""
    kind, path = error.kind, error.instance_path
    name, facts = kind.name, kind.as_dict()
    if name in {"additionalProperties", "unevaluatedProperties"}:
        for key in facts["unexpected"][:BREACHES_MAX]:
            yield Breach(pointer([*path, key]), "is not a key that is known here")
    elif name == "required":
        yield Breach(pointer([*path, facts["property"]]), "is required but missing")
    elif name == "propertyNames":
        key = facts["error"]
        yield Breach(
            pointer([*path, key.instance]), _cut(f"is a key that {_message(key.kind.name, key.kind.as_dict(), key)}")
        )
    elif name in {"anyOf", "oneOf"} and depth < _BRANCH_DEPTH_MAX:
        yield from _told_choice(error, depth)
    else:
        yield Breach(pointer(path), _cut(_message(name, facts, error)))


def _told_choice(error: Any, depth: int) -> Iterable[Breach]:
    """What is wrong in the one branch that the value was meant for, by its type or by its tag; else of the choice."""
    here, kind = error.instance_path, error.kind
    branches: list[list[Any]] = [branch for branch in getattr(kind, "context", []) if branch]
    fitting = [
        branch
        for branch in branches
        if not any(e.instance_path == here and e.kind.name in {"type", "const", "enum"} for e in branch)
    ]
    misfits = [tag for branch in fitting for e in branch if (tag := _tag(e, here))]
    meant = [branch for branch in fitting if not any(_tag(e, here) for e in branch)] if misfits else fitting
    if len(meant) == 1 or (len(fitting) == 1 and not meant):
        for inner in (meant or fitting)[0][:BREACHES_MAX]:
            yield from _told(inner, depth + 1)
    elif misfits and not meant and len({path for path, _ in misfits}) == 1:
        yield Breach(misfits[0][0], _cut(_one_of([value for _, value in misfits])))
    elif fitting:
        yield Breach(pointer(here), "fits none of the allowed shapes")
    else:
        yield Breach(pointer(here), _cut(_message(kind.name, kind.as_dict(), error)))


def _tag(error: Any, here: list[Any]) -> tuple[str, Any] | None:
    """The place and the wanted value where an error says that a member right below is not the one value it may be."""
    path, facts = error.instance_path, error.kind.as_dict()
    values = [facts["expected_value"]] if "expected_value" in facts else facts.get("options", [])
    return (pointer(path), values[0]) if len(path) == len(here) + 1 and len(values) == 1 else None


def _message(name: str, facts: dict[str, Any], error: Any) -> str:
    if name == "type":
        return f"must be {_either(facts.get('types', []))}"
    if name in {"anyOf", "oneOf"}:
        types = [
            kind
            for branch in getattr(error.kind, "context", [])
            for e in branch[:1]
            for kind in e.kind.as_dict().get("types", [])
        ]
        return f"fits none of the allowed shapes{': must be ' + _either(types) if types else ''}"
    if name in {"enum", "const"}:
        return _one_of(facts["options"] if name == "enum" else [facts["expected_value"]])
    if name in _SIMPLE and len(values := [fact for fact in facts.values() if not isinstance(fact, (dict, list))]) == 1:
        return _SIMPLE[name].format(values[0]) + (_FORMAT_HINTS.get(str(values[0]), "") if name == "format" else "")
    return str(error.message)


def _one_of(values: list[Any]) -> str:
    shown = ", ".join(json.encode(value).decode() for value in values[:BREACHES_MAX])
    return f"must be {'one of ' if len(values) > 1 else ''}{shown}"


def _either(names: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names)).replace(
        "a null", "null"
    )


def _cut(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= MESSAGE_CHARACTERS_MAX else f"{line[: MESSAGE_CHARACTERS_MAX - 1]}…"


def _schema_message(error: Exception) -> str:
    path = pointer(getattr(error, "instance_path", None) or [])
    message = _cut(str(getattr(error, "message", "") or error))
    hint = ""
    if "regex" in message:
        hint = "; patterns may not look around or refer back: they must run in linear time"
    elif "Retrieval" in message or "retrieving" in message:
        hint = "; a schema may refer only to its own parts, such as '#/$defs/Name'"
    return f"not a usable JSON Schema{' at ' + path if path else ''}: {message}{hint}"
