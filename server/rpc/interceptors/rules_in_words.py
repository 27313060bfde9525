"""What the rules in the protos allow, in words."""

from __future__ import annotations

import re
from typing import Any, Final

import protovalidate
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from models.errors import FieldViolation
from server.key_places import key_place

_NAME: Final = "letters, digits, dots, dashes and underscores"
_WORD: Final = "small letters, digits and underscores"

_UUID: Final = "must be a UUID, such as 3f0f6f0e-2f55-4c9e-9d0a-0f6f2b8c1d11"
PATTERNS: Final = {
    "^[A-Za-z0-9._-]{0,64}$": f"must be up to 64 {_NAME}",
    "^[A-Za-z0-9._-]{1,64}$": f"must be 1 to 64 {_NAME}",
    "^[a-z0-9_]{0,64}$": f"must be up to 64 {_WORD}",
    "^[a-z0-9_]{1,64}$": f"must be 1 to 64 {_WORD}",
    "^[a-z][a-z0-9_]{0,63}$": f"must be 1 to 64 {_WORD}, a letter first",
    "^([a-z][a-z0-9_]{0,63}|STARTED|IN_PROGRESS|AWAITING_APPROVAL|COMPLETED|ABANDONED|REJECTED)$": "must be the name "
    f"of an event, 1 to 64 {_WORD}, or a stage such as IN_PROGRESS",
    "^([a-z][a-z0-9_]{0,63}|STARTED|IN_PROGRESS|AWAITING_APPROVAL|COMPLETED|ABANDONED|REJECTED)?$": "must be a key or "
    f"the name of an event, 1 to 64 {_WORD}, or a stage such as IN_PROGRESS, or left out",
    "^[a-z][a-z0-9_]{0,47}$": f"must be 1 to 48 {_WORD}, a letter first",
    "^([a-z][a-z0-9_]{0,47})?$": f"must be 1 to 48 {_WORD}, a letter first, or left out",
    "^(app[.])?[a-z][A-Za-z0-9_]{0,79}(@[0-9]{1,2})?$": "must be the name of a feature, such as app.network or "
    "no_speech@2",
    "^[a-z0-9_.-]{0,64}$": "must be up to 64 small letters, digits, dots, dashes and underscores",
    "^[A-Za-z0-9._:-]{0,160}$": "must be up to 160 letters, digits, dots, dashes, underscores and colons",
    "^[a-z][a-z0-9_]{0,30}$": f"must be 1 to 31 {_WORD}, a letter first",
    "^[A-Za-z0-9_+/-]{0,64}$": "must be a time zone of the IANA database such as Europe/Berlin, or left out",
    "^[a-z_]{0,64}$": "must be up to 64 small letters and underscores",
    "^[A-Z0-9_]{0,64}$": "must be up to 64 capital letters, digits and underscores",
    "^[A-Za-z0-9][A-Za-z0-9 ._:/+-]{0,63}$": "must be 1 to 64 letters, digits, spaces or ._:/+-, the first "
    "a letter or a digit",
    "^([a-z]{2})?$": "must be a language code of two small letters such as en, or left out",
    "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$": f"{_UUID}, or left out",
    "^[0-9a-f]{16}$": "must be 16 hexadecimal digits in small letters",
    "^([0-9a-f]{16})?$": "must be 16 hexadecimal digits in small letters, or left out",
    "^[0-9a-f]{64}$": "must be 64 hexadecimal digits in small letters",
    "^([0-9a-f]{64})?$": "must be 64 hexadecimal digits in small letters, or left out",
    "^([0-9]{4}-W[0-9]{2})?$": "must be a week such as 2026-W48, or left out",
}
"""Every pattern of the protos. A test compares them."""

WHOLE: Final = "request"
"""In the place of a field, for a rule that is about a whole request."""
_SECONDS: Final = re.compile(r"\b(\d+)s\b")
_DAY_S: Final = 86_400
_FIXED: Final = {
    "required": "must be given",
    "string.uuid": _UUID,
    "string.uuid_empty": "must be a UUID, and is empty",
    "repeated.unique": "must have no value twice",
}


def in_words(message: Message, violation: protovalidate.Violation) -> FieldViolation:
    """The field that breaks a rule, and what the rule allows; never the value, nor the key of a map.

    Args:
        message: The message that was checked
        violation: The broken rule.
    """
    elements = violation.proto.field.elements if violation.proto.field is not None else []
    path: list[str] = []
    field: FieldDescriptor | None = None
    inside: Any = message.DESCRIPTOR
    value: Any = message
    place = ""
    for element in elements:
        name = str(element.field_name)
        index = element.subscript.value if element.subscript and element.subscript.field == "index" else None
        path.append(name if index is None else f"{name}[{index}]")
        value = getattr(value, name, None)
        if index is not None and value is not None:
            value = value[index]
        elif element.subscript and element.subscript.field == "string_key" and value is not None:
            place = f"{key_place(element.subscript.value, value)} "
        if inside is not None and name in inside.oneofs_by_name:
            members = ", ".join(member.name for member in inside.oneofs_by_name[name].fields)
            return FieldViolation(".".join(path), f"must have exactly one of {members}")
        field = inside.fields_by_name.get(name) if inside is not None else None
        inside = field.message_type if field is not None else None
    allowed = _allowed(field, violation)
    of_value = "" if violation.proto.for_key or not place else "the value of "
    return FieldViolation(".".join(path) or WHOLE, f"{of_value}{place}{allowed}")


def _allowed(field: FieldDescriptor | None, violation: protovalidate.Violation) -> str:
    rule = violation.proto.rule_id
    if rule == "string.pattern" and violation.rule_value in PATTERNS:
        return PATTERNS[violation.rule_value]
    if rule.startswith("enum.") and field is not None and field.enum_type is not None:
        return f"must be one of {', '.join(value.name for value in field.enum_type.values if value.number)}"
    told = _FIXED.get(rule) or violation.proto.message or rule
    return _SECONDS.sub(_in_days, told) if rule.startswith("duration.") else told


def _in_days(found: re.Match[str]) -> str:
    """Seconds as they are, or as days where they are whole ones."""
    days, rest = divmod(int(found[1]), _DAY_S)
    return found[0] if rest or not days else f"{days} {'day' if days == 1 else 'days'}"
