"""How wide an integer is: which of a language's own types holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.generate.model import Integer

BIG = "big"
WIDTHS = {
    **{(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1): f"int{bits}" for bits in (8, 16, 32, 64)},
    **{(0, 2**bits - 1): f"uint{bits}" for bits in (8, 16, 32, 64)},
}
"""The name of each width that schemas say by their bounds."""
_INT64 = (-(2**63), 2**63 - 1)
_UINT64_MAX = 2**64 - 1


def width(integer: Integer, *, big: bool) -> str:
    """The name of a width, `int8` to `uint64`, or `BIG`.

    An integer without bounds has 64 bits, since the libraries refuse what does not fit and never round it; where `big`
    is asked for it has any size.
    """
    least, most = integer.minimum, integer.maximum
    if least is not None and most is not None and (least, most) in WIDTHS:
        return WIDTHS[least, most]
    if big and (least is None or most is None):
        return BIG
    least, most = _INT64[0] if least is None else least, _INT64[1] if most is None else most
    if least >= _INT64[0] and most <= _INT64[1]:
        return "int64"
    return "uint64" if least >= 0 and most <= _UINT64_MAX else BIG


def width_of(values: tuple[int, ...]) -> str:
    """The width of a choice of integers."""
    if all(_INT64[0] <= value <= _INT64[1] for value in values):
        return "int64"
    return "uint64" if all(0 <= value <= _UINT64_MAX for value in values) else BIG
