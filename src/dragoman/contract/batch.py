"""What a function says about gathering its calls, whether its contract allows that, and results whose items failed.

A function that is declared with `Batch` takes a list and gives one of the same length. Calls of it that come close
together may reach it as one. In place of an item it may return a `Fault`, which then is that of one call alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from dragoman.core.fault import Fault

if TYPE_CHECKING:
    from dragoman.core.fault import Breach

ITEMS_MAX = 100_000
"""Items of one call; more are no longer gathered, they are a data set."""
DELAY_S_MAX = 60.0
REFERENCES_MAX = 8
"""Types that are named by a type, one after the other; nobody writes as many."""
DETAIL_CHARS_MAX = 4 * 1024
BREACHES_MAX = 100
"""Of each fault in a result, of which there may be as many as items."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How calls of a function that takes a list may be gathered into one: `@function(batch=Batch(max=64))`.

    At most `max` items go in one call, which waits for `delay` (such as `"2ms"`) from the first of them on.
    """

    max: int = 64
    delay: str = "2ms"

    def __post_init__(self) -> None:
        """Raises `TypeError` or `ValueError`, with what was expected."""
        if type(self.max) is not int:
            message = f"Batch(max=…) takes a whole number, not {self.max!r}"
            raise TypeError(message)
        if not 2 <= self.max <= ITEMS_MAX:  # noqa: PLR2004 - one item is no batch
            message = f"Batch(max=…) takes 2 to {ITEMS_MAX}, not {self.max}"
            raise ValueError(message)
        if type(self.delay) is not str:
            message = f'Batch(delay=…) takes a duration such as "2ms", not {self.delay!r}'
            raise TypeError(message)
        if self.delay_s > DELAY_S_MAX:
            message = f"Batch(delay=…) takes at most {DELAY_S_MAX:g}s, not {self.delay!r}"
            raise ValueError(message)

    @property
    def delay_s(self) -> float:
        """The delay in seconds. Raises `ValueError` for what is no duration."""
        from dragoman.core.units import duration  # noqa: PLC0415 - 3 ms that most guests do without

        return duration(self.delay)


class Shaped(Protocol):
    """A contract, as far as batches are concerned."""

    @property
    def input(self) -> dict[str, Any]:
        """The schema of the input."""
        ...

    @property
    def output(self) -> dict[str, Any]:
        """The schema of the result."""
        ...

    @property
    def streaming(self) -> bool:
        """Whether there are many results."""
        ...


def fits(contract: Shaped) -> str:
    """Why calls of a function cannot be gathered; empty where they can."""
    if contract.streaming:
        return "it streams its result; a function whose calls are gathered returns a list"
    lists = _lists_of(contract.input)
    if len(lists) != 1:
        found = f"{len(lists)} ({', '.join(lists)})" if lists else "none"
        return f"exactly one property of its input must be a list, and there is {found}"
    if words := _bounds_of(_resolved(contract.input, contract.input["properties"][lists[0]])):
        return f"its list {lists[0]!r} has {words}, which lists put together would not keep to"
    output = _resolved(contract.output, contract.output)
    if output.get("type") != "array":
        return "its result must be a list, with an item for each that it is given"
    if words := _bounds_of(output):
        return f"its result has {words}, which results put together would not keep to"
    return ""


def list_of(contract: Shaped) -> str:
    """The name of the property whose items are gathered, of a contract that fits."""
    return _lists_of(contract.input)[0]


def faults_in(value: object) -> dict[int, Fault]:
    """The faults that stand in a result in place of items, by their index."""
    if not isinstance(value, (list, tuple)):
        return {}
    items = cast("Sequence[object]", value)
    return {index: item for index, item in enumerate(items) if isinstance(item, Fault)}


def parted(value: Sequence[Any], faults: Mapping[int, Fault]) -> dict[str, Any]:
    """A result some of whose items failed, as it travels: an object, which no list can be taken for (proto/SPEC.md)."""
    return {
        "items": [None if index in faults else item for index, item in enumerate(value)],
        "faults": {str(index): _document(fault) for index, fault in faults.items()},
    }


def _document(fault: Fault) -> dict[str, Any]:
    document: dict[str, Any] = {"code": fault.code.value, "detail": str(fault.detail)[:DETAIL_CHARS_MAX]}
    if fault.errors:
        document["errors"] = [_breach(breach) for breach in fault.errors[:BREACHES_MAX]]
    if isinstance(fault.retry_after_s, int | float):
        document["retry_after_s"] = float(fault.retry_after_s)
    return document


def _breach(breach: Breach) -> dict[str, str]:
    path, message = breach
    return {"path": str(path)[:DETAIL_CHARS_MAX], "message": str(message)[:DETAIL_CHARS_MAX]}


def _lists_of(schema: Mapping[str, Any]) -> list[str]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    return [name for name, each in properties.items() if _resolved(schema, each).get("type") == "array"]


def _resolved(root: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    """What a schema refers to among its own definitions, else the schema itself."""
    for _ in range(REFERENCES_MAX):
        found = cast("Mapping[str, Any]", schema if isinstance(schema, Mapping) else {})
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        group, _, name = reference.removeprefix("#/").partition("/")
        schema = root.get(group, {}).get(name) if group in {"$defs", "definitions"} else None
    return {}


def _bounds_of(schema: Mapping[str, Any]) -> str:
    """The words of a list's schema that its parts may keep to while the whole does not, or the other way round."""
    words = [word for word in ("maxItems", "uniqueItems", "prefixItems", "contains", "maxContains") if schema.get(word)]
    if schema.get("minItems", 0) > 1:
        words.append("minItems")
    return ", ".join(words)
