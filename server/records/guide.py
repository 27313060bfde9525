"""Guides sessions through their flows: reads answers, stores them with their events, and says what is asked next."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile

from models.errors import Conflict, NotFound
from models.reasons import Reason
from models.sealed_values import SealedValue
from models.text import RedactedText
from server.access.audit import AuditTrail
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition, Way
from server.flows.dialogue import answers_in, answers_of_picture
from server.flows.personal_values import sealed_of_fields, sharing
from server.flows.photographs import answers_of_photograph
from server.flows.progress import (
    NO_VALUE,
    Answer,
    AnswerStatus,
    FieldProgress,
    FieldState,
    Progress,
    progress_of,
)
from server.flows.reading.answer_text import AnswerText
from server.ledger import answers, sealed_values, sessions, uploads
from server.ledger.columns import Cursor
from server.ledger.types import SessionRow, TurnRow, UploadRow, UploadState
from server.llm.history import photographs_of
from server.records.answer_problems import problem_of, wrong_answer
from server.records.noted_answers import Change, NotedAnswers
from server.records.sealed_releases import supersede_sealed


@dataclass(frozen=True, slots=True)
class Guidance:
    """How far a session is, and the language in which that is told."""

    progress: Progress
    language: str


class Guide:
    """The progress of all sessions. Every method runs within a transaction; those that store, within one of the writer.

    Args:
        flows: Which the sessions name.
        audit: Gets an entry for a sealed value that a correction deletes; None keeps none.
    """

    def __init__(self, flows: Flows, audit: AuditTrail | None = None) -> None:
        self._flows = flows
        self._audit = audit

    def flow(self, session: SessionRow) -> FlowDefinition:
        """The flow of a session.

        Raises:
            NotFound: FLOW_NOT_FOUND.
        """
        return self._flows.get(session.flow, session.flow_version)

    def progress(self, cursor: Cursor, session: SessionRow) -> Progress:
        """How far a session is.

        Raises:
            NotFound: FLOW_NOT_FOUND.
        """
        return progress_of(self.flow(session), session.facts, answers.list_of_session(cursor, session.id))

    def guidance(self, cursor: Cursor, session: SessionRow) -> Guidance:
        """How far a session is, in its language.

        Raises:
            NotFound: FLOW_NOT_FOUND.
        """
        language = self.flow(session).language(sessions.language_of(cursor, session))
        return Guidance(self.progress(cursor, session), language)

    def heard(
        self,
        cursor: Cursor,
        session: SessionRow,
        turn: TurnRow,
        *,
        known: str | None,
        sealed: Sequence[SealedValue] = (),
    ) -> Change:
        """Store what a turn answers, and what is sealed of it.

        Args:
            cursor: Within the transaction that stores the turn.
            session: As this transaction has read it.
            turn: With numbers in its tags.
            known: Field of the question that the person knew when they began; empty where they knew that nothing was
                open, None where they knew no question. Only where it is still open the turn answers it.
            sealed: What the workers sealed or hashed of it, for each field that may have it.
        """
        way: Way = "text" if turn.source == "typed" else "speech"
        language = turn.language or sessions.language_of(cursor, session) or "en"
        material = AnswerText(turn.text, way, language, session.day(turn.create_time))
        noted = NotedAnswers(self.flow(session), cursor, session)
        current = noted.before.current
        asked = known == (current.field.name if current is not None else "")
        change = noted.add(answers_in(noted.before, material, asked=asked, source_id=turn.id), turn.create_time)
        own = sealed_of_fields(noted.before, material, current if asked else None, sealed)
        return self._with_sealed(cursor, session, change, turn.id, own, turn.create_time, told=True)

    def read(
        self,
        cursor: Cursor,
        session: SessionRow,
        upload: UploadRow,
        now: datetime,
        *,
        sealed: Sequence[SealedValue] = (),
    ) -> Change:
        """Store what a picture answers, and what is sealed of it or of a recording.

        Args:
            cursor: Within the transaction that stores what was read in it.
            session: As this transaction has read it.
            upload: The picture or recording, which was read.
            now: When.
            sealed: What the workers sealed or hashed of it, for each field that may have it.
        """
        change = self._seen(cursor, session, upload, now)
        return self._with_sealed(cursor, session, change, upload.shown_id, sealed, now)

    def _seen(self, cursor: Cursor, session: SessionRow, upload: UploadRow, now: datetime) -> Change:
        noted = NotedAnswers(self.flow(session), cursor, session)
        earlier = [row for row in uploads.list_of_session(cursor, session.id) if row.id != upload.id]
        language = sessions.language_of(cursor, session) or "en"
        pictures = [_picture(row, language, session) for row in (*earlier, upload) if row.state is UploadState.DONE]
        if not pictures or upload.state is not UploadState.DONE or upload.media_type.startswith("audio/"):
            return Change(noted.before)
        step = noted.at(upload.create_time).step
        counted = answers_of_photograph(noted.before, photographs_of([*earlier, upload]), upload.shown_id)
        read = answers_of_picture(noted.before, pictures, upload.shown_id, step=step)
        return noted.add([*counted, *read], now)

    def _with_sealed(
        self,
        cursor: Cursor,
        session: SessionRow,
        change: Change,
        source_id: str,
        sealed: Sequence[SealedValue],
        now: datetime,
        *,
        told: bool = False,
    ) -> Change:
        """Store the sealed values that belong to the fields they are sealed for, and delete those that they correct.

        What a turn tells beside its answers may be another person's, so it is not stored.
        """
        flow = self.flow(session)
        answered = {
            one.field.name
            for one in change.progress.fields
            if one.source_id == source_id and one.state in (FieldState.ANSWERED, FieldState.DISPUTED)
        }
        own = [
            value
            for value in sealed
            if value.field not in flow.fields
            or value.field in answered
            or (not told and len(sharing(flow, value.type)) == 1)
        ]
        stored = sealed_values.store(cursor, session.id, source_id, own, now)
        if change.made:
            for field in sorted(answered):
                supersede_sealed(cursor, self._audit, session.id, field, kept_source=source_id)
        return replace(change, sealed=stored)

    def find(self, progress: Progress, field: str) -> FieldProgress:
        """A field that comes up.

        Raises:
            NotFound: FIELD_NOT_FOUND.
        """
        one = progress.find(field)
        if one is None:
            raise NotFound(
                "The session has no such field.",
                reason=Reason.FIELD_NOT_FOUND,
                hint="Session.progress lists the fields that come up, FlowService.GetFlow all.",
            )
        return one

    def answer(
        self,
        cursor: Cursor,
        session: SessionRow,
        field: str,
        value: RedactedText,
        now: datetime,
        sealed: Sequence[SealedValue] = (),
    ) -> Change:
        """Store a value that the app gives, redacted. The same value again changes nothing.

        Args:
            cursor: Within a transaction of the writer.
            session: As this transaction has read it.
            field: Its name.
            value: What is kept of it.
            now: When it came.
            sealed: What the workers sealed or hashed of it.

        Raises:
            NotFound: FIELD_NOT_FOUND, or the field does not come up.
            InvalidInput: ANSWER_INVALID, with what is wrong; also for a text that the redactor does not vouch for.
        """
        noted = NotedAnswers(self.flow(session), cursor, session)
        one = self.find(noted.before, field)
        if problem := problem_of(one.field, value):
            raise wrong_answer(one.field, problem)
        if not value.safe_for_llm:
            raise wrong_answer(one.field, "cannot be redacted for certain", hint="Send it again in other words.")
        same = one.state is FieldState.ANSWERED and one.field.equal(one.value.value, value.value)
        known = {each.hash for each in sealed_values.of_source(cursor, session.id, one.source_id)}
        if same and one.way == "app" and all(each.hash in known for each in sealed):
            return Change(noted.before)
        row = Answer(one.step.name, field, AnswerStatus.ANSWERED, value, "app", _new_id())
        return self._with_sealed(cursor, session, noted.add([row], now), row.source_id, sealed, now)

    def skip(self, cursor: Cursor, session: SessionRow, step: str, now: datetime) -> Change:
        """Skip what is open of a step. Repeating it changes nothing.

        Of a step that is not skippable, the optional fields up to the next required one are skipped.

        Raises:
            NotFound: STEP_NOT_FOUND, or the step does not come up.
            Conflict: STEP_NOT_SKIPPABLE.
        """
        noted = NotedAnswers(self.flow(session), cursor, session)
        fields = [each for each in noted.before.fields if each.step.name == step]
        if not fields:
            raise NotFound(
                "The session has no such step.",
                reason=Reason.STEP_NOT_FOUND,
                hint="Session.progress lists the steps that come up, FlowService.GetFlow all.",
            )
        left = [each for each in fields if each.open]
        skipped = left if fields[0].step.skippable else list(takewhile(lambda each: not each.field.required, left))
        if left and not skipped:
            raise Conflict(
                f"The step {step} cannot be skipped.",
                reason=Reason.STEP_NOT_SKIPPABLE,
                hint="Answer its required fields.",
            )
        return noted.add([_row(each, AnswerStatus.SKIPPED) for each in skipped], now)

    def reopen(self, cursor: Cursor, session: SessionRow, field: str, now: datetime) -> Change:
        """Ask for a field again. Repeating it changes nothing.

        Raises:
            NotFound: FIELD_NOT_FOUND, or the field does not come up.
        """
        noted = NotedAnswers(self.flow(session), cursor, session)
        one = self.find(noted.before, field)
        return noted.add([_row(one, AnswerStatus.REOPENED)], now) if one.can_reopen else Change(noted.before)


def _row(one: FieldProgress, status: AnswerStatus) -> Answer:
    return Answer(one.step.name, one.field.name, status, NO_VALUE, "app", _new_id())


def _new_id() -> str:
    """Id of something that an app did. A record names it as the source of a value."""
    return str(uuid.uuid4())


def _picture(row: UploadRow, language: str, session: SessionRow) -> AnswerText:
    return AnswerText(row.text or NO_VALUE, "picture", language, session.day(row.create_time), row.kind)
