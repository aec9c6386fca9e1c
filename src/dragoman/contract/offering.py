"""Which functions of a plain module are offered to callers, and why another is not."""

from __future__ import annotations

import inspect
import sys
from types import FunctionType
from typing import Any

from dragoman.contract.function import ContractError, check_name
from dragoman.contract.marker import marker_of


def is_offered(target: object) -> bool:
    """Whether a module-level object is served: a marked function, or a public one with every parameter annotated."""
    return not reason_not_offered(target)


def reason_not_offered(target: object) -> str:
    """Why a module-level object is not served, for `check` and `list`; empty if it is."""
    if marker_of(target) is not None:
        return ""
    if not isinstance(target, FunctionType):
        return "it is not a plain function"
    if target.__name__.startswith("_"):
        return "its name starts with an underscore"
    try:
        check_name(target.__name__)
    except ContractError as error:
        return f"{error}; or give it one with @function(name=…)"
    if target.__qualname__ != target.__name__:
        return "it is not at the top level of its module"
    bare = inspect.unwrap(target)
    annotated = _annotated(bare)
    code = bare.__code__
    flags = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + flags]
    missing = [name for name in names if name not in annotated]
    return f"parameter `{missing[0]}` has no annotation" if missing else ""


def _annotated(function: Any) -> set[str]:
    """The names that carry an annotation, without evaluating any: what they name may exist for a type checker only."""
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 - new in 3.14

        return set(annotationlib.get_annotations(function, format=annotationlib.Format.STRING))
    return set(function.__annotations__)
