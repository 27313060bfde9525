"""Values that reviewers took out of the records of a session, and those that they gave instead.

A value that was taken out comes again only if the person tells it anew. A field that a decision removed because it did
not apply comes again as soon as it applies: nobody has said anything against its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.text import RedactedText
from server.flows.definition import FlowDefinition
from server.flows.fields import FieldDefinition
from server.flows.progress import NO_VALUE, Answer
from server.ledger.record_text import parts_of
from server.ledger.reviews_decisions import FieldDecision
from server.ledger.types import RecommendationRow, RecommendationState
from server.llm.record_rules import is_set_by_code, ruled_out
from server.llm.record_schema import stored_record
from server.llm.support import Source, Support, admits, support
from server.llm.types import OnboardingRecord, RecordField, SourceItem
from server.records.session_material import SessionMaterial


@dataclass(frozen=True, slots=True)
class ReviewedValue:
    """What a reviewer did with the value of a field.

    Attributes:
        value: Taken out; empty where the field was missing.
        given: Put in its place, redacted; empty where there is none that a model may see.
        removed: Whether the field left the record because it did not apply; that says nothing about its value.
    """

    field: str
    value: str
    given: RedactedText
    time: datetime
    removed: bool = False


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A value that a record has from a reviewer.

    Attributes:
        since: Ids of the turns, uploads and answers that came later.
    """

    text: RedactedText
    since: frozenset[str]


def reviewed_values(held: SessionMaterial) -> list[ReviewedValue]:
    """Values that were rejected or corrected, or whose field is in the reason of a rejected record; oldest first."""
    rows = {row.id: row for row in held.recommendations}
    found = [
        ReviewedValue(
            one.field,
            _values(rows[one.recommendation_id]).get(one.field, ""),
            _given(rows[one.result_id], one.field),
            one.time,
            one.decision is FieldDecision.REMOVED,
        )
        for one in held.field_decisions
        if one.decision is not FieldDecision.ACCEPTED
    ]
    found += [
        ReviewedValue(name, value, NO_VALUE, row.decide_time)
        for row in rows.values()
        if row.state is RecommendationState.REJECTED and row.decide_time is not None
        for name, value in _values(row).items()
        if f"_{name}_" in f"_{row.decide_reason}_"
    ]
    return sorted(found, key=lambda one: one.time)


def without_refused(record: OnboardingRecord, flow: FlowDefinition, held: SessionMaterial) -> OnboardingRecord:
    """The record without values that a reviewer took out or put another one in place of, unless the person has told
    them anew.
    """
    reviewed = reviewed_values(held)
    return replace(record, fields=tuple(one for one in record.fields if not _is_refused(one, flow, held, reviewed)))


def removed_and_told_anew(record: OnboardingRecord, flow: FlowDefinition, held: SessionMaterial) -> frozenset[str]:
    """Fields of a record that had left one because they did not apply, and that the person has told since. What ruled
    them out may be what is wrong.
    """
    newest = {one.field: one for one in reviewed_values(held)}
    return frozenset(
        field.name
        for field in record.fields
        if (one := newest.get(field.name)) is not None and one.removed and _is_told_since(one.time, field, flow, held)
    )


def with_corrections(record: OnboardingRecord, held: SessionMaterial) -> OnboardingRecord:
    """The record with the values that reviewers gave, for fields that it does not have."""
    given = {one.field: one.given for one in reviewed_values(held) if not one.removed}
    present = {field.name for field in record.fields}
    more = (RecordField(name, text.value) for name, text in given.items() if text and name not in present)
    return replace(record, fields=(*record.fields, *more))


def given_by_reviewers(record: OnboardingRecord, flow: FlowDefinition, held: SessionMaterial) -> dict[str, GivenValue]:
    """The values that a record has from reviewers, by field. What code sets is none of them."""
    newest = {one.field: one for one in reviewed_values(held)}
    found: dict[str, GivenValue] = {}
    for field in record.fields:
        one, definition = newest.get(field.name), flow.fields.get(field.name)
        if one is None or not one.given or (definition is not None and is_set_by_code(definition)):
            continue
        if _equal(definition, one.given.value, field.value):
            since = frozenset(source_id for source_id, time in held.times.items() if time > one.time)
            found[field.name] = GivenValue(one.given, since)
    return found


def may_tell_more(
    written: OnboardingRecord, record: OnboardingRecord, flow: FlowDefinition, held: SessionMaterial
) -> bool:
    """Whether the summary that a model wrote may tell a value that the record does not have: one that the model wrote
    and code replaced or left out, or one that a reviewer took out.

    Args:
        written: By the model.
        record: The same after the changes of code.
        flow: Of the session.
        held: What it was written from.
    """
    own = {field.name: field.value for field in record.fields}
    told = [(field.name, field.value) for field in written.fields]
    told += [(one.field, one.value) for one in reviewed_values(held) if one.value]
    return any(name not in own or not _equal(flow.fields.get(name), value, own[name]) for name, value in told)


def fields_to_ask(flow: FlowDefinition, held: SessionMaterial, recommendation_id: str) -> frozenset[str]:
    """Fields whose value a reviewer took out, and that nobody has answered since.

    A field for which a reviewer gave another value is none of them, unless code copies its value from what was said.
    Neither is one that does not apply to the record that is sent back. One that was removed and applies again needs no
    question of its own: its answer counts again, and without an answer it is open.

    Args:
        flow: Of the session.
        held: What the session holds.
        recommendation_id: UUID of the record that is sent back.
    """
    [row] = (row for row in held.recommendations if row.id == recommendation_id)
    out = ruled_out(stored_record(row.record.value), flow, held.session.facts)
    newest = {one.field: one for one in reviewed_values(held) if not one.removed}
    return frozenset(
        name
        for name, one in newest.items()
        if name in flow.fields and name not in out and (not one.given or is_set_by_code(flow.fields[name]))
        if not _answers_since(one.time, name, held)
    )


def _is_refused(
    field: RecordField, flow: FlowDefinition, held: SessionMaterial, reviewed: Sequence[ReviewedValue]
) -> bool:
    """Whether the value of a field was taken out or replaced, and not told anew since."""
    definition = flow.fields.get(field.name)
    for one in reversed(reviewed):
        if one.field != field.name or one.removed:
            continue
        if one.given and _equal(definition, one.given.value, field.value):
            return False
        corrected = one.given and (definition is None or not is_set_by_code(definition))
        if corrected or _equal(definition, one.value, field.value):
            return not _is_told_since(one.time, field, flow, held)
    return False


def _equal(definition: FieldDefinition | None, one: str, other: str) -> bool:
    return one == other or (definition is not None and definition.equal(one, other))


def _is_told_since(time: datetime, field: RecordField, flow: FlowDefinition, held: SessionMaterial) -> bool:
    definition = flow.fields.get(field.name)
    since = _answers_since(time, field.name, held)
    if any(_equal(definition, each.value.value, field.value) for each in since):
        return True
    return any(_tells(item, field, flow, held) for item in held.items if held.times[item.id] > time)


def _answers_since(time: datetime, field: str, held: SessionMaterial) -> list[Answer]:
    own = (one for one in held.answers if one.field == field)
    return [one for one in own if one.create_time is not None and one.create_time > time]


def _tells(item: SourceItem, field: RecordField, flow: FlowDefinition, held: SessionMaterial) -> bool:
    """Whether an item has a value; where code cannot tell, whether the value names it as its source."""
    definition, source = flow.fields.get(field.name), Source.of(item, held.language).without_instructions()
    found = Support.UNKNOWN
    if definition is not None and not is_set_by_code(definition):
        if not admits(flow, definition, source):
            return False
        found = support(definition, field.value, source)
    return found is Support.YES or (found is Support.UNKNOWN and item.id == field.source_id)


def _given(row: RecommendationRow, field: str) -> RedactedText:
    """The value that a decision led to, if a model may see it."""
    value = _values(row).get(field, "") if row.record.safe_for_llm else ""
    return parts_of(row.record)[value] if value else NO_VALUE


def _values(row: RecommendationRow) -> dict[str, str]:
    return {field.name: field.value for field in stored_record(row.record.value).fields}
