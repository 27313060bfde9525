"""Redacts texts that are stored, with today's rules. ``redact_again`` stores the result.

What is stored has tags already, and a redactor leaves tags alone. So this can only add tags: nothing is restored, and a
text that the LLM must not see stays withheld.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from models.media.file_names import in_file_name, split_extension
from models.redaction.dialogue_context import answering, asked_for
from models.redaction.streaming.word_timings import redacted_words
from models.redaction.types import Redaction, RedactionContext, RedactionScope, Redactor
from models.speech.types import RedactedWord, Segment, Transcript, Word
from models.text import Entity, RawText, RedactedText, TextSource
from server.flows.asking import asked_again
from server.flows.definition import FlowDefinition
from server.ledger.event_properties import TypedValue
from server.ledger.picture_labels import PictureLabel
from server.ledger.stored_texts import EventTexts, SessionTexts
from server.ledger.types import RecommendationRow, TurnRow, UploadRow
from server.llm.field_names import DECLARED
from server.llm.record_schema import stored_record, values_of, without_names
from server.llm.types import OnboardingRecord
from server.records.declared_events import DeclaredWords
from server.records.keyed_texts import key_prefix, told_by_key
from server.records.machine_words import REDACTED, as_text, with_safe_keys
from server.records.program_words import is_of_programs
from server.records.redact_output import asked_by_field
from server.records.session_scope import scope_of


@dataclass(slots=True)
class Tally:
    """What was found.

    Attributes:
        texts: Texts that were looked at, by kind: turn, reply, upload, name (of an upload), label, record, answer,
            comment, event.
        changed: Those of them that change.
        added: New tags by entity type.
        renamed: Names of events, of their properties and of fields that gave a person away and became neutral.
        withheld: Texts that change in that the LLM does not get them any more.
        skipped: Sessions that were redacted again with the same rules before.
    """

    texts: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    renamed: int = 0
    withheld: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class ChangedRecord:
    """A record whose fields have neutral names, and its free texts, redacted again."""

    row: RecommendationRow
    record: OnboardingRecord
    parts: list[RedactedText]


@dataclass(slots=True)
class SessionChanges:
    """What changes in one session: the new rows, the number of texts, and the number of new tags."""

    turns: list[TurnRow] = field(default_factory=list)
    uploads: list[tuple[str, RedactedText]] = field(default_factory=list)
    upload_names: list[tuple[str, RedactedText]] = field(default_factory=list)
    labels: list[tuple[str, list[PictureLabel]]] = field(default_factory=list)
    answers: list[tuple[str, RedactedText]] = field(default_factory=list)
    records: list[ChangedRecord] = field(default_factory=list)
    comments: list[tuple[str, RedactedText]] = field(default_factory=list)
    events: list[EventTexts] = field(default_factory=list)
    texts: int = 0
    entities: int = 0


class StoredTextRedactor:
    """Redacts stored texts with today's rules.

    Args:
        redactor: With today's policies, and the key of the workers.

    Attributes:
        tally: What was found so far.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._personal: dict[str, bool] = {}
        self.tally = Tally()

    def session(
        self, stored: SessionTexts, field_names: Collection[str] = (), flow: FlowDefinition | None = None
    ) -> SessionChanges:
        """What changes in a session.

        Args:
            stored: Its texts.
            field_names: Names of fields that flows have; a model made up all others.
            flow: That of the session, which says what a turn was asked for; None where it is not known.

        Raises:
            RedactionFailed: A text could not be redacted.
        """
        changes = SessionChanges()
        scope = scope_of(stored.session, flow)
        language = stored.session.language or "en"
        asked: tuple[str, ...] = ()
        for turn in stored.turns:
            changed = self._turn(turn, turn.language or language, scope, asked, changes, flow)
            if changed != turn:
                changes.turns.append(changed)
            asked = asked_for(turn.reply.value) if turn.reply else ()
        for upload in stored.uploads:
            self._upload(upload, language, scope, changes)
        for row_id, value in stored.answers:
            again = self._text("answer", value, RedactionContext(TextSource.TYPED, language, scope=scope), changes)
            if again != value:
                changes.answers.append((row_id, again))
        for row in stored.records:
            context = RedactionContext(TextSource.ASSISTANT, language, scope=scope)
            self._record(row, context, field_names, changes)
        typed = RedactionContext(TextSource.TYPED, language, scope=scope)
        for comment in stored.comments:
            if comment.text and (again := self._text("comment", comment.text, typed, changes)) != comment.text:
                changes.comments.append((comment.id, again))
        return changes

    def events(self, stored: list[EventTexts], declared: DeclaredWords) -> dict[str, SessionChanges]:
        """What changes in the names and properties of events, by session. They follow the default policy.

        Args:
            stored: The events. Typed values hold no text and stay.
            declared: Names and keys that clients and flows have declared. In events of these clients they stay, too:
                somebody made sure then that they name nobody.
        """
        by_session: dict[str, SessionChanges] = {}
        for event in stored:
            changes = by_session.setdefault(event.session_id, SessionChanges())
            known = declared.of_client(event.client_id)
            words = [word for word in (event.name, *event.properties) if word not in known]
            personal = self._personal_among(words, changes)
            keys, language = with_safe_keys(event.properties, personal), event.language or "en"
            properties = {
                keys[key]: value if isinstance(value, TypedValue) else self._property(key, value, language, changes)
                for key, value in event.properties.items()
            }
            again = replace(event, name=REDACTED if event.name in personal else event.name, properties=properties)
            if again != event:
                changes.events.append(again)
        return by_session

    def personal_names(self, names: Iterable[str]) -> set[str]:
        """Those names of events in which something personal is found."""
        return self._personal_among(names, SessionChanges())

    def _turn(
        self,
        turn: TurnRow,
        language: str,
        scope: RedactionScope,
        asked: tuple[str, ...],
        changes: SessionChanges,
        flow: FlowDefinition | None,
    ) -> TurnRow:
        context = RedactionContext(TextSource(turn.source), language, scope=scope)
        context = asked_again(context, turn.asked_field, asked, flow)
        redaction = self._redactor.redact(RawText(turn.text.value.strip()), context)
        text = self._judged("turn", turn.text, redaction, changes)
        words = _words_again(turn, redaction) if turn.words and redaction.entities else turn.words
        reply = turn.reply
        if reply is not None:
            reply = self._text("reply", reply, RedactionContext(TextSource.ASSISTANT, language, scope=scope), changes)
        return replace(turn, text=text, words=words, reply=reply)

    def _upload(self, row: UploadRow, language: str, scope: RedactionScope, changes: SessionChanges) -> None:
        """Redact the text of an upload. Its own language is not stored, so it is read in that of the session."""
        recording = row.media_type.startswith("audio/")
        source, kind = (TextSource.SPEECH, "") if recording else (TextSource.OCR, row.kind)
        context = RedactionContext(source, language, document_type=kind, scope=scope)
        if row.text is not None and (again := self._text("upload", row.text, context, changes)) != row.text:
            changes.uploads.append((row.id, again))
        if row.display_name is not None:
            typed = RedactionContext(TextSource.TYPED, language, scope=scope)
            self._name(row.id, row.display_name, in_file_name(typed), changes)

        if row.labels:
            self._labels(row.id, row.labels, RedactionContext(TextSource.ASSISTANT, language, scope=scope), changes)

    def _labels(
        self, upload_id: str, stored: Sequence[PictureLabel], context: RedactionContext, changes: SessionChanges
    ) -> None:
        """Redact the labels of a picture; those that are not safe any more are dropped."""
        again = [replace(label, text=self._text("label", label.text, context, changes)) for label in stored]
        if again != list(stored):
            changes.labels.append((upload_id, [label for label in again if label.text.safe_for_llm]))

    def _name(self, upload_id: str, stored: RedactedText, context: RedactionContext, changes: SessionChanges) -> None:
        """Redact a display name; its extension is left out, because alone it looks like anything."""
        stem, extension = split_extension(stored.value)
        redaction = self._redactor.redact(RawText(stem), context)
        again = RedactedText.join([redaction.text, RedactedText.literal(extension)], "")
        if (name := self._judged("name", stored, replace(redaction, text=again), changes)) != stored:
            changes.upload_names.append((upload_id, name))

    def _record(
        self, row: RecommendationRow, context: RedactionContext, field_names: Collection[str], changes: SessionChanges
    ) -> None:
        """Redact the summary and the values of a record, each value as the answer to a question for its field, and
        names that a model made up for fields.
        """
        record = stored_record(row.record.value)
        named = {*(field.name for field in record.fields), *record.missing} - set(field_names)
        made_up = {name for name in named if not DECLARED.declares(name)}
        personal = self._personal_among(made_up, changes)
        contexts = [context, *(answering(context, asked_by_field(name)) for name, _value in values_of(record))]
        stored = [record.summary, *(value for _name, value in values_of(record))]
        redactions = [self._redactor.redact(RawText(text), one) for text, one in zip(stored, contexts, strict=True)]
        parts = [redaction.text for redaction in redactions]
        entities = [entity for redaction in redactions for entity in redaction.entities]
        withheld = row.record.safe_for_llm and not all(part.safe_for_llm for part in parts)
        changed = bool(entities) or withheld or [part.value for part in parts] != stored
        self._count("record", entities, changes, changed=changed, withheld=withheld)
        if changed or personal:
            changes.records.append(ChangedRecord(row, without_names(record, personal), parts))

    def _personal_among(self, words: Iterable[str], changes: SessionChanges) -> set[str]:
        """Those of the machine words in which something personal is found. They become neutral."""
        found = set()
        for word in words:
            if is_of_programs(word):
                continue
            if word not in self._personal:
                redaction = self._redactor.redact(as_text(word), RedactionContext(TextSource.TYPED))
                self._personal[word] = bool(redaction.entities)
            if self._personal[word]:
                found.add(word)
        self.tally.renamed += len(found)
        changes.texts += len(found)
        return found

    def _property(self, key: str, stored: RedactedText, language: str, changes: SessionChanges) -> RedactedText:
        """A value, also read with its key. One with a tag is read alone, because a key would name the tag's words."""
        context = RedactionContext(TextSource.TYPED, language)
        redaction = self._redactor.redact(RawText(stored.value), context)
        prefix = key_prefix(key, stored.value)
        if prefix and "[REDACTED_" not in stored.value:
            keyed = self._redactor.redact(RawText(f"{prefix}{stored.value}"), context)
            redaction = told_by_key(redaction, keyed, prefix)
        return self._judged("event", stored, redaction, changes)

    def _text(
        self, kind: str, stored: RedactedText, context: RedactionContext, changes: SessionChanges
    ) -> RedactedText:
        return self._judged(kind, stored, self._redactor.redact(RawText(stored.value), context), changes)

    def _judged(self, kind: str, stored: RedactedText, redaction: Redaction, changes: SessionChanges) -> RedactedText:
        """The text as it is to be stored; the stored one if nothing changes."""
        again = redaction.text.after(stored)
        withheld = stored.safe_for_llm and not again.safe_for_llm
        changed = bool(redaction.entities) or withheld or again.value != stored.value
        self._count(kind, redaction.entities, changes, changed=changed, withheld=withheld)
        return again if changed else stored

    def _count(
        self, kind: str, entities: Sequence[Entity], changes: SessionChanges, *, changed: bool, withheld: bool
    ) -> None:
        self.tally.texts[kind] += 1
        self.tally.changed[kind] += changed
        self.tally.withheld += withheld
        self.tally.added.update(entity.type for entity in entities)
        changes.texts += changed
        changes.entities += len(entities)


def _words_again(turn: TurnRow, redaction: Redaction) -> tuple[RedactedWord, ...]:
    """The words of a turn; what a new tag covers becomes one word."""
    words = tuple(Word(RawText(w.text.value), w.start_s, w.end_s, w.confidence) for w in turn.words)
    segment = Segment(RawText(turn.text.value.strip()), turn.start_s, turn.end_s, turn.confidence, words=words)
    return redacted_words(Transcript((segment,), turn.language, turn.end_s, 0.0), redaction)
