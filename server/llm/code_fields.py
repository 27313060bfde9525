"""Fields of a record that no model gives: photographs are counted, and what is kept of a personal value is copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from models.kept_values import kept
from models.sealed_values import SealedValue
from server.flows.definition import FlowDefinition
from server.flows.fields import Keep, PersonalField, PhotoField
from server.flows.personal_values import gives_own, sharing
from server.flows.progress import FieldProgress
from server.llm.record_rules import is_set_by_code
from server.llm.support import SPOKEN, Source, admits
from server.llm.types import PICTURE_LABELS, OnboardingRecord, RecordField, SourceItem

NOTHING_ANSWERED: Final[Mapping[str, FieldProgress]] = MappingProxyType({})
SealedBySource = Mapping[str, Sequence[SealedValue]]
"""Values that are sealed or hashed, by the turn or upload that they come from."""


def with_code_fields(
    record: OnboardingRecord,
    flow: FlowDefinition,
    items: Sequence[SourceItem],
    photographs: Mapping[str, Sequence[str]],
    sealed: SealedBySource,
    answered: Mapping[str, FieldProgress] = NOTHING_ANSWERED,
) -> OnboardingRecord:
    """The record with these fields as the material has them, whatever it had for them before.

    Args:
        record: As a model or the fallback wrote it.
        flow: Of the session.
        items: What it was built from, oldest first.
        photographs: UUIDs of the uploads that were counted, by field.
        sealed: What the workers sealed or hashed.
        answered: What the session has answered, by field: a personal value comes from the source of the answer.
    """
    written = tuple(field for field in record.fields if not _is_set_by_code(flow, field.name))
    return replace(record, fields=(*written, *_set_fields(flow, items, photographs, sealed, answered)))


def _is_set_by_code(flow: FlowDefinition, name: str) -> bool:
    field = flow.fields.get(name)
    return field is not None and is_set_by_code(field)


def _set_fields(
    flow: FlowDefinition,
    items: Sequence[SourceItem],
    photographs: Mapping[str, Sequence[str]],
    sealed: SealedBySource,
    answered: Mapping[str, FieldProgress],
) -> Iterator[RecordField]:
    for field in flow.fields.values():
        if isinstance(field, PhotoField):
            if taken := photographs.get(field.name):
                yield RecordField(field.name, str(len(taken)), taken[0] if len(taken) == 1 else "")
        elif isinstance(field, PersonalField) and field.keep is not Keep.GIVEN:
            answer = answered.get(field.name)
            if answer is not None and answer.way in ("speech", "text") and field.keep is Keep.TAG:
                # A turn may have values of other people, too; the answer has those of its field.
                yield RecordField(field.name, answer.value.value, answer.source_id)
                continue
            yield from _kept(field, _sources(flow, field, items, answer), sealed, asked=answer is not None)


def _sources(
    flow: FlowDefinition, field: PersonalField, items: Sequence[SourceItem], answer: FieldProgress | None
) -> list[SourceItem]:
    """What a value may come from, the best first: from where the field was answered; else from what has one, the newest
    first, unless the value may be that of another field or of another person.
    """
    told = [item for item in reversed(items) if item.kind != PICTURE_LABELS]
    if answer is not None:
        return [item for item in told if item.id == answer.source_id]
    if any(len(sharing(flow, entity)) > 1 for entity in field.entities):
        return []
    may = [Source.of(item, flow.languages[0]) for item in told if admits(flow, field, item)]
    own = {each.id for each in may if each.kind not in SPOKEN or gives_own(each.material, field.entities)}
    return [item for item in told if item.id in own]


def _kept(
    field: PersonalField, items: Sequence[SourceItem], sealed: SealedBySource, *, asked: bool
) -> Iterator[RecordField]:
    """What is kept of the first value; ``asked`` where the field was answered."""
    for item in items:
        for entity in field.accepted if asked else field.entities:
            if value := kept(entity, field.keep, item.text, sealed.get(item.id, ()), field.name):
                yield RecordField(field.name, value, item.id)
                return
