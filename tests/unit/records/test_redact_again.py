"""Stored texts are redacted again: what changes, what stays, and what an interrupted or repeated run does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from models.errors import RedactionFailed, ShuttingDown
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redaction, RedactionContext, Redactor
from models.speech.types import RedactedWord
from models.text import RawText, RedactedText
from server.ledger import events, recommendations, sessions, stored_texts, tag_numbers, turns, uploads
from server.ledger.columns import Cursor, fetch_all
from server.ledger.record_text import record_text
from server.ledger.types import Origin, RecommendationState, SessionRow
from server.ledger.writer import Ledger
from server.llm.record_schema import canonical_json, content_hash
from server.llm.types import OnboardingRecord, RecordField
from server.records import redact_again as module
from server.records.redact_again import LedgerRedaction
from server.records.stored_text_redactor import Tally
from tests.fakes.classifier import WordListClassifier
from tests.unit.ledger.makers import NOW, event, recommendation, session, turn, upload
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.stored import read_now

LATER = NOW + timedelta(days=1)
NEW_RULES = {"zebedee": "GIVEN_NAME", "quillfeather": "SURNAME"}
"""What today's classifier knows, and what it did not when the texts were stored."""


def redactor(policy: str = "") -> LocalRedactor:
    return LocalRedactor(WordListClassifier(NEW_RULES), policies=parse_policies(policy), worker_key=bytes(32))


def stored(value: str, *, safe: bool = True) -> RedactedText:
    names = value.count("[REDACTED_NAME")
    return RedactedText.restore(value, {"NAME": names} if names else {}, safe_for_llm=safe)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    yield opened
    opened.close()


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
    app = replace(event(row.id), properties={"host": stored("Zebedee"), "screen": stored("start")})
    events.insert_many(cursor, [app])
    return row


def run(
    ledger: Ledger,
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
    tables = ("turns", "turn_words", "uploads", "recommendations", "events", "sessions", "tag_numbers", "redactions")
    return {name: fetch_all(cursor, f"FROM {name} ORDER BY ALL") for name in tables}


def test_every_kind_of_text_gets_the_new_tags(ledger: Ledger) -> None:
    row = ledger.write_now(fill)
    tally = run(ledger, redactor())
    assert dict(tally.texts) == {"turn": 2, "reply": 1, "upload": 1, "record": 1, "event": 2}
    assert dict(tally.changed) == {"turn": 1, "reply": 1, "upload": 1, "record": 1, "event": 1}
    assert dict(tally.added) == {"NAME": 5}
    texts = read_now(ledger, lambda cursor: stored_texts.of_session(cursor, row.id))
    first, second = texts.turns
    assert first.text == stored("ask [REDACTED_NAME], says [REDACTED_NAME].")
    assert [(w.text.value, w.start_s, w.end_s) for w in first.words] == [
        ("ask", 0.0, 0.5),
        ("[REDACTED_NAME],", 1.0, 2.5),
        ("says", 3.0, 3.5),
        ("[REDACTED_NAME].", 4.0, 4.5),
    ]
    assert first.reply == stored("[REDACTED_NAME] is noted.")
    assert second.text == stored("the door is [REDACTED_NAME] blue", safe=False)
    assert texts.uploads[0].text == stored("Host | [REDACTED_NAME]\n04821.7 m3")
    [record] = texts.records
    assert json.loads(record.record.value)["summary"] == "[REDACTED_NAME] visits."
    assert record.record.counts == {"NAME": 1}
    assert record.state is RecommendationState.PENDING
    [app] = read_now(ledger, lambda cursor: stored_texts.app_events(cursor, "", None, 9))
    assert {name: text.value for name, text in app.properties.items()} == {"host": "[REDACTED_NAME]", "screen": "start"}
    assert "ebedee" not in repr(read_now(ledger, everything)).lower()


def test_names_that_give_a_person_away_become_neutral(ledger: Ledger) -> None:
    def fill_names(cursor: Cursor) -> SessionRow:
        row, _ = sessions.insert_or_get(cursor, session())
        record = OnboardingRecord("A visit.", (RecordField("badge_of_zebedee", "blue"),), ("zebedee_seen", "contact"))
        parts = [stored("A visit."), stored("blue")]
        proposed = replace(recommendation(row.id), record=record_text(canonical_json(record), parts))
        recommendations.insert_recommendation(cursor, proposed)
        properties = {"zebedee": stored("yes"), "screen": stored("start")}
        events.insert_many(cursor, [replace(event(row.id), name="zebedee_came", properties=properties)])
        return row

    row = ledger.write_now(fill_names)
    counted = run(ledger, redactor(), dry_run=True)
    tally = run(ledger, redactor())
    assert (counted, tally.renamed) == (tally, 4)
    [record] = read_now(ledger, lambda cursor: recommendations.list_of_session(cursor, row.id))
    shown = json.loads(record.record.value)
    assert ([field["name"] for field in shown["fields"]], shown["missing"]) == (["field_a"], ["contact"])
    [app] = read_now(ledger, lambda cursor: stored_texts.app_events(cursor, "", None, 9))
    assert (app.name, sorted(app.properties)) == ("redacted", ["redacted", "screen"])
    assert "ebedee" not in repr(read_now(ledger, everything))


def test_uploads_are_read_in_the_language_of_their_session(ledger: Ledger) -> None:
    def fill_german(cursor: Cursor) -> SessionRow:
        row, _ = sessions.insert_or_get(cursor, replace(session(), language="de"))
        recording = replace(upload(row.id), media_type="audio/wav")
        uploads.insert_upload(cursor, recording)
        uploads.finish(
            cursor, recording.id, NOW, text=stored("Meine Nummer ist null eins fünf eins zwei drei vier fünf")
        )
        return row

    row = ledger.write_now(fill_german)
    run(ledger, redactor())
    [recording] = read_now(ledger, lambda cursor: stored_texts.of_session(cursor, row.id)).uploads
    assert recording.text is not None
    assert "null eins" not in recording.text.value


def test_the_hash_of_a_record_is_that_of_what_is_shown_now(ledger: Ledger) -> None:
    row = ledger.write_now(fill)
    [before] = read_now(ledger, lambda cursor: recommendations.list_of_session(cursor, row.id))
    run(ledger, redactor())
    [after] = read_now(ledger, lambda cursor: recommendations.list_of_session(cursor, row.id))
    assert after.content_hash != before.content_hash
    shown = OnboardingRecord("[REDACTED_NAME] visits.", (RecordField("site_name", "Dock 4"),), ("contact",))
    assert after.content_hash == content_hash(shown)


def test_a_changed_session_has_an_event_that_says_how_much(ledger: Ledger) -> None:
    row = ledger.write_now(fill)
    run(ledger, redactor())
    told = read_now(
        ledger,
        lambda cursor: fetch_all(
            cursor, "SELECT session_id, properties FROM v_session_timeline WHERE name = ?", [module.REDACTED_AGAIN]
        ),
    )
    assert [(t["session_id"], json.loads(t["properties"])) for t in told] == [
        (row.id, {"texts": "4", "entities": "4"}),
        (row.id, {"texts": "1", "entities": "1"}),
    ]


def test_a_dry_run_counts_the_same_and_stores_nothing(ledger: Ledger) -> None:
    ledger.write_now(fill)
    before = read_now(ledger, everything)
    counted = run(ledger, redactor(), dry_run=True)
    assert read_now(ledger, everything) == before
    assert run(ledger, redactor()) == counted


def test_a_second_run_with_the_same_rules_does_nothing(ledger: Ledger) -> None:
    ledger.write_now(fill)
    run(ledger, redactor())
    before = read_now(ledger, everything)
    tally = run(ledger, NoRedactor())
    assert (tally.texts.total(), tally.skipped) == (0, 1)
    assert read_now(ledger, everything) == before


def test_other_rules_and_newer_texts_are_looked_at(ledger: Ledger) -> None:
    row = ledger.write_now(fill)
    run(ledger, redactor())
    tally = run(ledger, redactor(), rules="tomorrow")
    assert (tally.texts.total(), tally.changed.total(), tally.skipped) == (7, 0, 0)
    late = replace(turn(row.id, 5, row.id), text=stored("Zebedee is back"), create_time=LATER + timedelta(seconds=1))
    ledger.write_now(lambda cursor: turns.insert_turn(cursor, late))
    tally = run(ledger, redactor(), rules="tomorrow")
    assert (tally.changed.total(), tally.skipped) == (1, 0)
    assert "ebedee" not in repr(read_now(ledger, everything))


class NoRedactor:
    """Fails the test when it is asked."""

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        raise AssertionError("nothing is to be redacted")

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        raise AssertionError("nothing is to be redacted")


class StopsAfter:
    """A redactor that ends the run after so many texts."""

    def __init__(self, redactor: Redactor, texts: int) -> None:
        self._redactor = redactor
        self._left = texts

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        if not self._left:
            raise ShuttingDown("Interrupted.")
        self._left -= 1
        return self._redactor.redact(text, context)

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        return [self.redact(text, context) for text in texts]


@pytest.mark.parametrize("texts", range(0, 24, 4))
def test_an_interrupted_run_keeps_whole_sessions_and_can_be_repeated(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, texts: int
) -> None:
    monkeypatch.setattr(module, "SESSIONS_AT_A_TIME", 1)
    rows = [ledger.write_now(fill) for _ in range(3)]
    with pytest.raises(ShuttingDown):
        run(ledger, StopsAfter(redactor(), texts))
    for row in rows:
        kept = read_now(ledger, lambda cursor, key=row.id: stored_texts.of_session(cursor, key))  # type: ignore[misc]
        values = repr([[t.text, t.reply, t.words] for t in kept.turns]) + repr([kept.uploads, kept.records])
        assert values.count("ebedee") in (0, 5)
    run(ledger, redactor())
    assert "ebedee" not in repr(read_now(ledger, everything))


def test_the_policy_of_the_client_counts_and_nothing_is_restored(ledger: Ledger) -> None:
    numbered = ledger.write_now(lambda cursor: fill(cursor, "counts"))
    kept = ledger.write_now(lambda cursor: fill(cursor, "keeps"))
    run(ledger, redactor("clients: {counts: {operators: {NAME: number}}, keeps: {operators: {NAME: keep}}}"))

    def texts(row: SessionRow) -> list[str]:
        return [t.text.value for t in read_now(ledger, lambda c: turns.list_of_session(c, row.id))]

    assert texts(numbered)[0] == "ask [REDACTED_NAME_1], says [REDACTED_NAME]."
    assert texts(kept) == ["ask Zebedee Quillfeather, says [REDACTED_NAME].", "the door is [REDACTED_NAME] blue"]
    assert len(read_now(ledger, lambda cursor: tag_numbers.known(cursor, numbered.id))) == 2
    unsafe = [t.text.safe_for_llm for t in read_now(ledger, lambda c: turns.list_of_session(c, kept.id))]
    assert unsafe == [False, False]


def test_a_text_that_cannot_be_redacted_ends_the_run(ledger: Ledger) -> None:
    class Broken:
        def redact(self, text: RawText, context: RedactionContext) -> Redaction:
            raise RedactionFailed("A recognizer failed.")

        def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
            raise RedactionFailed("A recognizer failed.")

    ledger.write_now(fill)
    before = read_now(ledger, everything)
    with pytest.raises(RedactionFailed):
        run(ledger, Broken())
    assert read_now(ledger, everything) == before


def test_progress_counts_sessions_and_events(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_AT_A_TIME", 2)
    for _ in range(3):
        ledger.write_now(fill)
    steps: list[tuple[int, int]] = []
    run(ledger, redactor(), dry_run=True, steps=steps)
    assert steps == [(2, 6), (3, 6), (6, 6)]
