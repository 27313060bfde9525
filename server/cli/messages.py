"""Protobuf messages as JSON for scripts, and what a person has to be told of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from vestibule.v1.common_pb2 import ProposedRecord


def contradiction(record: ProposedRecord) -> str:
    """What to check before the record is approved: values of which the sources give different ones; or empty."""
    others = {field.name: [f.other_value for f in field.findings if f.other_value] for field in record.fields}
    told = [
        f"{field.name.replace('_', ' ')} {' or '.join([field.value, *others[field.name]])}"
        for field in record.fields
        if others[field.name]
    ]
    return f"The sources differ: {'; '.join(told)}. Check which is right." if told else ""


def as_dict(message: Message) -> dict[str, Any]:
    """The message with the names of its fields, defaults included.

    Unlike protobuf's own mapping to JSON, 64-bit integers are numbers and not strings.
    """
    from google.protobuf.json_format import MessageToDict

    fields = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return _with_numbers(message.DESCRIPTOR, fields)


def _with_numbers(descriptor: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields with 64-bit integers as numbers, in nested messages and maps too."""
    changed = dict(fields)
    for field in descriptor.fields:
        value = fields.get(field.name)
        nested = field.message_type
        if nested is not None and nested.GetOptions().map_entry and isinstance(value, dict):
            changed[field.name] = {key: _with_numbers(nested, {"value": item})["value"] for key, item in value.items()}
        elif isinstance(value, list):
            changed[field.name] = [_number(field, item) for item in value]
        elif value is not None:
            changed[field.name] = _number(field, value)
    return changed


def _number(field: Any, value: Any) -> Any:
    if isinstance(value, dict) and field.message_type is not None:
        return _with_numbers(field.message_type, value)
    if field.cpp_type in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64}:
        return int(value)
    return value
