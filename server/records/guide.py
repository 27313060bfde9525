"""Guides sessions through their flows: reads answers, stores them with their events, and says what is asked next."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.errors import Conflict, NotFound
from models.reasons import Reason
from models.sealed_values import SealedValue
from models.text import RedactedText
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition, Step, Way
from server.flows.dialogue import answers_in, answers_of_picture
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
from server.ledger import answers, events, sealed_values, sessions, uploads
from server.ledger.columns import Cursor
from server.ledger.types import EventRow, SessionRow, TurnRow, UploadRow, UploadState
from server.records.answer_problems import problem_of, wrong_answer
from server.records.events import make_event


@dataclass(frozen=True, slots=True)
class Change:
    """How far a session is now, and whether something was stored."""

    progress: Progress
    made: bool = False


@dataclass(frozen=True, slots=True)
class Guidance:
    """How far a session is, and the language in which that is told."""

    progress: Progress
    language: str


class Guide:
    """The progress of all sessions. Every method runs within a transaction; those that store, within one of the writer.

    Args:
        flows: Which the sessions name.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows

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
        spoken = session.language or sessions.languages_of(cursor, [session.id]).get(session.id, "")
        return Guidance(self.progress(cursor, session), self.flow(session).language(spoken))

    def heard(self, cursor: Cursor, session: SessionRow, turn: TurnRow, *, asked: bool) -> Change:
        """Store what a turn answers.

        Args:
            cursor: Within the transaction that stores the turn.
            session: As this transaction has read it.
            turn: With numbers in its tags.
            asked: Whether the open question was put to the person.
        """
        way: Way = "text" if turn.source == "typed" else "speech"
        language = turn.language or session.language or "en"
        material = AnswerText(turn.text, way, language, turn.create_time.date())
        noted = _Noted(self, cursor, session)
        return noted.add(answers_in(noted.before, material, asked=asked, source_id=turn.id), turn.create_time)

    def read(self, cursor: Cursor, session: SessionRow, upload: UploadRow, now: datetime) -> Change:
        """Store what a picture answers.

        Args:
            cursor: Within the transaction that stores what was read in it.
            session: As this transaction has read it.
            upload: The picture, which was read.
            now: When.
        """
        noted = _Noted(self, cursor, session)
        earlier = [row for row in uploads.list_of_session(cursor, session.id) if row.id != upload.id]
        language = session.language or "en"
        pictures = [_picture(row, language) for row in (*earlier, upload) if row.state is UploadState.DONE]
        if not pictures or upload.state is not UploadState.DONE:
            return Change(noted.before)
        return noted.add(answers_of_picture(noted.before, pictures, upload.shown_id), now)

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
        noted = _Noted(self, cursor, session)
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
        sealed_values.store(cursor, session.id, row.source_id, sealed, now)
        return noted.add([row], now)

    def skip(self, cursor: Cursor, session: SessionRow, step: str, now: datetime) -> Change:
        """Skip what is open of a step. Repeating it changes nothing.

        Raises:
            NotFound: STEP_NOT_FOUND, or the step does not come up.
            Conflict: STEP_NOT_SKIPPABLE.
        """
        noted = _Noted(self, cursor, session)
        fields = [each for each in noted.before.fields if each.step.name == step]
        if not fields:
            raise NotFound(
                "The session has no such step.",
                reason=Reason.STEP_NOT_FOUND,
                hint="Session.progress lists the steps that come up, FlowService.GetFlow all.",
            )
        left = [each for each in fields if each.open]
        if not fields[0].step.skippable and any(each.field.required for each in left):
            raise Conflict(
                f"The step {step} cannot be skipped.",
                reason=Reason.STEP_NOT_SKIPPABLE,
                hint="Answer its required fields.",
            )
        return noted.add([_row(each, AnswerStatus.SKIPPED) for each in left], now)

    def reopen(self, cursor: Cursor, session: SessionRow, field: str, now: datetime) -> Change:
        """Ask for a field again. Repeating it changes nothing.

        Raises:
            NotFound: FIELD_NOT_FOUND, or the field does not come up.
        """
        noted = _Noted(self, cursor, session)
        one = self.find(noted.before, field)
        return Change(noted.before) if one.open else noted.add([_row(one, AnswerStatus.REOPENED)], now)


class _Noted:
    """The progress of one session before some answers, and what is stored when they come."""

    def __init__(self, guide: Guide, cursor: Cursor, session: SessionRow) -> None:
        self._flow = guide.flow(session)
        self._cursor = cursor
        self._session = session
        self._stored = answers.list_of_session(cursor, session.id)
        self.before = self._progress(())

    def add(self, rows: Sequence[Answer], now: datetime) -> Change:
        """Store answers, and the steps to which the person comes with them, with an event for each."""
        after = self._progress(rows)
        entered = [_entered(step) for step in _steps_reached(after) if step.name not in after.entered]
        if not rows and not entered:
            return Change(self.before)
        answers.append(self._cursor, self._session.id, self._flow, [*rows, *entered], len(self._stored), now)
        self._tell(rows, entered, after, now)
        return Change(self._progress([*rows, *entered]), made=True)

    def _progress(self, rows: Sequence[Answer]) -> Progress:
        return progress_of(self._flow, self._session.facts, [*self._stored, *rows])

    def _tell(self, rows: Sequence[Answer], entered: Sequence[Answer], after: Progress, now: datetime) -> None:
        for row in entered:
            events.append(self._cursor, make_event(self._session, f"step_{row.step}", now))
        for row in rows:
            had = self.before.find(row.field)
            events.append(self._cursor, self._event(row, now, again=had is not None and bool(had.value)))
        disputed = {one.field.name for one in self.before.fields if one.state is FieldState.DISPUTED}
        for one in after.fields:
            if one.state is FieldState.DISPUTED and one.field.name not in disputed:
                asked = make_event(self._session, "disagreement_asked", now, field=one.field.name, step=one.step.name)
                events.append(self._cursor, asked)

    def _event(self, row: Answer, now: datetime, *, again: bool) -> EventRow:
        session, field, step, way = self._session, row.field, row.step, row.way
        if row.status is AnswerStatus.SKIPPED:
            return make_event(session, "step_skipped", now, field=field, step=step, way=way)
        if row.status is AnswerStatus.REOPENED:
            return make_event(session, "field_reopened", now, field=field, step=step, way=way)
        return make_event(
            session, "field_corrected" if again else "field_answered", now, field=field, step=step, way=way
        )


def _steps_reached(progress: Progress) -> list[Step]:
    """The steps up to the one that is asked now."""
    steps = list(progress.steps)
    return steps if progress.step is None else steps[: steps.index(progress.step) + 1]


def _entered(step: Step) -> Answer:
    return Answer(step.name, "", AnswerStatus.ENTERED, NO_VALUE, "app")


def _row(one: FieldProgress, status: AnswerStatus) -> Answer:
    return Answer(one.step.name, one.field.name, status, NO_VALUE, "app", _new_id())


def _new_id() -> str:
    """Id of something that an app did. A record names it as the source of a value."""
    return str(uuid.uuid4())


def _picture(row: UploadRow, language: str) -> AnswerText:
    return AnswerText(row.text or NO_VALUE, "picture", language, row.create_time.date(), row.kind)
