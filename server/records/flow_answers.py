"""Answers that an app gives as values, and what it skips or opens again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from models.kept_values import GIVEN
from models.redaction.dialogue_context import answering
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.access import ownership
from server.access.caller import current_caller
from server.flows.asking import answer_hints, asked_for
from server.flows.fields import ChoiceField, FieldDefinition, Keep, PersonalField, TextField, YesNoField
from server.flows.progress import FieldProgress
from server.ledger import tag_numbers
from server.ledger.columns import Cursor
from server.ledger.types import Clock, SessionRow
from server.ledger.writer import Ledger
from server.records.guide import Change, Guidance, Guide, problem_of, wrong_answer
from server.records.keyed_texts import key_prefix, told_by_key
from server.records.pubsub import PubSub
from server.records.session_progress import note_new_input

_REDACT_TIMEOUT_S = 10.0


class FlowAnswers:
    """Stores answers of apps for sessions of the current caller."""

    def __init__(self, ledger: Ledger, gateway: Gateway, pubsub: PubSub, guide: Guide, clock: Clock) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._pubsub = pubsub
        self._guide = guide
        self._clock = clock

    async def answer(self, session_id: str, field: str, value: str) -> Guidance:
        """Answer a field with a value.

        Raises:
            NotFound: SESSION_NOT_FOUND, FIELD_NOT_FOUND.
            Conflict: SESSION_ENDED.
            InvalidInput: ANSWER_INVALID.
            Unavailable, DeadlineExceeded: It could not be redacted; nothing is stored.
        """
        caller = current_caller()

        def read(cursor: Cursor) -> tuple[SessionRow, FieldProgress, str]:
            session = ownership.open_session(cursor, session_id, caller)
            guidance = self._guide.guidance(cursor, session)
            return session, self._guide.find(guidance.progress, field), guidance.language

        session, one, language = await self._ledger.read(read)
        redacted = await self._redacted(session, one, value, language)

        def store(cursor: Cursor, row: SessionRow) -> Change:
            [numbered] = tag_numbers.numbered(cursor, row.id, [redacted])
            return self._guide.answer(cursor, row, field, _kept(one.field, numbered), self._clock())

        return await self._store(session_id, store)

    async def skip(self, session_id: str, step: str) -> Guidance:
        """Skip a step.

        Raises:
            NotFound: SESSION_NOT_FOUND, STEP_NOT_FOUND.
            Conflict: SESSION_ENDED, STEP_NOT_SKIPPABLE.
        """
        return await self._store(session_id, lambda cursor, row: self._guide.skip(cursor, row, step, self._clock()))

    async def reopen(self, session_id: str, field: str) -> Guidance:
        """Ask for a field again.

        Raises:
            NotFound: SESSION_NOT_FOUND, FIELD_NOT_FOUND.
            Conflict: SESSION_ENDED.
        """
        return await self._store(session_id, lambda cursor, row: self._guide.reopen(cursor, row, field, self._clock()))

    async def _store(self, session_id: str, store: Callable[[Cursor, SessionRow], Change]) -> Guidance:
        caller = current_caller()

        def write(cursor: Cursor) -> tuple[Guidance, SessionRow, bool]:
            session = ownership.open_session(cursor, session_id, caller)
            change = store(cursor, session)
            if change.made:
                session, _ = note_new_input(cursor, session, self._clock())
                ownership.note_participant(cursor, session.id, caller)
            return replace(self._guide.guidance(cursor, session), progress=change.progress), session, change.made

        guidance, session, made = await self._ledger.write(write)
        if made:
            self._pubsub.publish(session, session.id)
        return guidance

    async def _redacted(self, session: SessionRow, one: FieldProgress, value: str, language: str) -> RedactedText:
        """The value as the redactor sees it, alone and beside its label.

        Raises:
            InvalidInput: ANSWER_INVALID; the message does not hold the value.
        """
        field = one.field
        if not isinstance(field, TextField) and not _is_only_noted(field):
            if problem := problem_of(field, RedactedText.literal(value)):
                raise wrong_answer(field, problem)
            if isinstance(field, ChoiceField | YesNoField):
                return RedactedText.literal(value)
        scope = RedactionScope(session.client_id, session.id)
        context = answering(
            RedactionContext(TextSource.TYPED, language, scope=scope),
            asked_for(field),
            answer_hints(field, one.step, language),
        )
        prefix = key_prefix(field.label_in(language), value)
        texts = [RawText(value), *([RawText(f"{prefix}{value}")] * bool(prefix))]
        alone, *keyed = await self._gateway.redact(texts, context, timeout_s=_REDACT_TIMEOUT_S)
        return told_by_key(alone, keyed[0], prefix).text if keyed else alone.text


def _is_only_noted(field: FieldDefinition) -> bool:
    """Whether a record has only that a personal value was given. Other forms are made of turns and uploads alone."""
    return isinstance(field, PersonalField) and field.keep is Keep.GIVEN


def _kept(field: FieldDefinition, text: RedactedText) -> RedactedText:
    """What is kept of a value: of a personal one only that it was given, also where the redactor has not found it."""
    return RedactedText.literal(GIVEN) if isinstance(field, PersonalField) else text
