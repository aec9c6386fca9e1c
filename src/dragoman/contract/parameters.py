"""The parameters of a function, read once: which are input, which is the context, and how to pass them on.

A plan is a callable from a decoded record to the function's own call, chosen when the function is bound, so that a
call does no looking up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from dragoman.contract.annotation import REQUIRED, Hints, is_context
from dragoman.contract.codecs.typed import astuple
from dragoman.contract.function import ContractError

Plan: TypeAlias = Callable[[Any, Any], Any]
PARAMETERS_MAX = 250
"""A function past this takes a record."""
_BY_NAME = inspect.Parameter.KEYWORD_ONLY
_VARIADIC = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that callers fill: its name, its annotation, its default or `REQUIRED`, and how it is passed."""

    name: str
    kind: Any
    default: Any
    by_name: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """All of a function's: the ones that callers fill, and the context's name and place (None if there is none)."""

    inputs: tuple[Parameter, ...]
    context: str | None
    context_at: int | None


def read(function: Callable[..., Any], name: str, hints: Hints) -> Parameters:
    """List a function's parameters. Raises `ContractError` for `*args`, `**kwargs` and a second context."""
    inputs: list[Parameter] = []
    context: str | None = None
    context_at: int | None = None
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        message = f"function {name}: its parameters cannot be read ({error}): wrap it in a plain `def`"
        raise ContractError(message) from None
    for parameter in parameters:
        if parameter.kind in _VARIADIC:
            shown = f"{_VARIADIC[parameter.kind]}{parameter.name}"
            message = f"function {name}: {shown} has no contract: name each parameter, or take one list or dict"
            raise ContractError(message)
        hint = hints.get(parameter.name, Any)
        if is_context(hint):
            if context is not None:
                message = f"function {name}: parameters `{context}` and `{parameter.name}` both ask for the context"
                raise ContractError(message)
            context = parameter.name
            context_at = None if parameter.kind is _BY_NAME else len(inputs)
            continue
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        inputs.append(Parameter(parameter.name, hint, default, parameter.kind is _BY_NAME))
    if len(inputs) > PARAMETERS_MAX:
        message = f"function {name}: {len(inputs)} parameters; the most is {PARAMETERS_MAX}: take a record"
        raise ContractError(message)
    return Parameters(tuple(inputs), context, context_at)


def spread(function: Callable[..., Any], parameters: Parameters) -> Plan:
    """Plan the call of a function whose parameters come as one record, in order."""
    positional = sum(not parameter.by_name for parameter in parameters.inputs)
    names = tuple(parameter.name for parameter in parameters.inputs[positional:])
    context, at = parameters.context, parameters.context_at
    if context is None and not names:
        return lambda record, _context: function(*astuple(record))
    if not names and at is not None:

        def with_context(record: Any, given: Any) -> Any:
            values = astuple(record)
            return function(*values[:at], given, *values[at:])

        return with_context

    def by_name(record: Any, given: Any) -> Any:
        values = astuple(record)
        named = dict(zip(names, values[positional:], strict=True))
        if context is None:
            return function(*values[:positional], **named)
        if at is None:
            named[context] = given
            return function(*values[:positional], **named)
        return function(*values[:at], given, *values[at:positional], **named)

    return by_name


def whole(function: Callable[..., Any], parameters: Parameters) -> Plan:
    """Plan the call of a function whose only parameter takes everything."""
    (parameter,) = parameters.inputs
    context, at = parameters.context, parameters.context_at
    name = parameter.name
    if context is None:
        return (lambda value, _: function(**{name: value})) if parameter.by_name else (lambda value, _: function(value))
    if parameter.by_name:
        if at is not None:
            return lambda value, given: function(given, **{name: value})
        return lambda value, given: function(**{name: value, context: given})
    if at is None:
        return lambda value, given: function(value, **{context: given})
    if at == 0:
        return lambda value, given: function(given, value)
    return function
