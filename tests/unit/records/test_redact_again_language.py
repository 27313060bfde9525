"""Stored texts without a language of their own are redacted again in the one that their session has detected."""

from __future__ import annotations

from dataclasses import replace

from server.ledger import events, sessions, stored_texts, streams, turns
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow
from tests.unit.ledger.makers import event, new_id, session, stream, turn
from tests.unit.ledger.stored import read_now
from tests.unit.records.redact_again_helpers import redactor, run, stored

PHONE = "Meine Nummer ist null sechs sechs vier eins zwei drei vier fünf sechs sieben"
HIDDEN = "Meine Nummer ist [REDACTED_PHONE]"


def fill(cursor: Cursor) -> SessionRow:
    """A German text that was typed, and one in an event of the app, each stored in English."""
    row, _ = sessions.insert_or_get(cursor, replace(session(), language=""))
    streams.insert_stream(cursor, replace(stream(row.id), id=new_id(), language="de"))
    turns.insert_turn(cursor, replace(turn(row.id), text=stored(PHONE), source="typed", language=""))
    events.insert_many(cursor, [replace(event(row.id), properties={"note": stored(PHONE)})])
    return row


def test_typed_turns_and_events(ledger: EmbeddedLedger) -> None:
    row = ledger.write_now(fill)
    run(ledger, redactor())
    [said] = read_now(ledger, lambda cursor: turns.list_of_session(cursor, row.id))
    assert said.text.value == HIDDEN
    [app] = read_now(ledger, lambda cursor: stored_texts.app_events(cursor, "", None, 9))
    assert {key: text.value for key, text in app.properties.items()} == {"note": HIDDEN}
