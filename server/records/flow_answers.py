"""Answers that an app gives as values, and what it skips or opens again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from models.kept_values import BETWEEN, GIVEN
from models.redaction.dialogue_context import answering
from models.redaction.types import Redaction, RedactionContext
from models.sealed_values import SealedValue
from models.text import Entity, RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.access import ownership
from server.access.caller import current_caller
from server.flows.asking import answer_hints, asked_for
from server.flows.fields import ChoiceField, Keep, PersonalField, TextField, YesNoField
from server.flows.progress import FieldProgress
from server.ledger import sessions, tag_numbers
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, SessionRow
from server.records.answer_problems import problem_of, wrong_answer
from server.records.guide import Guidance, Guide
from server.records.keyed_texts import label_prefix, told_by_key
from server.records.noted_answers import Change
from server.records.pubsub import PubSub
from server.records.session_progress import note_new_input
from server.records.session_scope import scope_of
from server.sealed.requests import NOTHING_SEALED, Seals

_REDACT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a value, and what the workers sealed or hashed of it."""

    text: RedactedText
    sealed: tuple[SealedValue, ...] = ()


class FlowAnswers:
    """Stores answers of apps for sessions of the current caller.

    Args:
        ledger: Holds the answers.
        gateway: Redacts the values.
        pubsub: Gets every change.
        guide: Knows how far the sessions are.
        clock: The time now.
        seals: Says which personal values are sealed or hashed.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        pubsub: PubSub,
        guide: Guide,
        clock: Clock,
        seals: Seals = NOTHING_SEALED,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._pubsub = pubsub
        self._guide = guide
        self._clock = clock
        self._seals = seals

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
            # A flow may have no texts in the language that the person writes.
            language = sessions.language_of(cursor, session) or guidance.language
            return session, self._guide.find(guidance.progress, field), language

        session, one, language = await self._ledger.read(read)
        kept = await self._redacted(session, one, value, language)

        def store(cursor: Cursor, row: SessionRow) -> Change:
            [numbered] = tag_numbers.numbered(cursor, row.id, [kept.text])
            return self._guide.answer(cursor, row, field, numbered, self._clock(), kept.sealed)

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
            session = sessions.held(cursor, ownership.session(cursor, session_id, caller))
            sessions.check_open(session)
            change = store(cursor, session)
            if change.made:
                session, _ = note_new_input(cursor, session, self._clock())
                ownership.note_participant(cursor, session.id, caller)
            return replace(self._guide.guidance(cursor, session), progress=change.progress), session, change.made

        guidance, session, made = await self._ledger.write(write)
        if made:
            self._pubsub.publish(session, session.id)
        return guidance

    async def _redacted(self, session: SessionRow, one: FieldProgress, value: str, language: str) -> _Kept:
        """What is kept of the value: of a personal one what its flow says; else it is read alone and beside its label.

        Raises:
            InvalidInput: ANSWER_INVALID; the message does not hold the value.
        """
        field = one.field
        if not isinstance(field, TextField | PersonalField):
            if problem := problem_of(field, RedactedText.literal(value)):
                raise wrong_answer(field, problem)
            if isinstance(field, ChoiceField | YesNoField):
                return _Kept(RedactedText.literal(value))
        seal = self._seals.request(session) if isinstance(field, PersonalField) else None
        scope = scope_of(session, self._guide.flow(session), seal)
        context = answering(
            RedactionContext(TextSource.TYPED, language, scope=scope),
            asked_for(field),
            answer_hints(field, self._guide.flow(session), language),
        )
        if isinstance(field, PersonalField):
            [typed] = await self._gateway.redact([RawText(value)], context, timeout_s=_REDACT_TIMEOUT_S)
            others = self._guide.flow(session).fields.keys() - {field.name}
            return _personal(field, typed, others)
        prefix = label_prefix(field, language, value)
        texts = [RawText(value), *([RawText(f"{prefix}{value}")] * bool(prefix))]
        alone, *keyed = await self._gateway.redact(texts, context, timeout_s=_REDACT_TIMEOUT_S)
        return _Kept(told_by_key(alone, keyed[0], prefix).text if keyed else alone.text)


def _personal(field: PersonalField, typed: Redaction, others: Collection[str]) -> _Kept:
    """What is kept of a personal value: that it was given, also where the redactor has not found it, or its tags.

    Nothing else of the text is kept. What is sealed or hashed of it is stored beside that, as it is of a turn.

    Args:
        field: That it was given for.
        typed: The value as the workers redacted it.
        others: Names of the other fields of the flow, of which a value may have the same type.
    """
    sealed = tuple(value for value in typed.sealed if value.type in field.accepted and value.field not in others)
    if field.keep is Keep.GIVEN:
        return _Kept(RedactedText.literal(GIVEN), sealed)
    kind = next((entity for entity in field.accepted if typed.text.counts.get(entity)), None)
    if kind is None:
        return _Kept(RedactedText.literal(""))
    if field.keep is not Keep.TAG:
        return _Kept(replace(RedactedText.tag(kind), value=GIVEN), sealed)
    tags = {each.identity or each.written: each for each in typed.entities if each.type == kind}
    return _Kept(RedactedText.join(map(_tag, tags.values()), BETWEEN) if tags else RedactedText.tag(kind), sealed)


def _tag(entity: Entity) -> RedactedText:
    """The tag of an entity. A mask is none: it shows a part of the value."""
    written = RedactedText.in_place_of(entity)
    return written if written.value.startswith(f"[REDACTED_{entity.type}") else RedactedText.tag(entity.type)
