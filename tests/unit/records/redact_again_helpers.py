"""What the tests of redacting stored texts again share: a session with texts of every kind, and new rules."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redactor
from models.speech.types import RedactedWord
from models.text import RedactedText
from server.ledger import events, model_comparisons, recommendations, reviews_decisions, sessions, turns, uploads
from server.ledger.columns import Cursor, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.record_text import record_text
from server.ledger.reviews_decisions import CommentRow
from server.ledger.types import Origin, SessionRow
from server.llm.record_schema import canonical_json, content_hash
from server.llm.types import OnboardingRecord, RecordField
from server.records.redact_again import LedgerRedaction
from server.records.stored_text_redactor import Tally
from tests.fakes.classifier import WordListClassifier
from tests.unit.ledger.makers import NOW, comparison, event, new_id, recommendation, session, turn, upload

LATER = NOW + timedelta(days=1)
NEW_RULES = {"zebedee": "GIVEN_NAME", "quillfeather": "SURNAME"}
"""What today's classifier knows, and what it did not when the texts were stored."""


def redactor(policy: str = "") -> LocalRedactor:
    return LocalRedactor(WordListClassifier(NEW_RULES), policies=parse_policies(policy), worker_key=bytes(32))


def stored(value: str, *, safe: bool = True) -> RedactedText:
    names = value.count("[REDACTED_NAME")
    return RedactedText.restore(value, {"NAME": names} if names else {}, safe_for_llm=safe)


def fill(cursor: Cursor, client: str = "app") -> SessionRow:
    """A session with one text of each kind that names Zebedee Quillfeather, and one that does not."""
    row, _ = sessions.insert_or_get(cursor, session(client_id=client))
    words = tuple(
        RedactedWord(stored(word), float(at), at + 0.5, 0.9)
        for at, word in enumerate(["ask", "Zebedee", "Quillfeather,", "says", "[REDACTED_NAME]."])
    )
    first = replace(turn(row.id, 0, row.id), text=stored(" ".join(w.text.value for w in words)), words=words)
    turns.insert_turn(cursor, first)
    turns.set_reply(cursor, first.id, stored("Zebedee is noted."), Origin.MODEL)
    model_comparisons.insert_comparison(cursor, comparison(first, text=stored("ask Zebedee")))
    harmless = replace(turn(row.id, 1, row.id), text=stored("the door is [REDACTED_NAME] blue", safe=False))
    turns.insert_turn(cursor, harmless)
    picture = upload(row.id)
    uploads.insert_upload(cursor, picture)
    uploads.finish(cursor, picture.id, NOW, text=stored("Host | Zebedee Quillfeather\n04821.7 m3"))
    record = OnboardingRecord("Zebedee visits.", (RecordField("site_name", "Dock 4"),), ("contact",))
    proposed = replace(
        recommendation(row.id),
        record=record_text(canonical_json(record), [stored("Zebedee visits."), stored("Dock 4")]),
        content_hash=content_hash(record),
    )
    recommendations.insert_recommendation(cursor, proposed)
    comment = CommentRow(new_id(), row.id, proposed.id, stored("Ask Zebedee again."), "", "staff-7", "key:a", NOW)
    reviews_decisions.insert_comment(cursor, comment)
    app = replace(event(row.id), properties={"host": stored("Zebedee"), "screen": stored("start")})
    events.insert_many(cursor, [app])
    return row


def run(
    ledger: EmbeddedLedger,
    again: Redactor,
    *,
    rules: str = "today",
    dry_run: bool = False,
    steps: list[tuple[int, int]] | None = None,
) -> Tally:
    def progress(done: int, total: int) -> None:
        if steps is not None:
            steps.append((done, total))

    redaction = LedgerRedaction(ledger, again, rules, lambda: LATER, dry_run=dry_run, progress=progress)
    return asyncio.run(redaction.run())


def everything(cursor: Cursor) -> dict[str, object]:
    texts = ("turns", "turn_words", "uploads", "recommendations", "review_comments", "events", "model_comparisons")
    tables = (*texts, "sessions", "tag_numbers", "redactions")
    return {name: fetch_all(cursor, f"FROM {name} ORDER BY ALL") for name in tables}
