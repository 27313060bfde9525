"""What a session has answered in its flow, as fields of its record.

A model may overlook an answer, and the rules of the fallback do not know what was asked. The answers do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from server.flows.definition import FlowDefinition
from server.flows.progress import Answer, FieldProgress, FieldState, progress_of
from server.llm.record_rules import is_set_by_code
from server.llm.types import OnboardingRecord, RecordField

Answered = Mapping[str, FieldProgress]
"""Fields with an answer that counts, by name."""


def answered_fields(
    flow: FlowDefinition, facts: Mapping[str, str], answers: Iterable[Answer]
) -> dict[str, FieldProgress]:
    """The fields of a session that are answered and not disputed. Text that nobody vouches for is left out."""
    progress = progress_of(flow, facts, list(answers))
    return {
        each.field.name: each
        for each in progress.fields
        if each.state is FieldState.ANSWERED and each.value and each.value.safe_for_llm
    }


def photographs_by_field(
    flow: FlowDefinition, facts: Mapping[str, str], answers: Iterable[Answer]
) -> dict[str, tuple[str, ...]]:
    """UUIDs of the uploads that were counted for each field that asks for photographs, also where some are lacking."""
    progress = progress_of(flow, facts, list(answers))
    return {each.field.name: each.photographs for each in progress.fields if each.photographs}


def with_answers(
    record: OnboardingRecord, flow: FlowDefinition, answered: Answered, *, by_model: bool
) -> OnboardingRecord:
    """The record with the answers that it does not have. What the app gave replaces whatever a model has written, and
    every answer replaces what the fallback has found: both read the same texts, but the answer knows its question.

    Args:
        record: As a model or the fallback wrote it.
        flow: Of the session.
        answered: What the session has answered.
        by_model: Whether a model wrote it.
    """
    stand = {name for name, each in answered.items() if each.way == "app" or not by_model}
    fields = {field.name: field for field in record.fields if field.name not in stand}
    for name, each in answered.items():
        if name not in fields and not is_set_by_code(each.field):
            fields[name] = RecordField(name, each.value.value, each.source_id)
    order = {name: place for place, name in enumerate(flow.fields)}
    ordered = sorted(fields.values(), key=lambda field: order.get(field.name, len(order)))
    return replace(record, fields=tuple(ordered))
