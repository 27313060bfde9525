"""The summary of a record after a reviewer has changed its fields: it tells no value that is gone."""

from __future__ import annotations

from collections.abc import Mapping

from models.text import RedactedText
from server.flows.definition import FlowDefinition
from server.ledger.record_text import with_replaced
from server.llm.fallback import plain_summary
from server.llm.types import OnboardingRecord, RecordField


def summary_after(
    before: OnboardingRecord,
    after: OnboardingRecord,
    summary: RedactedText,
    given: Mapping[str, RedactedText],
    flow: FlowDefinition,
    language: str,
) -> RedactedText:
    """The summary with corrected values in place of those before.

    Where that is not certain it is a plain one, which names the fields alone: a value was rejected, or does not stand
    in the summary as it was, so the summary may tell it in other words.

    Args:
        before: The record as it was shown.
        after: The record with the changed fields.
        summary: Of the record before.
        given: Corrected values, by field.
        flow: Of the session.
        language: One of the flow.
    """
    values = {field.name: field.value for field in after.fields}
    for field in before.fields:
        if values.get(field.name) == field.value:
            continue
        told = summary
        if field.name in values and not _is_ambiguous(field, before, given):
            summary = with_replaced(summary, field.value, given[field.name])
        if summary is told:
            return RedactedText.literal(plain_summary(flow, values, language))
    return summary


def _is_ambiguous(field: RecordField, record: OnboardingRecord, given: Mapping[str, RedactedText]) -> bool:
    """Whether a value in a summary may stand for something else: it is short, such as ``no`` or ``3``, or a tag, or
    another field has it or gets it.
    """
    value = field.value
    others = [one.value for one in record.fields if one.name != field.name]
    others += [text.value for name, text in given.items() if name != field.name]
    return len(value) <= 2 or value == "yes" or "[" in value or any(value in other for other in others)
