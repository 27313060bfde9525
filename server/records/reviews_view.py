"""A record as a reviewer sees it: with its sources, the decisions about its fields, comments, and who works on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.text import RedactedText
from server.flows.definition import FlowDefinition
from server.flows.progress import Answer, made_by_app
from server.ledger import answers, picture_lines, recommendations, reviews, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.picture_lines import PictureBox, PictureLine
from server.ledger.reviews import ReviewRow
from server.ledger.reviews_decisions import (
    CommentRow,
    FieldDecision,
    FieldDecisionRow,
    comments_of_session,
    decisions_of_session,
)
from server.ledger.types import RecommendationRow, RecommendationState, SessionRow, TurnRow, UploadRow
from server.llm.record_rules import ruled_out
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord, RecordField
from server.records.answered_fields import photographs_by_field


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from.

    Attributes:
        origin: The turn, the upload, or the answer that the app gave.
        text: What was said or given; of a picture the line with the value where it was found, and all of its text
            otherwise.
        box: Where that line lies in the redacted picture.
    """

    origin: TurnRow | UploadRow | Answer
    text: RedactedText | None
    box: PictureBox | None = None


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field.

    Attributes:
        value: Empty for a missing one.
        missing: Whether the record lacks it: it is listed as missing, or a decision removed it.
        decision: The last one about it; None while nobody has decided, and for one that was removed and applies again.
        proposed: The value as it was proposed, before all decisions; empty where it was missing.
        photographs: UUIDs of the uploads that were counted for it, as clients know them.
    """

    name: str
    value: str
    missing: bool
    source: Source | None
    decision: FieldDecisionRow | None
    proposed: str
    photographs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A record with everything that a reviewer needs.

    Attributes:
        newer_id: The record that waits in place of a superseded one; empty if there is none.
        fields: Those of the record, then the missing ones, then those that decisions removed.
        language: As given or as last detected; empty when it is not known.
        wait_time: Since when the session waits for a decision; None when it does not.
    """

    recommendation: RecommendationRow
    session: SessionRow
    language: str
    upload_count: int
    newer_id: str
    fields: tuple[FieldView, ...]
    comments: tuple[CommentRow, ...]
    review: ReviewRow
    wait_time: datetime | None


def read_view(
    cursor: Cursor, row: RecommendationRow, session: SessionRow, flow: FlowDefinition | None, now: datetime
) -> ReviewView:
    """The view of a recommendation that the caller may see, in one transaction.

    Args:
        cursor: Of a read.
        row: The recommendation.
        session: Its session.
        flow: Of the session; None where it is gone.
        now: The time now.
    """
    proposals = recommendations.list_of_session(cursor, session.id)
    read = uploads.list_of_session(cursor, session.id)
    record = stored_record(row.record.value)
    chain = decisions_behind(row.id, decisions_of_session(cursor, session.id))
    first = next((one for one in proposals if chain and one.id == chain[0].recommendation_id), row)
    pending = next((one.id for one in proposals if one.state is RecommendationState.PENDING), "")
    answered = answers.list_of_session(cursor, session.id)
    decided = {decision.field: decision for decision in chain}
    return ReviewView(
        recommendation=row,
        session=session,
        language=sessions.language_of(cursor, session),
        upload_count=len(read),
        newer_id=pending if row.state is RecommendationState.SUPERSEDED else "",
        fields=_fields(
            record,
            {field.name: field.value for field in stored_record(first.record.value).fields if field.name in decided},
            _standing(decided, record, flow, session),
            _Sources(cursor, session.id, read, answered),
            _photographs(flow, session, answered, first.create_time),
        ),
        comments=tuple(comments_of_session(cursor, session.id)),
        review=reviews.get(cursor, session.id, now),
        wait_time=session.stage_time if row.state is RecommendationState.PENDING else None,
    )


def decisions_behind(recommendation_id: str, decisions: Sequence[FieldDecisionRow]) -> list[FieldDecisionRow]:
    """Decisions that led to a recommendation or were taken on it, oldest first."""
    line, found = {recommendation_id}, []
    for decision in reversed(decisions):
        if decision.result_id in line:
            line.add(decision.recommendation_id)
            found.append(decision)
    return found[::-1]


class _Sources:
    """Finds where values come from."""

    def __init__(self, cursor: Cursor, session_id: str, read: Sequence[UploadRow], answered: Sequence[Answer]) -> None:
        self._turns = {row.id: row for row in turns.list_of_session(cursor, session_id)}
        self._uploads = {row.shown_id: row for row in read}
        self._answers = {row.source_id: row for row in made_by_app(answered)}
        self._lines: dict[str, list[PictureLine]] = picture_lines.of_uploads(cursor, read)

    def of(self, field: RecordField) -> Source | None:
        """The source that a field names; None if it names none."""
        if (turn := self._turns.get(field.source_id)) is not None:
            return Source(turn, turn.text)
        if (answer := self._answers.get(field.source_id)) is not None:
            return Source(answer, answer.value)
        upload = self._uploads.get(field.source_id)
        if upload is None:
            return None
        line = picture_lines.locate(field.value, self._lines.get(upload.id, []))
        if line is None:
            return Source(upload, upload.text)
        return Source(upload, picture_lines.text_of_line(upload, line), line.box)


def _standing(
    decided: Mapping[str, FieldDecisionRow], record: OnboardingRecord, flow: FlowDefinition | None, session: SessionRow
) -> dict[str, FieldDecisionRow | None]:
    """The last decision about each field; None where it removed a field that applies again."""
    out = ruled_out(record, flow, session.facts) if flow is not None else decided.keys() - set(record.missing)
    return {
        name: None if one.decision is FieldDecision.REMOVED and name not in out else one
        for name, one in decided.items()
    }


def _photographs(
    flow: FlowDefinition | None, session: SessionRow, answered: Sequence[Answer], proposed: datetime
) -> dict[str, tuple[str, ...]]:
    """Ids of the uploads that were counted for each field when the record was proposed."""
    if flow is None:
        return {}
    before = [one for one in answered if one.create_time is not None and one.create_time <= proposed]
    return photographs_by_field(flow, session.facts, before)


def _fields(
    record: OnboardingRecord,
    before: Mapping[str, str],
    decided: Mapping[str, FieldDecisionRow | None],
    sources: _Sources,
    photographs: Mapping[str, tuple[str, ...]],
) -> tuple[FieldView, ...]:
    """The fields of a record, then the missing ones, then the other ones that were decided.

    Args:
        record: As it is shown.
        before: The proposed values of fields that were decided.
        decided: The last decision about each of them.
        sources: Where values come from.
        photographs: Ids of uploads, by field.
    """

    def view(name: str, value: str, source: Source | None, taken: tuple[str, ...], *, missing: bool) -> FieldView:
        return FieldView(name, value, missing, source, decided.get(name), before.get(name, ""), taken)

    present = [
        view(field.name, field.value, sources.of(field), photographs.get(field.name, ()), missing=False)
        for field in record.fields
    ]
    named = {field.name for field in record.fields}
    lacking = dict.fromkeys((*record.missing, *(name for name in decided if name not in named)))
    return (*present, *(view(name, "", None, (), missing=True) for name in lacking))
