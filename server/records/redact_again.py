"""Redacts the texts of the ledger again, because a rule or a policy has changed since they were stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from models.redaction.types import Redactor
from server.flows.definition import FlowDefinition
from server.flows.loader import shipped_flows
from server.ledger import (
    daily_events,
    events,
    flows,
    model_comparisons,
    redactions,
    sessions,
    stored_texts,
    tag_numbers,
    turns,
)
from server.ledger.columns import Cursor
from server.ledger.event_declarations import all_declarations
from server.ledger.locks import lock_sessions
from server.ledger.record_text import record_text
from server.ledger.redactions import EVENTS_OF_APPS
from server.ledger.stored_texts import EventTexts, SessionTexts
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, TurnRow
from server.llm.record_schema import canonical_json, content_hash, messages_of, with_strings
from server.records.declared_events import declared_words
from server.records.events import make_event
from server.records.machine_words import REDACTED
from server.records.stored_text_redactor import ChangedRecord, SessionChanges, StoredTextRedactor, Tally

SESSIONS_AT_A_TIME = 16
EVENTS_AT_A_TIME = 256
"""In one transaction. An interrupted run keeps the batches that it finished."""

REDACTED_AGAIN = "redacted_again"
"""Name of the event that each changed session gets."""

Progress = Callable[[int, int], None]
"""Gets the sessions and events that are done, and how many there are."""


class LedgerRedaction:
    """One run over a ledger. It may be repeated, also after it was interrupted.

    A session is done once with the same rules: to redact a redacted text again and again would add a tag here and
    there, because a tag is context too.

    Args:
        ledger: Opened by this process alone.
        redactor: With today's rules and policies.
        rules: What identifies these rules and policies.
        clock: For the rows and events that tell of the run.
        dry_run: Whether to count only, and store nothing.
        progress: Gets the progress.
    """

    def __init__(
        self, ledger: Ledger, redactor: Redactor, rules: str, clock: Clock, *, dry_run: bool, progress: Progress
    ) -> None:
        self._ledger = ledger
        self._redactor = StoredTextRedactor(redactor)
        self._rules = rules
        self._clock = clock
        self._dry_run = dry_run
        self._progress = progress
        self._field_names: frozenset[str] = frozenset()
        self._flows: dict[tuple[str, int], FlowDefinition] = {}

    async def run(self) -> Tally:
        """Redact all texts.

        Raises:
            RedactionFailed: A text could not be redacted. The batches before it are stored.
            Unavailable: The ledger refused.
        """
        began = self._clock()
        known = [*shipped_flows(), *await self._ledger.read(flows.stored)]
        self._field_names = frozenset(name for flow in known for name in flow.fields)
        self._flows = {(flow.name, flow.version): flow for flow in known}
        ids = await self._ledger.read(stored_texts.session_ids)
        since = await self._ledger.read(lambda cursor: redactions.last(cursor, EVENTS_OF_APPS, self._rules))
        total = len(ids) + await self._ledger.read(lambda cursor: stored_texts.number_of_app_events(cursor, since))
        for at in range(0, len(ids), SESSIONS_AT_A_TIME):
            await self._sessions(ids[at : at + SESSIONS_AT_A_TIME])
            self._progress(min(at + SESSIONS_AT_A_TIME, len(ids)), total)
        await self._events(since, len(ids), total)
        if not self._dry_run:
            await self._ledger.write(lambda cursor: redactions.store(cursor, EVENTS_OF_APPS, self._rules, began))
        return self._redactor.tally

    async def _sessions(self, ids: list[str]) -> None:
        changed: dict[str, SessionChanges] = {}
        for session_id in ids:
            texts, last = await self._ledger.read(partial(self._texts, session_id))
            if last is not None and texts.newest <= last:
                self._redactor.tally.skipped += 1
            else:
                flow = self._flows.get((texts.session.flow, texts.session.flow_version))
                changed[session_id] = self._redactor.session(texts, self._field_names, flow)
        if self._dry_run or not changed:
            return

        def write(cursor: Cursor) -> None:
            lock_sessions(cursor, changed)
            _store(cursor, changed, self._clock())
            for session_id in changed:
                # They compare texts of other rules.
                model_comparisons.delete_of_session(cursor, session_id)
                redactions.store(cursor, session_id, self._rules, self._clock())

        await self._ledger.write(write)

    def _texts(self, session_id: str, cursor: Cursor) -> tuple[SessionTexts, datetime | None]:
        return stored_texts.of_session(cursor, session_id), redactions.last(cursor, session_id, self._rules)

    async def _events(self, since: datetime | None, done: int, total: int) -> None:
        last_id = ""
        declared = declared_words(await self._ledger.read(all_declarations), await self._ledger.read(flows.stored))
        while listed := await self._ledger.read(partial(_next_events, last_id, since)):
            changed = self._redactor.events(listed, declared)
            if not self._dry_run:
                await self._ledger.write(partial(_store_events, changed, self._clock()))
            last_id, done = listed[-1].id, done + len(listed)
            self._progress(done, total)
        names = [
            (client_id, name)
            for client_id, name in await self._ledger.read(daily_events.names_of_apps)
            if name not in declared.of_client(client_id)
        ]
        personal = self._redactor.personal_names({name for _, name in names})
        renamed = [(client_id, name) for client_id, name in names if name in personal]
        if renamed and not self._dry_run:
            await self._ledger.write(lambda cursor: daily_events.rename(cursor, renamed, REDACTED))


def _next_events(after_id: str, since: datetime | None, cursor: Cursor) -> list[EventTexts]:
    return stored_texts.app_events(cursor, after_id, since, EVENTS_AT_A_TIME)


def _store_events(changed: dict[str, SessionChanges], now: datetime, cursor: Cursor) -> None:
    _store(cursor, changed, now)


def _store(cursor: Cursor, changed: dict[str, SessionChanges], now: datetime) -> None:
    """Store the changes of several sessions, each with the event that tells of it."""
    for session_id, changes in changed.items():
        if not changes.texts:
            continue
        for turn in changes.turns:
            _store_turn(cursor, turn)
        for upload_id, text in changes.uploads:
            [numbered] = tag_numbers.numbered(cursor, session_id, [text])
            stored_texts.replace_upload_text(cursor, upload_id, numbered)
        for upload_id, name in changes.upload_names:
            [numbered] = tag_numbers.numbered(cursor, session_id, [name])
            stored_texts.replace_upload_name(cursor, upload_id, numbered)
        for upload_id, labels in changes.labels:
            stored_texts.replace_labels(cursor, upload_id, labels)
        for comment_id, text in changes.comments:
            [numbered] = tag_numbers.numbered(cursor, session_id, [text])
            stored_texts.replace_comment(cursor, comment_id, numbered)
        for row_id, value in changes.answers:
            [numbered] = tag_numbers.numbered(cursor, session_id, [value])
            stored_texts.replace_answer(cursor, row_id, numbered)
        for record in changes.records:
            _store_record(cursor, record)
        stored_texts.replace_events(cursor, changes.events)
        session = sessions.get(cursor, session_id)
        event = make_event(session, REDACTED_AGAIN, now, texts=changes.texts, entities=changes.entities)
        events.append(cursor, event)


def _store_turn(cursor: Cursor, turn: TurnRow) -> None:
    numbered = tag_numbers.numbered_turn(cursor, turn)
    if turn.reply is not None:
        [reply] = tag_numbers.numbered(cursor, turn.session_id, [turn.reply])
        numbered = replace(numbered, reply=reply)
    turns.replace_texts(cursor, numbered)


def _store_record(cursor: Cursor, changed: ChangedRecord) -> None:
    """Store a record. Its hash changes too, because with the earlier one a guess at the value could be tested."""
    row = changed.row
    parts = tag_numbers.numbered(cursor, row.session_id, changed.parts)
    record = with_strings(changed.record, [part.value for part in parts])
    text = record_text(canonical_json(record), [*parts, *messages_of(record)]).after(row.record)
    stored_texts.replace_record(cursor, row.id, text, content_hash(record))
