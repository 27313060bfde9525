"""Values that reviewers took out of the records of a session, and those that they gave instead.

A value that was taken out comes again only if the person tells it anew. A field that a decision removed because it did
not apply comes again as soon as it applies: nobody has said anything against its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from server.flows.definition import FlowDefinition
from server.flows.progress import Answer
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
        given: Put in its place; empty where there is none that a model may see.
        removed: Whether the field left the record because it did not apply; that says nothing about its value.
    """

    field: str
    value: str
    given: str
    time: datetime
    removed: bool = False


def reviewed_values(held: SessionMaterial) -> list[ReviewedValue]:
    """Values that were rejected or corrected, or whose field is in the reason of a rejected record; oldest first."""
    rows = {row.id: row for row in held.recommendations}
    found = [
        ReviewedValue(
            one.field,
            _values(rows[one.recommendation_id]).get(one.field, ""),
            _values(after).get(one.field, "") if (after := rows[one.result_id]).record.safe_for_llm else "",
            one.time,
            one.decision is FieldDecision.REMOVED,
        )
        for one in held.field_decisions
        if one.decision is not FieldDecision.ACCEPTED
    ]
    found += [
        ReviewedValue(name, value, "", row.decide_time)
        for row in rows.values()
        if row.state is RecommendationState.REJECTED and row.decide_time is not None
        for name, value in _values(row).items()
        if f"_{name}_" in f"_{row.decide_reason}_"
    ]
    return sorted(found, key=lambda one: one.time)


def without_refused(record: OnboardingRecord, flow: FlowDefinition, held: SessionMaterial) -> OnboardingRecord:
    """The record without values that a reviewer took out or put another one in place of, and without fields that
    reviewers removed or gave a value, and that do not apply; except for what the person has told anew.
    """
    history: dict[str, list[ReviewedValue]] = {}
    for one in reviewed_values(held):
        history.setdefault(one.field, []).append(one)
    decided = _Decided(flow, held, history)
    kept = replace(record, fields=tuple(one for one in record.fields if not decided.is_refused(one)))
    # A refused condition says nothing about what depends on it, so this comes second.
    out = ruled_out(kept, flow, held.session.facts)
    return replace(kept, fields=tuple(one for one in kept.fields if one.name not in out or decided.may_stay(one)))


def with_corrections(record: OnboardingRecord, held: SessionMaterial) -> OnboardingRecord:
    """The record with the values that reviewers gave, for fields that it does not have."""
    given = {one.field: one.given for one in reviewed_values(held) if not one.removed}
    present = {field.name for field in record.fields}
    more = (RecordField(name, value) for name, value in given.items() if value and name not in present)
    return replace(record, fields=(*record.fields, *more))


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


@dataclass(frozen=True, slots=True)
class _Decided:
    """What reviewers decided in a session.

    Attributes:
        history: What they did with each field, oldest first.
    """

    flow: FlowDefinition
    held: SessionMaterial
    history: Mapping[str, Sequence[ReviewedValue]]

    def is_refused(self, field: RecordField) -> bool:
        """Whether the value of a field was taken out or replaced, and not told anew since."""
        definition = self.flow.fields.get(field.name)
        for one in reversed(self.history.get(field.name, ())):
            if one.removed:
                continue
            if self._equal(field, one.given):
                return False
            corrected = one.given and (definition is None or not is_set_by_code(definition))
            if corrected or self._equal(field, one.value):
                return not self._is_told_since(one.time, field)
        return False

    def may_stay(self, field: RecordField) -> bool:
        """Whether a field may be shown that does not apply: a reviewer has to see what nobody decided about before."""
        history = self.history.get(field.name, ())
        newest = history[-1] if history else None
        if newest is None or not (newest.removed or self._equal(field, newest.given)):
            return True
        return self._is_told_since(newest.time, field)

    def _equal(self, field: RecordField, value: str) -> bool:
        definition = self.flow.fields.get(field.name)
        return value == field.value or (definition is not None and definition.equal(value, field.value))

    def _is_told_since(self, time: datetime, field: RecordField) -> bool:
        held = self.held
        if any(self._equal(field, each.value.value) for each in _answers_since(time, field.name, held)):
            return True
        return any(_tells(item, field, self.flow, held) for item in held.items if held.times[item.id] > time)


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


def _values(row: RecommendationRow) -> dict[str, str]:
    return {field.name: field.value for field in stored_record(row.record.value).fields}
