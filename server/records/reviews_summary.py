"""The summary of a record after a reviewer has changed its fields: it tells no value that is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from models.text import RedactedText
from server.flows.definition import FlowDefinition
from server.flows.fields import ChoiceField, NumberField, PersonalField, PhotoField, YesNoField
from server.flows.texts import text_in
from server.ledger.record_text import with_replaced
from server.llm.fallback import summary_of
from server.llm.plain_text import words_of
from server.llm.support import tells
from server.llm.types import OnboardingRecord, RecordField

_TOLD_IN_OTHER_WORDS: Final = (ChoiceField, YesNoField, PersonalField, PhotoField)
"""Kinds whose values a summary tells in words of its own: by a label, or as "no damage"."""


_GAP: Final = RedactedText.literal(" ")


def summary_after(
    before: OnboardingRecord,
    after: OnboardingRecord,
    parts: Mapping[str, RedactedText],
    given: Mapping[str, RedactedText],
    flow: FlowDefinition,
    language: str,
) -> RedactedText:
    """The summary with corrected values in place of those before.

    One that the flow wrote is written anew. In another one a value is replaced only where that is certain. Else it
    becomes that of the flow, a list of the values: a value was rejected, or the summary may tell it in other words.

    Args:
        before: The record as it was shown.
        after: The record with the changed fields.
        parts: The texts of the record before, by their value.
        given: Corrected values, by field.
        flow: Of the session.
        language: One of the flow.
    """
    summary = parts[before.summary]
    listed = summary_of(flow, [(one.name, given.get(one.name) or parts[one.value]) for one in after.fields], language)
    if summary_of(flow, [(one.name, parts[one.value]) for one in before.fields], language).value == summary.value:
        return listed
    kept = {field.name: field.value for field in after.fields}
    for field in before.fields:
        if kept.get(field.name) == field.value:
            continue
        certain = field.name in kept and _is_certain(field, before, given, flow, language)
        rest = with_replaced(summary, field.value, _GAP)
        if not certain or rest is summary or tells(flow.fields.get(field.name), field.value, rest, language):
            return listed
        summary = with_replaced(summary, field.value, given[field.name])
    return summary


def _is_certain(
    field: RecordField,
    record: OnboardingRecord,
    given: Mapping[str, RedactedText],
    flow: FlowDefinition,
    language: str,
) -> bool:
    """Whether the value of a field, where a summary has it, stands for that field: it is not short, such as ``3``, no
    tag, no value of another field before or after, and no word of the flow.
    """
    value, plain = field.value, words_of(field.value)
    if isinstance(flow.fields.get(field.name), _TOLD_IN_OTHER_WORDS) or "[" in value:
        return False
    if len(value) <= 2 or value == "yes":
        return False
    others = [one.value for one in record.fields if one.name != field.name]
    others += [text.value for name, text in given.items() if name != field.name]
    return not any(value in other for other in others) and not any(
        plain in words_of(label) for label in _labels(flow, language)
    )


def _labels(flow: FlowDefinition, language: str) -> Iterator[str]:
    """What a summary may call the subject of a flow, its fields, their options and their units."""
    yield text_in(flow.title, language)
    for field in flow.fields.values():
        yield field.label_in(language)
        if isinstance(field, ChoiceField):
            yield from (option.label_in(language) for option in field.options)
        if isinstance(field, NumberField):
            yield field.unit
