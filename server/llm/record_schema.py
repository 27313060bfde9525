"""The proposed record: its schema, its one canonical form, and the checks that a model's answer must pass."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from string import ascii_lowercase
from typing import Any

import jsonschema

from models.errors import InvalidInput
from models.reasons import Reason
from server.llm.other_readings import OTHER_READINGS
from server.llm.types import OnboardingRecord, RecordField

MAX_RECORD_BYTES = 32 * 1024
"""Largest record, as canonical JSON. A person has to check it, so it may be smaller than 40 full fields."""

WORD = "^[a-z][a-z_]{0,47}(_[0-9])?$"
"""Machine words are too short for a phone number or an address. A name fits, see ``server.llm.field_names``."""

RECORD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "fields", "missing"],
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": 500},
        "fields": {
            "type": "array",
            "maxItems": 40,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "value", "source_id"],
                "properties": {
                    "name": {"type": "string", "pattern": WORD},
                    "value": {"type": "string", "maxLength": 2000},
                    "source_id": {"type": "string", "maxLength": 64},
                },
            },
        },
        "missing": {"type": "array", "maxItems": 20, "items": {"type": "string", "pattern": WORD}},
    },
}
"""JSON Schema (2020-12) of a record. What goes to the upstream is ``wire_schema``."""

_NEUTRAL = [f"field_{first}{last}" for first in ("", *ascii_lowercase) for last in ascii_lowercase]
"""More names than a record has fields."""

_KEPT_ON_THE_WIRE = frozenset(
    {"type", "additionalProperties", "required", "properties", "items", "enum", "description"}
)

KNOWN_FIELDS = frozenset(
    {"site_name", "meter_reading", "meter_unit", "visitor_count", "contact_given", "name_given", "contact"}
) | set(OTHER_READINGS)
"""Names of fields that the prompt or the server gives; a model makes up the others."""

_FIELD_RULES: dict[str, Callable[[str], bool]] = {
    "meter_reading": lambda value: re.fullmatch(r"\d{1,9}([.,]\d{1,4})?", value) is not None,
    "visitor_count": lambda value: re.fullmatch(r"\d{1,5}", value) is not None,
    "contact_given": lambda value: value in ("yes", "no"),
    "name_given": lambda value: value in ("yes", "no"),
}
"""What the values of known fields look like; other fields are free text."""


def wire_schema(source_ids: Collection[str]) -> dict[str, Any]:
    """The schema for ``response_format``: keywords of strict mode only, and ``source_id`` limited to known ids."""
    schema = strict_form(RECORD_SCHEMA)
    source = schema["properties"]["fields"]["items"]["properties"]["source_id"]
    source["enum"] = ["", *sorted(set(source_ids))]
    return schema


def strict_form(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the keywords of strict mode only."""
    reduced: dict[str, Any] = _without_bounds(schema)
    return reduced


def _without_bounds(schema: Any, *, names: bool = False) -> Any:
    if isinstance(schema, dict):
        return {
            key: _without_bounds(value, names=key == "properties")
            for key, value in schema.items()
            if names or key in _KEPT_ON_THE_WIRE
        }
    return list(schema) if isinstance(schema, list) else schema


def record_from_model(text: str, source_ids: Collection[str]) -> OnboardingRecord:
    """Read a model's answer and check everything that can be checked.

    Fields without a value are dropped.

    Args:
        text: The answer as it came.
        source_ids: The turns and uploads that a field may name.

    Raises:
        InvalidInput: It is no valid record; the message names the rule, never the content.
    """
    if len(text.encode("utf-8", "replace")) > MAX_RECORD_BYTES:
        raise _invalid("it is too large")
    proposed = _built(_parsed(text, _RULES))
    record = OnboardingRecord(
        summary=_clean(proposed.summary),
        fields=tuple(
            RecordField(field.name, value, field.source_id)
            for field in proposed.fields
            if (value := _clean(field.value))
        ),
        missing=tuple(dict.fromkeys(proposed.missing)),
    )
    _check_meaning(record, source_ids)
    return record


def stored_record(canonical: str) -> OnboardingRecord:
    """A record from its canonical JSON, as the ledger has it."""
    return _built(json.loads(canonical))


def _parsed(text: str, validator: jsonschema.Draft202012Validator) -> Any:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid("it is no JSON") from None  # the original carries the text
    error = next(iter(validator.iter_errors(content)), None)
    if error is not None:
        # The error's own message and its instance quote the content; the keyword does not.
        raise _invalid(f"it breaks the schema's rule {error.validator}")
    return content


def _built(content: Any) -> OnboardingRecord:
    fields = (RecordField(item["name"], item["value"], item["source_id"]) for item in content["fields"])
    return OnboardingRecord(content["summary"], tuple(fields), tuple(content["missing"]))


_RULES = jsonschema.Draft202012Validator(RECORD_SCHEMA)


def _check_meaning(record: OnboardingRecord, source_ids: Collection[str]) -> None:
    names = [field.name for field in record.fields]
    if not record.summary:
        raise _invalid("its summary is empty")
    if len(set(names)) != len(names):
        raise _invalid("a field is there twice")
    if set(names) & set(record.missing):
        raise _invalid("a field is there and missing at once")
    if not all(re.fullmatch(WORD, word) for word in (*names, *record.missing)):
        raise _invalid("a name is no machine word")  # $ in the schema's pattern allows a line break at the end
    for field in record.fields:
        if field.source_id and field.source_id not in source_ids:
            raise _invalid("a field names a source that was not given")
        if not _FIELD_RULES.get(field.name, _anything)(field.value):
            raise _invalid(f"the value of {field.name} is out of bounds")


def _anything(value: str) -> bool:
    return True


def _clean(text: str) -> str:
    """NFC, without control characters (lone surrogates among them), trimmed."""
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", kept).strip()


def _invalid(why: str) -> InvalidInput:
    return InvalidInput(f"This is no valid record: {why}.", reason=Reason.INVALID_RECORD)


def canonical_json(record: OnboardingRecord) -> str:
    """The one form that is stored, shown and hashed: sorted keys, no spaces, NFC, UTF-8 without escapes."""
    content = {
        "summary": record.summary,
        "fields": [{"name": f.name, "value": f.value, "source_id": f.source_id} for f in record.fields],
        "missing": list(record.missing),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return unicodedata.normalize("NFC", text)


def content_hash(record: OnboardingRecord) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(record).encode()).hexdigest()


def values_of(record: OnboardingRecord) -> list[tuple[str, str]]:
    """Names and values of the fields; with the summary, all of a record's free text, which must pass the redactor.

    Sources are ids. Names are machine words; those that a model made up are looked at by ``without_names``.
    """
    return [(field.name, field.value) for field in record.fields]


def names_made_up(record: OnboardingRecord) -> set[str]:
    """Names of fields, missing ones too, that the model made up. A name of a person may be among them."""
    return {*(field.name for field in record.fields), *record.missing} - KNOWN_FIELDS


def without_names(record: OnboardingRecord, personal: Collection[str]) -> OnboardingRecord:
    """Call the fields with these names ``field_a``, ``field_b`` and so on, and leave out missing ones with them."""
    taken = {field.name for field in record.fields}
    free = (name for name in _NEUTRAL if name not in taken)
    fields = (replace(field, name=next(free)) if field.name in personal else field for field in record.fields)
    return OnboardingRecord(record.summary, tuple(fields), tuple(m for m in record.missing if m not in personal))


def with_strings(record: OnboardingRecord, strings: Sequence[str]) -> OnboardingRecord:
    """Replace the texts of a record by redacted ones: the summary's first, then those of ``values_of``, in order.

    Raises:
        ValueError: Their number is another.
    """
    summary, *values = strings
    fields = (RecordField(f.name, value, f.source_id) for f, value in zip(record.fields, values, strict=True))
    return OnboardingRecord(summary, tuple(fields), record.missing)
