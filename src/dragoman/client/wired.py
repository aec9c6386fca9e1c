"""One call over the native ingress without its I/O: the frame to send, and what the frame that comes back means.

Inputs travel as MessagePack, which takes bytes as they are; JSON where an integer is larger than that holds. A call
needs to know nothing of its function: a stream that was not asked for as one comes as an array.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dragoman.client.marks import NONE
from dragoman.client.outflow import Given, take_stream
from dragoman.client.value import draft, encode_input, packed, tables
from dragoman.contract import codec as codecs
from dragoman.contract.codecs import msgpack
from dragoman.contract.table import has_pyarrow, has_table, is_table_value
from dragoman.core.call import Codec
from dragoman.core.draft import whole
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
from dragoman.wire.fault import Oversized, ProtocolFault
from dragoman.wire.frame import Flag, Frame, Kind
from dragoman.wire.report import load_fault
from dragoman.wire.state import IllegalTransition, Phase

if TYPE_CHECKING:
    from dragoman.client.marks import Marks
    from dragoman.wire.connection import Connection

NAMES_MAX = 1024
"""Functions whose meta is remembered."""
MS_MAX = 0xFFFF_FFFF
PLAIN = frozenset({str, int, float, bool, type(None), list, dict, bytes})
"""Types of which no value is an iterator: telling takes a tenth of what asking does."""
AT_THE_DOOR = (PermissionDenied, Unauthenticated, ResourceExhausted)
"""Why a host does not let a client in (SPEC.md §19)."""
LISTING, FUNCTION = "dragoman.functions", "dragoman.function"
CODECS = tuple(Codec)
_MSGPACK, _BYTES, _ARROW = int(Codec.MSGPACK), int(Codec.BYTES), int(Codec.ARROW)


class Left(Exception):  # noqa: N818 - a condition, which a link makes a fault of
    """The host takes no more calls on a connection."""


class Asked(NamedTuple):
    """What one CALL carries: its meta, its codec byte and its body; what is `given` by an iterator follows it."""

    function: str
    entries: bytes
    codec: int
    body: bytes
    given: Given | None = None


def ask(function: str, value: Any, marks: Marks = NONE) -> Asked:
    """What to send for a call. Raises `InvalidArgument` for an input, or a name, that cannot be sent."""
    asked = _ask(function, value)
    return asked if marks is NONE else asked._replace(entries=asked.entries + marks.entries())


def _ask(function: str, value: Any) -> Asked:
    """What to send for a call; a table is wanted back as one, where it can be read, and all else as it may come.

    Raises `InvalidArgument` for a name or an input that cannot be sent.
    """
    wanted = _ARROW << 4 if has_pyarrow() else 0
    if isinstance(value, bytes | bytearray | memoryview):
        return Asked(function, entries_of(function), _BYTES | (wanted or _MSGPACK << 4), bytes(cast("bytes", value)))
    if is_table_value(value):
        return Asked(function, entries_of(function), _ARROW | _ARROW << 4, bytes(whole(draft(value))))
    if has_table(value):
        # Nothing is known of the function here: that a table among its parameters is one there is the likelier.
        value, wanted = packed(value), _ARROW << 4
    name = stream_of(cast("dict[str, Any]", value)) if type(value) is dict else ""
    if name:
        rest, items = take_stream(value, name)
        body, kind = encode_input(rest)
        given = None if items is None else Given(items)
        return Asked(function, entries_of(function), kind | (wanted or kind << 4), body, given)
    try:
        body = msgpack.encode({} if value is None else value)
        return Asked(function, entries_of(function), _MSGPACK | (wanted or _MSGPACK << 4), body)
    except ValueError:
        body, kind = encode_input(value)
        return Asked(function, entries_of(function), kind | (wanted or kind << 4), body)


def ask_blocking(function: str, value: Any, marks: Marks = NONE) -> Asked:
    """As `ask`, from code that blocks. Raises `InvalidArgument` also for an iterator that is to be awaited."""
    asked = ask(function, value, marks)
    if asked.given is not None and asked.given.awaited:
        detail = f"{function} is called from code that blocks: give an ordinary iterator, not an asynchronous one"
        raise InvalidArgument(detail, started=Started.NO, function=function)
    return asked


def stream_of(value: dict[str, Any]) -> str:
    """The name of the first property that is an iterator, whose values are to be sent one by one; empty for none."""
    for name, each in value.items():
        if type(each) not in PLAIN and isinstance(each, Iterator | AsyncIterable):
            return name
    return ""


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


def header_of(connection: Connection, call_id: int, asked: Asked, ms: int, *, stream: bool) -> bytes:
    """The header and meta of a CALL. Raises the `Fault` of what cannot be sent, `Left` where the host takes no more."""
    try:
        if asked.given is None:
            head = connection.stream_header if stream else connection.call_header
            return head(call_id, 0, asked.codec, len(asked.body), ms, asked.entries)
        flags = int(Flag.INPUT | Flag.STREAM) if stream else int(Flag.INPUT)
        call = Frame(Kind.CALL, flags, asked.codec, 0, call_id, ms, asked.entries, asked.body)
        return connection.flagged_header(call)
    except Oversized as error:
        raise InvalidArgument(f"the input is too large to send: {error}", started=Started.NO) from None
    except IllegalTransition as error:
        if connection.phase is not Phase.OPEN:
            raise Left from None
        raise ResourceExhausted(f"{asked.function} was not sent: {error}", function=asked.function) from None


def milliseconds(left_s: float | None) -> int:
    """The time that is left as a CALL carries it; None is no limit of the caller's own."""
    return 0 if left_s is None else min(max(math.ceil(left_s * 1000), 1), MS_MAX)


def value_of(body: bytes, codec: int, function: str, given: Any = None) -> Any:
    """The value of an END or an ITEM; a table is of the kind that was `given`. Raises `DataLoss` where it is none."""
    if codec == _ARROW:
        try:
            return tables().read_reply(body, given)
        except ValueError as error:
            raise _unreadable(function, error) from None
    if codec == _MSGPACK:
        try:
            return msgpack.decode(body)
        except ValueError as error:
            raise _unreadable(function, error) from None
    if codec == _BYTES:
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


def may_go_again(fault: Fault, asked: Asked) -> bool:
    """Whether a call that a leaving host refused, or that never left this side, may go to the next one."""
    if asked.given is not None and asked.given.begun:
        return False
    return fault.started is Started.NO and isinstance(fault, Unavailable)


def checked(body: bytes, bytes_max: int, function: str) -> bytes:
    """A reply's body. Raises `OutOfRange` where it is larger than it may be."""
    if len(body) > bytes_max:
        detail = f"the reply is larger than {bytes_max} bytes; connect with a larger reply_bytes_max"
        raise OutOfRange(detail, started=Started.YES, function=function)
    return body


def _unreadable(function: str, error: ValueError) -> DataLoss:
    return DataLoss(f"the reply of {function} cannot be read: {error}", started=Started.YES, function=function)
