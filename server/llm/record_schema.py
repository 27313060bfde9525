"""The proposed record: its schema, its one canonical form, and the checks that a model's answer must pass."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from string import ascii_lowercase
from typing import Any

import jsonschema

from models.errors import InvalidInput
from models.reasons import Reason
from models.text import RedactedText
from server.flows.definition import FlowDefinition
from server.llm.record_rules import as_recorded, fields_of_model
from server.llm.types import Confidence, Finding, FindingKind, OnboardingRecord, RecordField, Severity

MAX_RECORD_BYTES = 32 * 1024
"""Largest record, as canonical JSON. A person has to check it, so it may be smaller than 40 full fields."""

WORD = "^[a-z][a-z_]{0,47}(_[0-9])?$"
"""What a model may call a field: too short for a phone number or an address. A name fits, see ``field_names``."""

RECORD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "fields"],
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
                    "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,47}$"},
                    "value": {"type": "string", "maxLength": 2000},
                    "source_id": {"type": "string", "maxLength": 64},
                },
            },
        },
    },
}
"""JSON Schema (2020-12) of a model's answer. What goes to the upstream is ``wire_schema``."""

_NEUTRAL = [f"field_{first}{last}" for first in ("", *ascii_lowercase) for last in ascii_lowercase]
"""More names than a record has fields."""

_KEPT_ON_THE_WIRE = frozenset(
    {"type", "additionalProperties", "required", "properties", "items", "enum", "description"}
)


def wire_schema(source_ids: Collection[str], flow: FlowDefinition) -> dict[str, Any]:
    """The schema for ``response_format``: keywords of strict mode only, ``source_id`` limited to known ids, and names
    to those of the flow, unless it lets a model add others.
    """
    schema = strict_form(RECORD_SCHEMA)
    properties = schema["properties"]["fields"]["items"]["properties"]
    properties["source_id"]["enum"] = ["", *sorted(set(source_ids))]
    if not flow.record.other_fields:
        properties["name"]["enum"] = [field.name for field in fields_of_model(flow)]
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


def record_from_model(text: str, source_ids: Collection[str], flow: FlowDefinition) -> OnboardingRecord:
    """Read a model's answer and check everything that can be checked.

    Fields without a value are dropped, and those that the flow does not have or that no model may give, and values that
    are of another kind than their field. Nothing is missing yet, see ``record_rules.with_missing``.

    Args:
        text: The answer as it came.
        source_ids: The turns and uploads that a field may name.
        flow: Of the session.

    Raises:
        InvalidInput: It is no valid record; the message names the rule, never the content.
    """
    content = parsed_answer(text, _RULES, MAX_RECORD_BYTES)
    names = [item["name"] for item in content["fields"]]
    if len(set(names)) != len(names):
        raise _invalid("a field is there twice")
    if not all(name in flow.fields or re.fullmatch(WORD, name) for name in names):
        raise _invalid("a name is no machine word")  # one of the flow may have more digits
    if any(item["source_id"] and item["source_id"] not in source_ids for item in content["fields"]):
        raise _invalid("a field names a source that was not given")
    summary = clean(content["summary"])
    if not summary:
        raise _invalid("its summary is empty")
    return OnboardingRecord(summary, tuple(_fields_of(content["fields"], flow)))


def _fields_of(items: Sequence[Any], flow: FlowDefinition) -> Iterator[RecordField]:
    may_give = {field.name: field for field in fields_of_model(flow)}
    for item in items:
        name, value = item["name"], clean(item["value"])
        if name in may_give:
            value = as_recorded(may_give[name], value) or ""
        elif name in flow.fields or not flow.record.other_fields:
            continue
        if value:
            yield RecordField(name, value, item["source_id"])


def stored_record(canonical: str) -> OnboardingRecord:
    """A record from its canonical JSON, as the ledger has it."""
    content = json.loads(canonical)
    fields = (
        RecordField(
            item["name"],
            item["value"],
            item["source_id"],
            Confidence(item["confidence"]) if "confidence" in item else None,
            tuple(_finding(each) for each in item.get("findings", ())),
        )
        for item in content["fields"]
    )
    return OnboardingRecord(content["summary"], tuple(fields), tuple(content["missing"]))


def _finding(item: Any) -> Finding:
    return Finding(
        FindingKind(item["kind"]),
        Severity(item["severity"]),
        item["message"],
        item["check"],
        item["source_id"],
        item["value"],
    )


def parsed_answer(text: str, validator: jsonschema.Draft202012Validator, most_bytes: int) -> Any:
    """A model's answer as JSON that fits a schema.

    Raises:
        InvalidInput: INVALID_RECORD; the message names the rule, never the content.
    """
    if len(text.encode("utf-8", "replace")) > most_bytes:
        raise _invalid("it is too large")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid("it is no JSON") from None  # the original carries the text
    error = next(iter(validator.iter_errors(content)), None)
    if error is not None:
        # The error's own message and its instance quote the content; the keyword does not.
        raise _invalid(f"it breaks the schema's rule {error.validator}")
    return content


_RULES = jsonschema.Draft202012Validator(RECORD_SCHEMA)


def clean(text: str) -> str:
    """NFC, without control characters (lone surrogates among them), trimmed."""
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", kept).strip()


def _invalid(why: str) -> InvalidInput:
    return InvalidInput(f"This is no valid record: {why}.", reason=Reason.INVALID_RECORD)


def canonical_json(record: OnboardingRecord) -> str:
    """The one form that is stored, shown and hashed: sorted keys, no spaces, NFC, UTF-8 without escapes."""
    content = {
        "summary": record.summary,
        "fields": [_content(field) for field in record.fields],
        "missing": list(record.missing),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return unicodedata.normalize("NFC", text)


def _content(field: RecordField) -> dict[str, Any]:
    content: dict[str, Any] = {"name": field.name, "value": field.value, "source_id": field.source_id}
    if field.confidence is not None:
        content["confidence"] = field.confidence
    if field.findings:
        content["findings"] = [asdict(finding) for finding in field.findings]
    return content


def content_hash(record: OnboardingRecord) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(record).encode()).hexdigest()


def values_of(record: OnboardingRecord) -> list[tuple[str, str]]:
    """Names and values of the fields, then the other values in their findings. With the summary these are all of a
    record's free texts that come from people or models, and they must pass the redactor.

    Sources are ids. Names are machine words; those that a model made up are looked at by ``without_names``. The
    messages of findings are written in our code or in the flow.
    """
    return [*((field.name, field.value) for field in record.fields), *other_values_of(record)]


def other_values_of(record: OnboardingRecord) -> list[tuple[str, str]]:
    """Names of the fields and the other values in their findings."""
    return [(field.name, finding.value) for field in record.fields for finding in field.findings if finding.value]


def messages_of(record: OnboardingRecord) -> list[RedactedText]:
    """The messages of findings."""
    return [RedactedText.literal(finding.message) for field in record.fields for finding in field.findings]


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
    own, others = values[: len(record.fields)], iter(values[len(record.fields) :])
    fields = tuple(
        replace(field, value=value, findings=tuple(_with_value(finding, others) for finding in field.findings))
        for field, value in zip(record.fields, own, strict=True)
    )
    if next(others, None) is not None:
        raise ValueError("there are more texts than values")
    return OnboardingRecord(summary, fields, record.missing)


def _with_value(finding: Finding, values: Iterator[str]) -> Finding:
    if not finding.value:
        return finding
    value = next(values, None)
    if value is None:
        raise ValueError("there are fewer texts than values")
    return replace(finding, value=value)
