"""Runs over stored texts: dry, repeated, interrupted and broken ones, and what they report of their progress."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.errors import RedactionFailed, ShuttingDown
from models.redaction.types import Redaction, RedactionContext, Redactor
from models.text import RawText
from server.ledger import stored_texts, turns
from server.ledger.embedded import EmbeddedLedger
from server.records import redact_again as module
from tests.unit.ledger.makers import turn
from tests.unit.ledger.stored import read_now
from tests.unit.records.redact_again_helpers import LATER, everything, fill, redactor, run, stored


def test_a_dry_run_counts_the_same_and_stores_nothing(ledger: EmbeddedLedger) -> None:
    ledger.write_now(fill)
    before = read_now(ledger, everything)
    counted = run(ledger, redactor(), dry_run=True)
    assert read_now(ledger, everything) == before
    assert run(ledger, redactor()) == counted


def test_a_second_run_with_the_same_rules_does_nothing(ledger: EmbeddedLedger) -> None:
    ledger.write_now(fill)
    run(ledger, redactor())
    before = read_now(ledger, everything)
    tally = run(ledger, NoRedactor())
    assert (tally.texts.total(), tally.skipped) == (0, 1)
    assert read_now(ledger, everything) == before


def test_other_rules_and_newer_texts_are_looked_at(ledger: EmbeddedLedger) -> None:
    row = ledger.write_now(fill)
    run(ledger, redactor())
    tally = run(ledger, redactor(), rules="tomorrow")
    assert (tally.texts.total(), tally.changed.total(), tally.skipped) == (8, 0, 0)
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
    ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch, texts: int
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


def test_a_text_that_cannot_be_redacted_ends_the_run(ledger: EmbeddedLedger) -> None:
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


def test_progress_counts_sessions_and_events(ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_AT_A_TIME", 2)
    for _ in range(3):
        ledger.write_now(fill)
    steps: list[tuple[int, int]] = []
    run(ledger, redactor(), dry_run=True, steps=steps)
    assert steps == [(2, 6), (3, 6), (6, 6)]
