"""One call over the native ingress without its I/O: the frame to send, and what the frame that comes back means.

Inputs travel as MessagePack, which takes bytes as they are; JSON where an integer is larger than that holds. A call
needs to know nothing of its function: a stream that was not asked for as one comes as an array.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.client.value import encode_input
from dragoman.contract import codec as codecs
from dragoman.contract.codecs import msgpack
from dragoman.core.call import Codec
from dragoman.core.fault import (
    DataLoss,
    Fault,
    InvalidArgument,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Started,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from dragoman.wire import meta
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.report import load_fault

if TYPE_CHECKING:
    from dragoman.wire.frame import Frame

NAMES_MAX = 1024
"""Functions whose meta is remembered."""
MS_MAX = 0xFFFF_FFFF
AT_THE_DOOR = (PermissionDenied, Unauthenticated, ResourceExhausted)
"""Why a host does not let a client in (SPEC.md §19)."""
LISTING, FUNCTION = "dragoman.functions", "dragoman.function"
CODECS = tuple(Codec)
_MSGPACK, _BYTES, _ARROW = int(Codec.MSGPACK), int(Codec.BYTES), int(Codec.ARROW)
_BOTH_MSGPACK = _MSGPACK | _MSGPACK << 4


class Asked(NamedTuple):
    """What one CALL carries: its meta, its codec byte and its body."""

    function: str
    entries: bytes
    codec: int
    body: bytes


def ask(function: str, value: Any) -> Asked:
    """What to send for a call. Raises `InvalidArgument` for a name or an input that cannot be sent."""
    if type(value) is bytes or type(value) is bytearray:
        return Asked(function, entries_of(function), _BYTES | _MSGPACK << 4, bytes(value))
    try:
        return Asked(function, entries_of(function), _BOTH_MSGPACK, msgpack.encode({} if value is None else value))
    except ValueError:
        body, kind = encode_input(value)
        return Asked(function, entries_of(function), kind | kind << 4, body)


def ask_json(function: str, body: bytes) -> Asked:
    """What to send for a page of the host's own: JSON there and back."""
    return Asked(function, entries_of(function), Codec.JSON | Codec.JSON << 4, body)


@lru_cache(maxsize=NAMES_MAX)
def entries_of(function: str) -> bytes:
    """The meta of a call. Raises `InvalidArgument` for a name that no function has."""
    try:
        data = meta.encode(function=function)
        meta.decode(data)
    except (ValueError, ProtocolFault) as error:
        raise InvalidArgument(f"{function[:100]!r} names no function: {error}", started=Started.NO) from None
    if not function:
        raise InvalidArgument("a function needs a name", started=Started.NO)
    return data


def milliseconds(left_s: float | None) -> int:
    """The time that is left as a CALL carries it; None is no limit of the caller's own."""
    return 0 if left_s is None else min(max(math.ceil(left_s * 1000), 1), MS_MAX)


def value_of(body: bytes, codec: int, function: str) -> Any:
    """The value of an END or an ITEM. Raises `DataLoss` where it cannot be read."""
    if codec == _MSGPACK:
        try:
            return msgpack.decode(body)
        except ValueError as error:
            raise _unreadable(function, error) from None
    if codec in {_BYTES, _ARROW}:
        return body
    try:
        return codecs.decode(body, CODECS[codec])
    except ValueError as error:
        raise _unreadable(function, error) from None


def check_streamed(end: bytes, function: str) -> None:
    """Check the body of the END of what was called as a stream. Raises `Unimplemented` where it was one value."""
    if end:
        raise Unimplemented(f"{function} does not stream; call it", started=Started.YES, function=function)


def fault_of(frame: Frame, function: str) -> Fault:
    """The fault of a FAULT."""
    try:
        fault = load_fault(frame.body)
    except ProtocolFault as error:
        fault = DataLoss(f"the fault of {function or 'the host'} cannot be read: {error}")
    fault.function = fault.function or function
    return fault


def lost(function: str, address: str, why: str) -> Unavailable:
    """The fault of a call whose answer can no longer come."""
    return Unavailable(
        f"the connection to {address} broke before {function} was answered: {why}",
        started=Started.UNKNOWN,
        function=function,
    )


def turned_away(fault: Fault, function: str) -> Fault | None:
    """The fault of a call on a connection that the host refused at its door; None where it ended for another reason."""
    if fault.started is not Started.NO or not isinstance(fault, AT_THE_DOOR):
        return None
    refused = Fault.of(fault.code, fault.detail, started=Started.NO, function=function)
    refused.retry_after_s, refused.remote = fault.retry_after_s, True
    return refused


def unreachable(function: str, address: str, why: str) -> Unavailable:
    """The fault of a call that was never sent."""
    return Unavailable(f"cannot connect to {address}: {why}", started=Started.NO, function=function)


def may_go_again(fault: Fault) -> bool:
    """Whether a call that a leaving host refused, or that never left this side, may go to the next one."""
    return fault.started is Started.NO and isinstance(fault, Unavailable)


def checked(body: bytes, bytes_max: int, function: str) -> bytes:
    """A reply's body. Raises `OutOfRange` where it is larger than it may be."""
    if len(body) > bytes_max:
        detail = f"the reply is larger than {bytes_max} bytes; connect with a larger reply_bytes_max"
        raise OutOfRange(detail, started=Started.YES, function=function)
    return body


def _unreadable(function: str, error: ValueError) -> DataLoss:
    return DataLoss(f"the reply of {function} cannot be read: {error}", started=Started.YES, function=function)
