"""Input that the typed decoder refused: said in full, with every breach and its place.

The decoder stops at its first error, and in places is stricter than JSON Schema (1.0 for an integer). So a refused
body is read again, slowly: against the whole schema, for all breaches; and if there are none, with more patience.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dragoman.contract.breach import refused
from dragoman.contract.check import Checker
from dragoman.contract.codec import decode
from dragoman.contract.codecs.typed import convert
from dragoman.contract.malformed import Malformed
from dragoman.contract.pointer import pointer, split_location
from dragoman.core.fault import Breach

if TYPE_CHECKING:
    from dragoman.core.call import Codec

_MESSAGE_CHARACTERS_MAX = 300


class Patient:
    """The slow way to read the input of one function; gives what the typed decoder gives."""

    def __init__(self, function: str, schema: dict[str, Any], kind: Any, hook: Callable[[Any, Any], Any]) -> None:
        """Raises `ContractError` for a schema that cannot be compiled."""
        self.function = function
        self._checker = Checker(schema)
        self._kind = kind
        self._hook = hook

    def read(self, body: bytes | memoryview, codec: Codec) -> Any:
        """Decode, or raise `InvalidArgument` with every breach."""
        try:
            value = decode(body, codec)
        except Malformed as error:
            raise refused(self.function, (Breach(error.path, error.message),)) from None
        if breaches := self._checker.breaches(value):
            raise refused(self.function, breaches)
        try:
            return convert(_whole(value), self._kind, self._hook)
        except Malformed as error:
            raise refused(self.function, _said(error)) from None

    def check(self, body: bytes | memoryview, codec: Codec) -> None:
        """Check a body that the decoder took, where the schema is the stricter of the two. Raises `InvalidArgument`."""
        try:
            value = decode(body, codec)
        except Malformed as error:
            raise refused(self.function, (Breach(error.path, error.message),)) from None
        if not self._checker.valid(value):
            raise refused(self.function, self._checker.breaches(value))


def _said(error: Malformed) -> tuple[Breach, ...]:
    """What the decoder, or the user's own pydantic model, said about a value that the schema allows."""
    cause: BaseException | None = error
    while cause is not None:
        listing = getattr(cause, "errors", None)
        if callable(listing) and type(cause).__module__.startswith("pydantic"):
            found: Any = listing()
            return tuple(
                Breach(error.path + pointer(entry["loc"]), str(entry["msg"])[:_MESSAGE_CHARACTERS_MAX])
                for entry in found
            )[:100]
        cause = cause.__cause__
    message, _ = split_location(error.message)
    return (Breach(error.path, message[:_MESSAGE_CHARACTERS_MAX]),)


def _whole(value: Any) -> Any:
    """Write whole floats as integers, which JSON does not tell apart; a float parameter takes either."""
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is list:
        return [_whole(member) for member in value]  # pyright: ignore[reportUnknownVariableType] - any JSON
    if type(value) is dict:
        return {key: _whole(member) for key, member in value.items()}  # pyright: ignore[reportUnknownVariableType] - any JSON
    return value
