"""Layers that a function cannot have, which is known when its source has started.

One that is written for that function, or fits none of those it is written for, is told; one that is a default, or fits
others of its source, passes the function by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from dragoman.config.layers import TABLES
from dragoman.config.problem import did_you_mean
from dragoman.config.written import Level
from dragoman.contract.batch import fits

if TYPE_CHECKING:
    from dragoman.config.layers import Options
    from dragoman.config.project import FunctionSettings, Source
    from dragoman.config.written import Writings, Written
    from dragoman.contract.function import Contract
    from dragoman.core.target import Target

REPEATING = frozenset({"cache", "coalesce", "hedge"})
"""Layers that give one answer to several calls, or run one call several times."""
WHOLE = frozenset({*REPEATING, "batch"})
"""Layers that hold a whole answer, or part one among several calls."""
KEYED = frozenset({"cache", "coalesce"})
"""Layers that tell calls apart by properties of their input."""
ELSEWHERE = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties"})
"""Words of a schema by which it may allow properties that it does not name itself."""
OF_WORKERS = ("kill", "stop", "drop", "corrupt", "memory", "cpu")
"""What chaos does to a worker."""

Placed = tuple["FunctionSettings", "Target", "Source", "Contract"]


def misfit(layer: str, options: Options, placed: Placed) -> str:
    """Why a function cannot have a layer; empty where it can."""
    settings, target, source, contract = placed
    if layer in WHOLE and target.streaming:
        return "its answer is a stream"
    if layer in REPEATING and not target.idempotent:
        return "it is not idempotent: say so in its table or its code, if it is"
    if layer in KEYED:
        return _unknown_key(getattr(options, "key", ()), contract)
    if layer == "batch":
        return fits(contract) or _unsaid(settings, contract)
    if layer == "chaos" and source.bounds_calls:
        wanted = [name for name in OF_WORKERS if getattr(options, name)]
        if wanted:
            return f"it has no worker, and so no {', '.join(wanted)}"
    return ""


def _unknown_key(names: Iterable[str], contract: Contract) -> str:
    """A property that no input has tells no calls apart: each would get the answer to another one."""
    schema = contract.input
    properties: Mapping[str, object] = schema.get("properties", {})
    if ELSEWHERE & schema.keys() or schema.get("additionalProperties", False) is not False:
        return ""
    unknown = [name for name in names if name not in properties]
    return (
        f"its input has no property {unknown[0]!r} to be its key{did_you_mean(unknown[0], properties)}"
        if unknown
        else ""
    )


def _unsaid(settings: FunctionSettings, contract: Contract) -> str:
    """A list in and a list out may be one calculation: only the function, or whoever writes of it alone, can tell."""
    if contract.batch is not None or nearest("batch", settings.writings).level is Level.FUNCTION:
        return ""
    return "it does not say that its calls may be gathered: @function(batch=Batch()), or batch in its own table"


def misplaced(functions: Iterable[Placed]) -> Iterator[str]:
    """What is to be told about the layers of one source's functions."""
    by_layer: dict[str, list[tuple[Placed, str]]] = {}
    for placed in functions:
        for layer, options in placed[0].layers.items():
            by_layer.setdefault(layer, []).append((placed, misfit(layer, options, placed)))
    for layer, found in by_layer.items():
        nobody = all(why for _, why in found)
        for (settings, target, source, _), why in found:
            written = nearest(layer, settings.writings)
            meant = written.level is Level.FUNCTION or (written.level is Level.SOURCE and (source.alone or nobody))
            if why and meant:
                yield f"{written.place}: {target.name} cannot have {layer}: {why}"


def nearest(layer: str, writings: Writings) -> Written:
    """The setting of a layer that stands nearest to the function."""
    return max((writings[each.key] for each in TABLES[layer] if each.key in writings), key=lambda each: each.level)
