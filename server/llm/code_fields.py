"""Fields of a record that no model gives: photographs are counted, and what is kept of a personal value is copied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from server.flows.definition import FlowDefinition
from server.flows.extraction import TAG, tags_of
from server.flows.fields import Keep, PersonalField, PhotoField
from server.llm.record_rules import YES, is_set_by_code
from server.llm.support import Source, admits
from server.llm.types import OnboardingRecord, Photograph, RecordField


def with_code_fields(
    record: OnboardingRecord, flow: FlowDefinition, sources: Sequence[Source], photographs: Sequence[Photograph]
) -> OnboardingRecord:
    """The record with these fields as the material has them, whatever it had for them before.

    Args:
        record: As a model or the fallback wrote it.
        flow: Of the session.
        sources: What it was built from, oldest first.
        photographs: Pictures that were read, also those without any text.
    """
    written = tuple(field for field in record.fields if not _is_set_by_code(flow, field.name))
    return replace(record, fields=(*written, *_set_fields(flow, sources, photographs)))


def _is_set_by_code(flow: FlowDefinition, name: str) -> bool:
    field = flow.fields.get(name)
    return field is not None and is_set_by_code(field)


def _set_fields(
    flow: FlowDefinition, sources: Sequence[Source], photographs: Sequence[Photograph]
) -> Iterator[RecordField]:
    for field in flow.fields.values():
        if isinstance(field, PhotoField):
            taken = [photo for photo in photographs if photo.kind in field.pictures]
            if taken:
                yield RecordField(field.name, str(len(taken)), taken[0].id if len(taken) == 1 else "")
        elif isinstance(field, PersonalField) and field.keep is not Keep.GIVEN:
            yield from _kept(flow, field, sources)


def _kept(flow: FlowDefinition, field: PersonalField, sources: Sequence[Source]) -> Iterator[RecordField]:
    """What is kept of the newest value: its tag (a hash where the policy writes hashes), or that it was given."""
    for source in reversed(sources):
        if admits(flow, field, source) and set(field.entities) & tags_of(source.text, source.counts).keys():
            tag = next((found[0] for found in TAG.finditer(source.text) if found[1] in field.entities), "")
            keeps_tag = field.keep in (Keep.TAG, Keep.HASH) and re.fullmatch(TAG, tag) is not None
            yield RecordField(field.name, tag if keeps_tag else YES, source.id)
            return
