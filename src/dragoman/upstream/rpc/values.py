"""Values of messages as JSON, and back: the mapping of protocol buffers, save where our own table of values differs.

64-bit integers are numbers and exact, durations ISO 8601, and fields have the names that the `.proto` gives them.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, cast

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import EncodeError

from dragoman.core.fault import InvalidArgument, OutOfRange, Started
from dragoman.upstream.rpc.duration import to_iso, to_proto

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

WIDE = frozenset(
    {
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED64,
    }
)
FLOATS = frozenset({FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE})
WIDE_WRAPPERS = frozenset({"google.protobuf.Int64Value", "google.protobuf.UInt64Value"})
FLOAT_WRAPPERS = frozenset({"google.protobuf.FloatValue", "google.protobuf.DoubleValue"})
BYTES_WRAPPER = "google.protobuf.BytesValue"
DURATION = "google.protobuf.Duration"
VALUE_KEY = "value"
"""The one property of an input whose message is no object in JSON: a text, a moment, a number."""
OBJECTS = frozenset({"google.protobuf.Struct", "google.protobuf.Empty", "google.protobuf.Any"})
DEPTH_MAX = 100
"""Levels of messages; what protocol buffers read at most themselves."""


def well_known(message: Descriptor) -> bool:
    """Whether it has a form of its own in JSON."""
    return message.file.package == "google.protobuf" and message.full_name != "google.protobuf.Empty"


def is_wrapped(message: Descriptor) -> bool:
    """Whether an input of it must be wrapped, since inputs are objects."""
    return well_known(message) and message.full_name not in OBJECTS


def described(kind: type[Message]) -> Descriptor:
    """What describes a message."""
    return cast("Descriptor", kind.DESCRIPTOR)


def to_bytes(value: Any, kind: type[Message], pool: DescriptorPool, function: str) -> bytes:
    """The message of a value, as it travels. Raises `InvalidArgument`."""
    descriptor = described(kind)
    message = kind()
    try:
        json_format.ParseDict(
            walked(descriptor, value, _inward), message, descriptor_pool=pool, max_recursion_depth=DEPTH_MAX
        )
        return message.SerializeToString()
    except (json_format.Error, EncodeError, ValueError, TypeError, OverflowError, AttributeError) as error:
        detail = f"{function}: this is no {descriptor.full_name}: {str(error)[:500]}"
        raise InvalidArgument(detail, function=function) from None


def from_message(message: Message, pool: DescriptorPool, function: str) -> Any:
    """The value of a message. Raises `OutOfRange` for numbers that JSON has not, and for what nests too deep."""
    try:
        value = json_format.MessageToDict(
            message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            descriptor_pool=pool,
        )
        return walked(described(type(message)), value, _outward)
    except Unheld as error:
        raise OutOfRange(f"the service answered {error}", started=Started.YES, function=function) from None
    except (json_format.Error, RecursionError, TypeError) as error:
        detail = f"the service's {message.DESCRIPTOR.full_name} cannot be told as JSON: {str(error)[:500]}"
        raise OutOfRange(detail, started=Started.YES, function=function) from None


class Unheld(ValueError):  # noqa: N818 - names the condition, as all of our errors do
    """A number that JSON cannot hold."""


def walked(message: Descriptor, value: Any, at: Callable[[str, int, Any], Any]) -> Any:
    """A value with each leaf of it replaced by `at(message's name, field's type, leaf)`."""
    if well_known(message):
        return at(message.full_name, FieldDescriptor.TYPE_MESSAGE, value)
    if not isinstance(value, dict):
        return value
    fields = message.fields_by_name
    given = cast("dict[str, Any]", value)
    return {key: _field(fields[key], each, at) if key in fields else each for key, each in given.items()}


def _field(field: FieldDescriptor, value: Any, at: Callable[[str, int, Any], Any]) -> Any:
    if is_map(field):
        inner = cast("Descriptor", field.message_type).fields_by_name["value"]
        if not isinstance(value, dict):
            return value
        return {key: _one(inner, each, at) for key, each in cast("dict[str, Any]", value).items()}
    if field.is_repeated and isinstance(value, list):
        return [_one(field, each, at) for each in cast("list[Any]", value)]
    return _one(field, value, at)


def _one(field: FieldDescriptor, value: Any, at: Callable[[str, int, Any], Any]) -> Any:
    message = field.message_type
    return at("", field.type, value) if message is None else walked(message, value, at)


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    message = field.message_type
    return message is not None and bool(message.GetOptions().map_entry)


def _inward(message: str, kind: int, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if kind == FieldDescriptor.TYPE_BYTES or message == BYTES_WRAPPER:
        base64.b64decode(value, validate=True)  # which the library reads with whatever else is in it
    return to_proto(value) if message == DURATION else value


def _outward(message: str, kind: int, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if kind in WIDE or message in WIDE_WRAPPERS:
        return int(value)
    if kind in FLOATS or message in FLOAT_WRAPPERS:
        raise Unheld(f"{value}, which is no number in JSON")
    return to_iso(value) if message == DURATION else value
