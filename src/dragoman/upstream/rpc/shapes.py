"""Messages as JSON Schema 2020-12: what their values may be, as `rpc.values` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from dragoman.upstream.operation import SpecError
from dragoman.upstream.rpc.values import VALUE_KEY, is_map, is_wrapped, well_known
from dragoman.upstream.schema import DEFINITIONS_MAX

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor


def _whole(bits: int, *, signed: bool) -> dict[str, Any]:
    low = -(2 ** (bits - 1)) if signed else 0
    return {"type": "integer", "minimum": low, "maximum": 2 ** (bits - signed) - 1}


_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32),
        _whole(32, signed=True),
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64),
        _whole(64, signed=True),
    ),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), _whole(32, signed=False)),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), _whole(64, signed=False)),
}
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "Timestamp": {"type": "string", "format": "date-time"},
    "Duration": {"type": "string", "format": "duration"},
    "FieldMask": {"type": "string"},
    "Struct": {"type": "object"},
    "Value": {},
    "ListValue": {"type": "array"},
    "NullValue": {"type": "null"},
    "Any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
    "BoolValue": {"type": ["boolean", "null"]},
    "StringValue": {"type": ["string", "null"]},
    "BytesValue": {"type": ["string", "null"], "contentEncoding": "base64"},
    "DoubleValue": {"type": ["number", "null"]},
    "FloatValue": {"type": ["number", "null"]},
    "Int32Value": _whole(32, signed=True) | {"type": ["integer", "null"]},
    "UInt32Value": _whole(32, signed=False) | {"type": ["integer", "null"]},
    "Int64Value": _whole(64, signed=True) | {"type": ["integer", "null"]},
    "UInt64Value": _whole(64, signed=False) | {"type": ["integer", "null"]},
}


class Shapes:
    """The schemas of one operation. Each message is written once, under its full name, so that it may hold itself."""

    def __init__(self, *, strict: bool) -> None:
        """`strict` where unknown fields and enum values are refused: in what goes out. What comes may be newer."""
        self._strict = strict
        self._names: set[str] = set()
        self._waiting: list[Descriptor] = []

    def root(self, message: Descriptor) -> dict[str, Any]:
        """The whole schema of an input or an output. Raises `SpecError`."""
        return self._with_definitions(self._shape(message))

    def input(self, message: Descriptor) -> dict[str, Any]:
        """The schema of an input, which is an object. Raises `SpecError`."""
        if is_wrapped(message):
            properties = {VALUE_KEY: self.reference(message)}
            wrapped = {"type": "object", "properties": properties, "required": [VALUE_KEY]}
            return self._with_definitions(wrapped | {"additionalProperties": False})
        return self.root(message)

    def stream(self, message: Descriptor, key: str) -> dict[str, Any]:
        """The schema of an input that is a stream of messages. Raises `SpecError`."""
        items = {"type": "array", "items": self.reference(message)}
        schema = {"type": "object", "properties": {key: items}, "required": [key], "additionalProperties": False}
        return self._with_definitions(schema)

    def reference(self, message: Descriptor) -> dict[str, Any]:
        """A schema that stands for a message inside another. Raises `SpecError`."""
        if well_known(message):
            return dict(_WELL_KNOWN.get(message.name, {}))
        name = message.full_name
        if name not in self._names:
            if len(self._names) >= DEFINITIONS_MAX:
                raise SpecError(f"it leads to more than {DEFINITIONS_MAX} types")
            self._names.add(name)
            self._waiting.append(message)
        return {"$ref": f"#/$defs/{name}"}

    def _with_definitions(self, schema: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while self._waiting:
            message = self._waiting.pop()
            made[message.full_name] = self._shape(message)
        return schema | ({"$defs": made} if made else {})

    def _shape(self, message: Descriptor) -> dict[str, Any]:
        if well_known(message):
            return dict(_WELL_KNOWN.get(message.name, {}))
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {field.name: self._field(field) for field in message.fields},
            "additionalProperties": not self._strict,
        }
        if required := [field.name for field in message.fields if field.is_required]:
            schema["required"] = required
        choices = [[field.name for field in oneof.fields] for oneof in message.oneofs]
        if several := [_at_most_one(names) for names in choices if len(names) > 1]:
            schema["allOf"] = several
        return schema

    def _field(self, field: FieldDescriptor) -> dict[str, Any]:
        if is_map(field):
            assert field.message_type is not None
            return {"type": "object", "additionalProperties": self._one(field.message_type.fields_by_name["value"])}
        one = self._one(field)
        return {"type": "array", "items": one} if field.is_repeated else one

    def _one(self, field: FieldDescriptor) -> dict[str, Any]:
        if field.message_type is not None:
            return self.reference(field.message_type)
        if field.enum_type is not None:
            return self._choice(field.enum_type)
        return dict(_SCALARS[field.type])

    def _choice(self, enum: EnumDescriptor) -> dict[str, Any]:
        if enum.full_name == "google.protobuf.NullValue":
            return {"type": "null"}
        names = [value.name for value in enum.values]
        return {"enum": names} if self._strict else {"anyOf": [{"enum": names}, {"type": "integer"}]}


def _at_most_one(names: list[str]) -> dict[str, Any]:
    each = [{"required": [name]} for name in names]
    return {"oneOf": [*each, {"not": {"anyOf": each}}]}
