"""The report on a candidate."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ray_tasks.types import SpeechModels
from server.access.audit import AuditTrail
from server.ledger import model_comparisons, sessions, turns
from server.ledger.embedded import EmbeddedLedger
from server.ledger.model_comparisons import ComparisonRow
from server.ledger.speech_models import SpeechModelsRow
from server.speech_models.choice import SpeechModelChoice
from server.speech_models.report import ALL_LANGUAGES, groups_of, report
from tests.fakes.gateway import FakeGateway, redacted
from tests.unit.ledger.makers import NOW, comparison, new_id, session, turn
from tests.unit.ledger.migrated import open_ledger


def row(session_id: str = "s", **changes: Any) -> ComparisonRow:
    return comparison(turn(session_id), **changes)


@cache
def same_row(session_id: str, words: int, differences: int) -> ComparisonRow:
    """Some tests need many thousands, of few kinds."""
    return row(session_id, words=words, word_differences=differences)


def test_nothing_was_compared() -> None:
    assert groups_of([]) == ()


def test_finals_are_counted_in_all_and_by_language() -> None:
    rows = [
        row(language="de", words=10, word_differences=2, entities_equal=False),
        row(language="en", words=5, word_differences=0),
        row(language="en", words=5, word_differences=1),
    ]
    everything, english, german = groups_of(rows)
    assert [group.language for group in (everything, english, german)] == [ALL_LANGUAGES, "en", "de"]
    assert (everything.finals, everything.equal, everything.words, everything.word_differences) == (3, 1, 20, 3)
    assert (everything.rate, everything.entities_differ) == (0.15, 1)
    assert everything.differing.low < 2 / 3 == everything.differing.mid < everything.differing.high
    assert (english.equal, german.equal, english.entities_differ, german.entities_differ) == (1, 0, 0, 1)
    [alone] = groups_of(rows[1:])
    assert alone == english


def test_both_are_timed() -> None:
    rows = [
        row(latency_s=n, candidate_latency_s=2 * n, compute_s=n / 10, candidate_compute_s=n / 5, audio_s=10.0)
        for n in range(1, 102)
    ]
    [group] = groups_of(rows)
    assert group.speed.latency_s == pytest.approx((51, 96))
    assert group.candidate_speed.latency_s == pytest.approx((102, 192))
    assert group.speed.factor == pytest.approx((0.51, 0.96))
    assert group.candidate_speed.factor == pytest.approx((1.02, 1.92))
    [silent] = groups_of([row(audio_s=0.0)])
    assert silent.speed.factor == (0.0, 0.0)


def _finals(chance: random.Random, sizes: str, number: int) -> int:
    """How many finals a session has."""
    match sizes:
        case "equal":
            return 8
        case "unequal":
            return max(1, round(chance.lognormvariate(2, 1)))
    return 100 if number == 0 else 3


@pytest.mark.parametrize("among", [6, 12, 60])
@pytest.mark.parametrize("sizes", ["equal", "unequal", "one"])
def test_the_intervals_hold_the_truth_where_sessions_differ(among: int, sizes: str) -> None:
    """Finals of a session have one rate of their own. 95 of 100 intervals are to hold that of all; 86 will do."""
    chance, made, words = random.Random(11), 200, 12
    truth = (0.02 + 0.2) / 2
    differing = 1 - ((1 - 0.02) ** words + (1 - 0.2) ** words) / 2
    held, share_held, wide = 0, 0, 0
    for _ in range(made):
        rows = []
        for number in range(among):
            rate = chance.choice([0.02, 0.2])
            for _final in range(_finals(chance, sizes, number)):
                differences = sum(chance.random() < rate for _word in range(words))
                rows.append(same_row(f"s{number}", words, differences))
        [group] = groups_of(rows)
        assert group.rate_bounds is not None or sizes != "equal"
        low, high = group.rate_bounds or (0.0, math.inf)
        held += low <= truth <= high
        share_held += group.differing.low <= differing <= group.differing.high
        wide += high - low > 0.2
    assert held >= 0.86 * made
    assert share_held >= 0.86 * made
    if sizes == "equal":
        assert max(held, share_held) <= 0.99 * made
        assert wide == 0 or among < 60


def test_the_interval_says_nothing_where_nothing_can_be_said() -> None:
    [one_session] = groups_of([row(word_differences=1), row(word_differences=0)])
    [no_difference] = groups_of([row("a"), row("b")])
    assert (one_session.rate_bounds, no_difference.rate_bounds) == (None, None)
    [one_has_all_words] = groups_of([row("a", words=9, word_differences=3), row("b", words=0, word_differences=0)])
    assert one_has_all_words.rate_bounds is None


def test_sessions_of_the_same_rate_say_nothing_whatever_is_rounded() -> None:
    for number in range(1, 60):
        for share in range(1, number):
            [same] = groups_of([row(at, words=number, word_differences=share) for at in "abc"])
            assert same.rate_bounds is None, (number, share)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    yield opened
    opened.close()


async def test_the_candidate_is_compared_and_without_one_those_of_before(ledger: EmbeddedLedger) -> None:
    gateway = FakeGateway(models=SpeechModels("", "small"))
    choice = SpeechModelChoice(ledger, gateway, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, "base", str)
    for client_id in ("app", "other"):
        opened = session(client_id=client_id)
        ledger.write_now(lambda cursor, opened=opened: sessions.insert_or_get(cursor, opened))  # type: ignore[misc]
        for number in range(3):
            said = turn(opened.id, number, new_id())
            compared = comparison(said, number, redacted("It"), word_differences=number)
            ledger.write_now(lambda cursor, said=said: turns.insert_turn(cursor, said))  # type: ignore[misc]
            ledger.write_now(
                lambda cursor, compared=compared: model_comparisons.insert_comparison(cursor, compared)  # type: ignore[misc]
            )
    for in_use in (SpeechModelsRow("", "small", 0.5), SpeechModelsRow()):
        choice.in_use = in_use
        found = await report(ledger, choice, client_id="", examples=3)
        assert (found.weights, found.candidate, found.groups[0].finals, len(found.examples)) == ("base", "small", 6, 3)
    choice.in_use = SpeechModelsRow("", "tiny", 0.5)
    found = await report(ledger, choice, client_id="", examples=3)
    assert (found.candidate, found.groups, found.examples) == ("tiny", (), ())
    for others in ("small", "tiny"):
        choice.in_use = SpeechModelsRow(others)
        found = await report(ledger, choice, client_id="", examples=3)
        assert (found.weights, found.candidate, found.groups, found.examples) == (others, "", (), ())
    choice.in_use = SpeechModelsRow("", "small", 0.5)
    of_one = await report(ledger, choice, client_id="app", examples=10)
    assert (of_one.groups[0].finals, len(of_one.examples)) == (3, 2)
