"""Slot tagging: from the words of slots to entities, and the stage."""

from __future__ import annotations

import re

import pytest

from models.redaction.explain import explain
from models.redaction.normalize.view import original
from models.redaction.redactor import LocalRedactor
from models.redaction.slots.addresses import joined_words
from models.redaction.slots.entities import REACH, SlotBars, is_impersonal, slot_entities, suspected_slots
from models.redaction.slots.filling import trimmed
from models.redaction.slots.spoken_words import SpokenWords
from models.redaction.slots.types import SlotWord
from models.redaction.types import RedactionContext
from models.text import Entity, RawText, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import found, patterns_only

BARS = SlotBars(sure=0.5, beside=0.3, within=2, suspected=0.1, likely=0.2, final=0.4)


TALK = [("PHONE", 0.1)] * 3


def slots(*words: tuple[str, float]) -> list[SlotWord]:
    """Words of five characters with a space between."""
    return [SlotWord(6 * n, 6 * n + 5, kind, personal) for n, (kind, personal) in enumerate(words)]


def spans(*words: tuple[str, float]) -> list[tuple[str, int, int]]:
    return [(e.type, e.start // 6, e.end // 6 + 1) for e in slot_entities(slots(*words), BARS)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([("PHONE", 0.49)], []),
        ([("PHONE", 0.5)], [("PHONE", 0, 1)]),
        ([("PHONE", 0.35), ("PHONE", 0.9), ("PHONE", 0.35), ("PHONE", 0.29)], [("PHONE", 0, 3)]),
        ([("PHONE", 0.9), ("PHONE", 0.1), ("PHONE", 0.9)], [("PHONE", 0, 1), ("PHONE", 2, 3)]),
        ([("ID", 0.9), ("PHONE", 0.8), ("PHONE", 0.8)], [("PHONE", 0, 3)]),
        ([("NAME", 0.9), ("NAME", 0.9), ("PHONE", 0.9), ("PHONE", 0.9)], [("NAME", 0, 2), ("PHONE", 2, 4)]),
        ([("NAME", 0.9), ("PHONE", 0.9), ("NAME", 0.9)], [("NAME", 0, 3)]),
        ([("PHONE", 0.9), *TALK[:2], ("PHONE", 0.4)], [("PHONE", 0, 1), ("PHONE", 3, 4)]),
        ([("PHONE", 0.4), *TALK[:2], ("PHONE", 0.9)], [("PHONE", 0, 1), ("PHONE", 3, 4)]),
        ([("PHONE", 0.9), *TALK, ("PHONE", 0.4)], [("PHONE", 0, 1)]),
        ([("PHONE", 0.4), *TALK[:2], ("PHONE", 0.4)], []),
        ([], []),
    ],
)
def test_runs_of_personal_words_are_entities(
    words: list[tuple[str, float]], expected: list[tuple[str, int, int]]
) -> None:
    assert spans(*words) == expected


@pytest.mark.parametrize(
    ("words", "known", "expected"),
    [
        ([("NAME", 0.35), ("NAME", 0.35)], (0, 1), [("NAME", 0, 2)]),
        ([("NAME", 0.35), ("NAME", 0.35)], (1, 2), [("NAME", 0, 2)]),
        ([("NAME", 0.1), ("NAME", 0.35)], (0, 1), []),  # the tagger doubts what was found, so the word is not beside it
        ([("NAME", 0.35), *TALK, ("NAME", 0.35)], (0, 1), [("NAME", 0, 1)]),
        ([("NAME", 0.35), ("NAME", 0.29)], (0, 1), [("NAME", 0, 1)]),
    ],
)
def test_a_name_that_others_found_makes_the_words_beside_it_sure(
    words: list[tuple[str, float]], known: tuple[int, int], expected: list[tuple[str, int, int]]
) -> None:
    name = Entity("NAME", 6 * known[0], 6 * known[1] - 1, 0.5, "ner:surname")
    found = slot_entities(slots(*words), BARS, [name])
    assert [(e.type, e.start // 6, e.end // 6 + 1) for e in found] == expected


def test_words_between_the_bars_are_suspected() -> None:
    words = slots(("PHONE", 0.05), ("PHONE", 0.1), ("PHONE", 0.9))
    assert list(suspected_slots(words, BARS)) == [(6, 11, False), (12, 17, True)]


def test_a_likely_word_waits_only_while_the_tagger_may_still_see_more() -> None:
    after = [("PHONE", 0.0)] * REACH
    for score, waits in ((0.3, False), (0.5, True)):
        first, *_rest = suspected_slots(slots(("PHONE", score), *after), BARS)
        assert first.likely is waits
        first, *_rest = suspected_slots(slots(("PHONE", score), *after[1:]), BARS)
        assert first.likely


CLASSIFIER = WordListClassifier(slots={"tango": ("SECRET", 0.95), "kilo": ("SECRET", 0.5)})
REDACTOR = LocalRedactor(CLASSIFIER)
TEXT = "My phrase is tango, kilo for now"


def test_spoken_values_of_the_tagger_are_redacted() -> None:
    assert found(TEXT, TextSource.SPEECH, redactor=REDACTOR) == [("SECRET", "tango, kilo")]


def test_pictures_are_not_tagged() -> None:
    assert found(TEXT, TextSource.OCR, redactor=REDACTOR) == []


@pytest.mark.parametrize(("source", "hidden"), [(TextSource.ASSISTANT, True), (TextSource.SPEECH, False)])
def test_a_number_in_a_reply_is_not_cleared_as_one_in_speech_is(source: TextSource, hidden: bool) -> None:
    tagger = WordListClassifier({"4821": "TAX_ID"}, {"4821": ("ID", 0.001)}, score=0.8)
    assert bool(found("and then we saw 4821 on it", source, redactor=LocalRedactor(tagger))) is hidden


def test_an_invisible_character_does_not_move_the_entity() -> None:
    assert found(f"\u200b{TEXT}", TextSource.SPEECH, redactor=REDACTOR) == [("SECRET", "tango, kilo")]


def test_a_word_that_is_nearly_personal_is_a_suspect() -> None:
    redaction = REDACTOR.redact(RawText("kilo it is"), RedactionContext(TextSource.SPEECH))
    assert redaction.entities == ()
    assert [(s.start, s.end) for s in redaction.suspects] == [(0, 4)]


def test_the_explanation_names_the_tagger() -> None:
    explained = explain(REDACTOR, RawText(TEXT), RedactionContext(TextSource.SPEECH)).replaced
    assert [reason.recognizer for entity in explained for reason in entity.reasons] == ["slot"]


def test_a_number_of_which_the_tagger_is_sure_that_it_is_of_a_thing_stays() -> None:
    text = "the display says 415-555-0132"
    assert found(text, TextSource.SPEECH, redactor=LocalRedactor(WordListClassifier()))
    thing = dict.fromkeys(("415", "555", "0132"), ("PHONE", 0.05))
    assert found(text, TextSource.SPEECH, redactor=LocalRedactor(WordListClassifier(slots=thing))) == []
    assert found("415-555-0132", TextSource.SPEECH, redactor=LocalRedactor(WordListClassifier(slots=thing)))
    one_in_doubt = thing | {"0132": ("PHONE", 0.3)}
    assert found(text, TextSource.SPEECH, redactor=LocalRedactor(WordListClassifier(slots=one_in_doubt)))


def test_a_value_that_its_own_characters_prove_is_redacted_whatever_the_tagger_says() -> None:
    card = dict.fromkeys(("4111", "1111"), ("CC", 0.0))
    text = "the display says 4111 1111 1111 1111"
    assert found(text, TextSource.SPEECH, redactor=LocalRedactor(WordListClassifier(slots=card)))


@pytest.mark.parametrize(
    ("text", "word", "kind", "expected"),
    [
        ("Die Seriennummer 20394857 steht hinten", "20394857", "ID", []),
        ("Meine Kontonummer 20394857 steht hinten", "20394857", "ACCOUNT", ["20394857"]),
        ("Die Waschmaschine Bosch läuft nicht", "bosch", "NAME", []),
        ("Frau Tarnwald wartet", "tarnwald", "NAME", ["Tarnwald"]),
    ],
)
def test_a_word_for_a_thing_or_a_brand_clears_what_the_tagger_finds(
    text: str, word: str, kind: str, expected: list[str]
) -> None:
    redactor = LocalRedactor(WordListClassifier(slots={word: (kind, 0.99)}))
    redaction = redactor.redact(RawText(text), RedactionContext(TextSource.SPEECH, "de"))
    assert [text[e.start : e.end].removeprefix("Frau ") for e in redaction.entities] == expected


@pytest.mark.parametrize(("score", "personal", "hidden"), [(0.8, 0.1, False), (0.8, 0.2, True), (0.95, 0.1, True)])
def test_a_name_that_both_doubt_stays_readable(score: float, personal: float, hidden: bool) -> None:
    entity = Entity("NAME", 6, 17, score, "ner:given_name")
    said = slots(("ID", 0.0), ("NAME", 0.0), ("NAME", personal), ("ID", 0.0), ("ID", 0.0))
    assert is_impersonal(entity, said) is not hidden


@pytest.mark.parametrize(("personal", "hidden"), [(0.04, False), (0.06, True)])
def test_a_name_that_begins_a_text_needs_less_to_stay_hidden(personal: float, hidden: bool) -> None:
    entity = Entity("NAME", 0, 5, 0.8, "ner:given_name")
    assert is_impersonal(entity, slots(("NAME", personal), *[("ID", 0.0)] * 3)) is not hidden


@pytest.mark.parametrize(
    ("text", "score", "safe"),
    [
        ("Gladys was here, and my number is 415 555 0132", 0.8, False),
        ("Gladys was here, and my number is 415 555 0132", 0.6, True),
        ("Gladys was here, and my number is broken", 0.8, False),
        ("Gladys was here all day", 0.8, True),
        ("The van was here, and my number is 415 555 0132", 0.8, True),
    ],
)
def test_a_doubted_name_that_stays_readable_beside_a_value_is_kept_from_the_llm(
    text: str, score: float, safe: bool
) -> None:
    redactor = LocalRedactor(WordListClassifier({"gladys": "GIVEN_NAME"}, score=score, slots={"gladys": ("NAME", 0.0)}))
    redacted = redactor.redact(RawText(text), RedactionContext(TextSource.SPEECH)).text
    assert ("[REDACTED_NAME]" in redacted.value, redacted.safe_for_llm) == (False, safe)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("off Mertz 1961, my pin is pretty old", ["off Mertz 1961", "pretty old"]),
        ("my pin is, off March 1961", ["off March 1961"]),
        ("my pin is and my phone is", []),
        ("off March 1961", ["off March 1961"]),
    ],
)
def test_an_answer_stays_hidden_around_an_announcement(text: str, hidden: list[str]) -> None:
    answer = Entity("DOB", 0, len(text), 0.6, "spoken-date:answer")
    kept = trimmed(SpokenWords(original(text), "en"), [answer])
    assert [text[entity.start : entity.end] for entity in kept] == hidden


@pytest.mark.parametrize(
    "text",
    [
        "Hello, my name is [REDACTED_NAME].",
        "my name is [REDACTED_NAME] and my password is [REDACTED_SECRET]",
        "You can call me on [REDACTED_PHONE] or write to [REDACTED_EMAIL].",
    ],
)
def test_tags_of_an_earlier_run_leave_nothing_to_hold(text: str) -> None:
    redacted = patterns_only().redact(RawText(text), RedactionContext(TextSource.SPEECH)).text
    assert (redacted.value, redacted.safe_for_llm) == (text, True)


@pytest.mark.parametrize(
    ("before", "date", "left"),
    [
        ("he was born on ", "the 4th of May 1990", "4th of May 1990"),
        ("", "the 4th of May 1990", "the 4th of May 1990"),
    ],
)
def test_a_birth_date_loses_its_article_unless_it_begins_the_text(before: str, date: str, left: str) -> None:
    text = before + date
    entity = Entity("DOB", len(before), len(text), 0.9, "slot")
    (only,) = trimmed(SpokenWords(original(text), "en"), [entity])
    assert text[only.start : only.end] == left


@pytest.mark.parametrize(
    ("text", "suspected", "hidden"),
    [
        ("an brigitte.somme.d bitte", 0.4, ["brigitte.somme.d"]),
        ("er ging kaputt.gestern lief er noch", 0.001, []),
        ("we booked on booking.com again", 0.004, []),
        ("send it to torvikattidewater.co.uk please", 0.6, ["torvikattidewater.co.uk"]),
        ("to subretirez garreau.fr please", 0.06, ["subretirez garreau.fr"]),
        ("look at www.torvik.de please", 0.9, []),
        ("dr.torvik called again", 0.9, []),
        ("it opens at nine a.m. and closes at five", 0.9, []),
    ],
)
def test_words_that_full_stops_join_are_an_address_if_the_tagger_suspects_one(
    text: str, suspected: float, hidden: list[str]
) -> None:
    words = [SlotWord(m.start(), m.end(), "EMAIL", suspected) for m in re.finditer(r"\w+", text)]
    spans = joined_words(SpokenWords(original(text), "en", words))
    assert [text[start:end] for start, end in spans] == hidden
