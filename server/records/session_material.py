"""What a record is built from, and what makes a new one no proposal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from models.sealed_values import SealedValue
from server.flows.photographs import Photograph
from server.flows.progress import Answer, made_by_app
from server.ledger import answers, recommendations, sealed_values, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.reviews_decisions import FieldDecisionRow, decisions_of_session
from server.ledger.types import RecommendationRow, RecommendationState, SessionRow, SessionState, TurnRow, UploadRow
from server.llm.history import photographs_of, rejected_records_of, source_items_of
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord, RejectedRecord, SourceItem
from server.records.proposal_jobs import propose_again_later
from server.records.reviews_view import decisions_behind
from server.records.session_progress import note_new_input


class Refusal(Enum):
    """Why a record is not proposed."""

    OUTDATED = auto()
    UNCHANGED = auto()


@dataclass(frozen=True, slots=True)
class SessionMaterial:
    """What a session holds now.

    Attributes:
        language: ISO 639-1 code, as given or as last detected; English while it is not known.
        items: Everything that a model may see, oldest first.
        photographs: Pictures that were read, also those without text, oldest first.
        times: When each of the items came, by its id.
        recommendations: All that were proposed or changed by a reviewer, oldest first.
        rejected: Records that a person sent back, oldest first.
        proposed: When each of these was proposed, by its id: before a reviewer corrected it.
        field_decisions: About single fields, oldest first.
        sealed: Values that the workers sealed or hashed, by turn, upload or answer.
        answers: What happened to the fields of its flow, oldest first.
        newest: When the newest turn or answer of the app came, or the newest upload was read or got labels; None while
            there is none.
    """

    session: SessionRow
    language: str
    items: list[SourceItem]
    photographs: tuple[Photograph, ...]
    times: Mapping[str, datetime]
    recommendations: list[RecommendationRow]
    rejected: list[RecommendationRow]
    proposed: Mapping[str, datetime]
    field_decisions: list[FieldDecisionRow]
    answers: list[Answer]
    sealed: Mapping[str, Sequence[SealedValue]]
    newest: datetime | None

    @property
    def ids(self) -> frozenset[str]:
        """Ids of turns and uploads, and of all that the app did: a field that it skips makes another record, too."""
        by_app = (answer.source_id for answer in made_by_app(self.answers))
        return frozenset({*(item.id for item in self.items), *(photo.id for photo in self.photographs), *by_app})

    @property
    def for_prompt(self) -> tuple[RejectedRecord, ...]:
        """What was sent back, as a prompt may hold it."""
        return rejected_records_of(self.rejected, self.field_decisions)

    def refusal(self, row: RecommendationRow, seen: Collection[str]) -> Refusal | None:
        """Why a record is no proposal; None if it is one.

        Args:
            row: The record.
            seen: Ids of what it was built from.
        """
        if not self.ids <= set(seen):
            return Refusal.OUTDATED
        return Refusal.UNCHANGED if self.was_rejected(row) else None

    def was_rejected(self, row: RecommendationRow) -> bool:
        """Whether a person has sent back the same record.

        The same are records with the same values and missing fields. A new summary makes another one where the reason
        names the summary; other sources do where it names the source, or where something came in that it was not
        written from. Labels of a picture come late, and leave a proposal as it is; so they may have come before it was
        sent back.
        """
        return self.has_rejected(stored_record(row.record.value))

    def has_rejected(self, record: OnboardingRecord) -> bool:
        """The same for a record that is not stored."""
        return any(self._same(record, rejected) for rejected in self.rejected)

    def _same(self, record: OnboardingRecord, rejected: RecommendationRow) -> bool:
        before, reason = stored_record(rejected.record.value), rejected.decide_reason
        new_input = self.newest is not None and self.newest > self.proposed[rejected.id]
        if self._asked_again(rejected):
            return False
        if "summary" in reason and record.summary != before.summary:
            return False
        sources = new_input or "source" in reason
        return _content(record, sources=sources) == _content(before, sources=sources)

    def _asked_again(self, rejected: RecommendationRow) -> bool:
        """Whether the person was asked again for what was taken out, and something came in since: maybe that it is not
        known. A reviewer can then fill it in.
        """
        times = [
            one.create_time
            for one in self.answers
            if one.way == "review" and one.source_id == rejected.id and one.create_time is not None
        ]
        return bool(times) and self.newest is not None and self.newest > min(times)


def material(cursor: Cursor, session_id: str) -> SessionMaterial:
    """What a session holds now.

    Raises:
        NotFound: SESSION_NOT_FOUND.
        Conflict: SESSION_ENDED.
    """
    session = sessions.require_open(cursor, session_id)
    said, read = turns.list_of_session(cursor, session_id), uploads.list_of_session(cursor, session_id)
    answered = answers.list_of_session(cursor, session_id)
    proposed = recommendations.list_of_session(cursor, session_id)
    rejected = [row for row in proposed if row.state is RecommendationState.REJECTED]
    decided = decisions_of_session(cursor, session_id)
    return SessionMaterial(
        session,
        sessions.language_of(cursor, session) or "en",
        source_items_of(session, said, read, answered),
        photographs_of(read),
        _times(said, read, answered),
        proposed,
        rejected,
        _proposed(rejected, proposed, decided),
        decided,
        answered,
        _sealed_by_source(cursor, session_id),
        max(
            [
                *(turn.create_time for turn in said),
                *(upload.update_time for upload in read),
                *(answer.create_time for answer in made_by_app(answered) if answer.create_time is not None),
            ],
            default=None,
        ),
    )


def note_read(cursor: Cursor, session: SessionRow, upload: UploadRow, now: datetime) -> SessionRow | None:
    """Note that an upload was read. A record that waits for approval was built without it, so it is superseded, unless
    the upload holds nothing to build from. A job proposes another one, because its app may have gone.

    Args:
        cursor: Within the transaction that stores what was read.
        session: As this transaction has read it.
        upload: As it is now.
        now: When.

    Returns:
        The session as it is now, or None if its stage is the same.
    """
    if session.state is not SessionState.AWAITING_APPROVAL or upload.shown_id not in material(cursor, session.id).ids:
        return None
    propose_again_later(cursor, upload, now)
    return note_new_input(cursor, session, now)[0]


def _times(said: Sequence[TurnRow], read: Sequence[UploadRow], answered: Sequence[Answer]) -> dict[str, datetime]:
    times = {row.id: row.create_time for row in said} | {row.shown_id: row.create_time for row in read}
    given = made_by_app(answered)
    return times | {each.source_id: each.create_time for each in given if each.create_time is not None}


def _proposed(
    rejected: Sequence[RecommendationRow], all_rows: Sequence[RecommendationRow], decided: Sequence[FieldDecisionRow]
) -> dict[str, datetime]:
    times, found = {row.id: row.create_time for row in all_rows}, {}
    for row in rejected:
        chain = decisions_behind(row.id, decided)
        found[row.id] = times.get(chain[0].recommendation_id, row.create_time) if chain else row.create_time
    return found


def _sealed_by_source(cursor: Cursor, session_id: str) -> dict[str, list[SealedValue]]:
    found: dict[str, list[SealedValue]] = {}
    for row in sealed_values.list_of_session(cursor, session_id):
        found.setdefault(row.source_id, []).append(row.value)
    return found


def _content(record: OnboardingRecord, *, sources: bool) -> tuple[frozenset[tuple[str, ...]], frozenset[str]]:
    fields = ((field.name, field.value, field.source_id if sources else "") for field in record.fields)
    return frozenset(fields), frozenset(record.missing)
