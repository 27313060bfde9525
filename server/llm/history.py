"""Builds the parts of a prompt that come from a session: its earlier turns, and the sources of a record.

All callers use these builders: live replies, resumed streams, reply jobs and proposals. Text that the redactor does not
vouch for (``safe_for_llm`` is false) never gets in, so one unsafe turn does not make a whole prompt unsafe.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from models.text import RedactedText
from server.flows.photographs import Photograph
from server.flows.progress import Answer, given_by_app
from server.ledger.reviews_decisions import FieldDecision, FieldDecisionRow
from server.ledger.types import RecommendationRow, SessionRow, TurnRow, UploadRow, UploadState
from server.llm.types import ANSWER, PICTURE_LABELS, Exchange, RejectedRecord, ReviewedField, SourceItem

WITHHELD: Final = RedactedText.literal("[This message was withheld.]")
"""Replaces an unsafe message, so that its answer still follows a message."""


def exchange(said: RedactedText, answered: RedactedText | None, *, cut: bool = False) -> Exchange:
    """One turn as a prompt may hold it. An unsafe message is withheld, an unsafe answer is left out.

    Args:
        said: What the person said.
        answered: What was sent of the reply.
        cut: Whether there would have been more.
    """
    return Exchange(
        said if said.safe_for_llm else WITHHELD,
        answered if answered is not None and answered.safe_for_llm else None,
        cut,
    )


def history_of(turns: Iterable[TurnRow]) -> list[Exchange]:
    """Turns of a session as a prompt may hold them, in their order."""
    return [exchange(turn.text, turn.reply, cut=bool(turn.reply_cut)) for turn in turns]


def rejected_records_of(
    rows: Sequence[RecommendationRow], decisions: Iterable[FieldDecisionRow]
) -> tuple[RejectedRecord, ...]:
    """Records that a person sent back, as a prompt may hold them; an unsafe one gives its reasons alone.

    Args:
        rows: Oldest first.
        decisions: About fields of the session; those that accept a field are left out.
    """
    times = [row.decide_time for row in rows if row.decide_time is not None]
    fields: list[list[ReviewedField]] = [[] for _ in rows]
    for one in decisions:
        place = bisect_left(times, one.time)
        if one.decision is not FieldDecision.ACCEPTED and place < len(times) == len(rows):
            fields[place].append(ReviewedField(one.field, one.decision.lower(), one.reason))
    return tuple(
        RejectedRecord(row.record if row.record.safe_for_llm else None, row.decide_reason, tuple(reviewed))
        for row, reviewed in zip(rows, fields, strict=True)
    )


def photographs_of(uploads: Iterable[UploadRow]) -> tuple[Photograph, ...]:
    """The pictures that were read, in the order in which they were sent."""
    read = [row for row in uploads if row.state is UploadState.DONE and row.kind]
    return tuple(
        Photograph(row.shown_id, row.kind, row.sha256, row.create_time)
        for row in sorted(read, key=lambda row: row.create_time)
    )


def source_items_of(
    session: SessionRow, turns: Iterable[TurnRow], uploads: Iterable[UploadRow], answers: Sequence[Answer] = ()
) -> list[SourceItem]:
    """What a record may be built from, oldest first: safe turns, safe texts of uploads, labels of pictures, and values
    that the app gave and that still count. Their days are those of the session's time zone.
    """
    said = [(row.create_time, SourceItem(row.id, "turn", row.text, language=row.language)) for row in turns]
    read = [
        (row.create_time, SourceItem(row.shown_id, row.kind or "upload", row.text))
        for row in uploads
        if row.state is UploadState.DONE and row.text is not None
    ]
    seen = [
        (row.create_time, SourceItem(row.shown_id, PICTURE_LABELS, RedactedText.join(texts, ", ")))
        for row in uploads
        if row.state is UploadState.DONE and (texts := [label.text for label in row.labels or ()])
    ]
    given = [
        (each.create_time, SourceItem(each.source_id, ANSWER, each.value, each.field))
        for each in given_by_app(answers)
        if each.create_time is not None
    ]
    ordered = sorted(said + read + seen + given, key=lambda dated: dated[0])
    return [replace(item, day=session.day(time)) for time, item in ordered if item.text and item.text.safe_for_llm]
