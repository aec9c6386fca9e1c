"""The fault of input that breaks a contract: said alike wherever the contract is checked."""

from __future__ import annotations

from dragoman.core.fault import Breach, InvalidArgument


def refused(function: str, breaches: tuple[Breach, ...]) -> InvalidArgument:
    """Build the fault of a call that never ran because of its input; `function` is the full name."""
    first = breaches[0]
    said = f"{first.path} {first.message}" if first.path else first.message
    rest = f" (and {len(breaches) - 1} more)" if len(breaches) > 1 else ""
    detail = f"the input of {function} breaks its contract: {said}{rest}"
    return InvalidArgument(detail, errors=breaches, function=function)
