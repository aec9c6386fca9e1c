"""The kinds of value that layers have beside those of every setting: rates, shares, codes of faults, and any value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from dragoman.config.declared import check_plain
from dragoman.config.kinds import Schema, shown, wrong
from dragoman.config.problem import Refused, did_you_mean
from dragoman.core import units
from dragoman.core.fault import Code

VALUE_BYTES_MAX = 64 * 1024
"""An answer in a project file; a larger one is a function's to give."""


@dataclass(frozen=True)
class Number:
    """A number within bounds, whole or not."""

    least: float
    most: float
    what: str = "a number"

    def read(self, value: object) -> float:
        """The number itself."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not self.least <= cast("float", value) <= self.most:
            raise wrong(f"{self.what} from {self.least:g} to {self.most:g}", value)
        return float(cast("float", value))

    def schema(self) -> Schema:
        """A number with its bounds."""
        return {"type": "number", "minimum": self.least, "maximum": self.most}

    def words(self) -> str:
        """For the reference page."""
        return f"{self.least:g} to {self.most:g}"


def share(least: float = 0.0) -> Number:
    """A part of the whole."""
    return Number(least, 1.0, "a share")


def percentile() -> Number:
    """A percentile that is worth waiting for: past the median, and short of never."""
    return Number(50.0, 99.99, "a percentile")


@dataclass(frozen=True)
class Rate:
    """Events a second, written with the unit of time: `"100/s"`."""

    least: str = "1/d"
    most: str = "1000000/s"

    def read(self, value: object) -> float:
        """Events a second."""
        if not isinstance(value, str):
            raise wrong(units.RATE_EXPECTED, value)
        try:
            found = units.rate(value)
        except ValueError as error:
            raise Refused(str(error)) from None
        if not units.rate(self.least) <= found <= units.rate(self.most):
            msg = f"expected a rate from {self.least} to {self.most}, found {shown(value)}"
            raise Refused(msg)
        return found

    def schema(self) -> Schema:
        """A string by the pattern of rates."""
        return {"type": "string", "pattern": r"^\d+(\.\d+)?\s*/\s*(ms|s|m|h|d)$"}

    def words(self) -> str:
        """For the reference page."""
        return f"rate, {self.least} to {self.most}"


@dataclass(frozen=True)
class OneCode:
    """The code of a fault."""

    def read(self, value: object) -> Code:
        """The code itself."""
        if not isinstance(value, str):
            raise wrong('the code of a fault, such as "UNAVAILABLE"', value)
        if value not in set(Code):
            msg = f"expected the code of a fault, found {shown(value)}{did_you_mean(value.upper(), map(str, Code))}"
            raise Refused(msg)
        return Code(value)

    def schema(self) -> Schema:
        """One of the closed set."""
        return {"type": "string", "enum": [str(code) for code in Code]}

    def words(self) -> str:
        """For the reference page."""
        return "code of a fault"


@dataclass(frozen=True)
class Codes:
    """Codes of faults, each once."""

    def read(self, value: object) -> frozenset[Code]:
        """The codes."""
        items = cast("list[object]", value)
        if not isinstance(value, list) or not items:
            raise wrong('a list of codes of faults, such as ["UNAVAILABLE"]', items)
        return frozenset(self._code(item, index) for index, item in enumerate(items))

    def _code(self, item: object, index: int) -> Code:
        try:
            return OneCode().read(item)
        except Refused as refusal:
            raise Refused(refusal.message, (index,)) from None

    def schema(self) -> Schema:
        """An array of them."""
        return {"type": "array", "items": OneCode().schema(), "minItems": 1, "uniqueItems": True}

    def words(self) -> str:
        """For the reference page."""
        return "list of [codes](faults.md)"


@dataclass(frozen=True)
class Json:
    """Any value that JSON has."""

    def read(self, value: object) -> bytes:
        """The value as JSON."""
        check_plain(cast("Any", value), (), 0)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) > VALUE_BYTES_MAX:
            msg = f"expected at most {VALUE_BYTES_MAX} bytes of JSON, found {len(text)}"
            raise Refused(msg)
        return text

    def schema(self) -> Schema:
        """Anything."""
        return {}

    def words(self) -> str:
        """For the reference page."""
        return "any value"
