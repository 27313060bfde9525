"""Sentences that people would say, with values and with harmless numbers: how many leak, and how many are touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from models.redaction.normalize.view import original
from models.redaction.redactor import LocalRedactor
from models.redaction.slots.announcements import announcements_of
from models.redaction.slots.entities import RECOGNIZER
from models.redaction.slots.filling import open_slot, trimmed
from models.redaction.slots.sounds import Sounding, sounds_like
from models.redaction.slots.spoken_words import SpokenWords
from models.redaction.streaming.open_tail import NO_TAIL, TailAwareRedactor, open_tail
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import Redaction, RedactionContext
from models.text import Entity, RawText, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import patterns_only

SENTENCES = Path(__file__).parent / "spoken_slots"
MOST_LEAKING = 0.02
MOST_TOUCHED = 0.05
MOST_HELD = 0.01
MOST_LOST = 0.11
"""Most of the words beside the values; every text is short, so one word of an announcement is much."""


class Sentence(NamedTuple):
    """A text and the spans of it that are personal."""

    language: str
    text: str
    spans: list[tuple[int, int]]

    @property
    def context(self) -> RedactionContext:
        """Of speech in its language."""
        return RedactionContext(TextSource.SPEECH, self.language)


def sentences(name: str) -> Iterator[Sentence]:
    """The sentences of a file."""
    for line in (SENTENCES / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        language, marked = line.split("|", 1)
        spans: list[tuple[int, int]] = []
        text = ""
        for at, piece in enumerate(re.split(r"[{}]", marked)):
            if at % 2:
                spans.append((len(text), len(text) + len(piece)))
            text += piece
        yield Sentence(language, text, spans)


@cache
def redactor() -> LocalRedactor:
    """Patterns and slots, without the classifier."""
    return patterns_only()


Results = dict[str, list[tuple[Sentence, Redaction]]]


@pytest.fixture(scope="module", params=["patterns", "all stages"])
def results(request: pytest.FixtureRequest, real_redactor: LocalRedactor) -> Results:
    """Every sentence of each file with its redaction, without and with the classifier."""
    judge = redactor() if request.param == "patterns" else real_redactor
    return {
        name: [(s, judge.redact(RawText(s.text), s.context)) for s in sentences(name)]
        for name in ("values", "harmless")
    }


def readable(sentence: Sentence, redaction: Redaction) -> list[str]:
    """What can be read of the values."""
    covered = {at for entity in redaction.entities for at in range(entity.start, entity.end)}
    return [
        sentence.text[start:end]
        for start, end in sentence.spans
        if any(at not in covered and sentence.text[at].isalnum() for at in range(start, end))
    ]


def test_few_of_the_values_stay_readable(results: Results) -> None:
    leaking = [sentence.text for sentence, redaction in results["values"] if readable(sentence, redaction)]
    assert len(leaking) <= MOST_LEAKING * len(results["values"]), leaking


def test_few_of_the_harmless_sentences_are_touched_or_kept_from_the_llm(results: Results) -> None:
    found = results["harmless"]
    touched = [sentence.text for sentence, redaction in found if redaction.entities]
    held = [sentence.text for sentence, redaction in found if not redaction.text.safe_for_llm]
    assert len(touched) <= MOST_TOUCHED * len(found), touched
    assert len(held) <= MOST_HELD * len(found), held


def test_most_words_beside_the_values_are_kept(results: Results) -> None:
    words = lost = 0
    for sentence, redaction in results["values"]:
        covered = {at for entity in redaction.entities for at in range(entity.start, entity.end)}
        for match in re.finditer(r"[^\W_]+", sentence.text):
            beside = not any(start <= match.start() < end for start, end in sentence.spans)
            words, lost = words + beside, lost + (beside and match.start() in covered)
    assert lost <= MOST_LOST * words


@pytest.mark.parametrize("sentence", [s for s in sentences("values") if s.language == "en"][::3], ids=lambda s: s.text)
def test_a_partial_shows_no_more_digits_than_its_final(sentence: Sentence) -> None:
    words = f"{sentence.text} and so on and on until it is all over now".split()
    final = redactor().redact(RawText(" ".join(words)), sentence.context).text.value
    partials, state = PartialRedactor(redactor()), PartialState()
    for size in range(1, len(words) + 1):
        shown, state = partials.step(state, RawText(" ".join(words[:size])), sentence.context)
        assert set(re.findall(r"\d+", shown.value)) <= set(re.findall(r"\d+", final))


@pytest.mark.parametrize(
    "parts",
    [
        ["You can call me on, um, let me see.", "It is 555 0132"],
        ["My membership number is", "hold on, I have to look", "4 4 0 1 7"],
        ["Meine Kundennummer ist, Moment,", "4 4 0 1 7"],
    ],
)
def test_a_slot_stays_open_over_the_end_of_an_utterance(parts: list[str]) -> None:
    language, tail = ("de" if "Meine" in parts[0] else "en"), NO_TAIL
    for part in parts:
        context = RedactionContext(TextSource.SPEECH, language)
        judged = TailAwareRedactor(redactor(), tail).redact(RawText(part), context)
        tail = open_tail(RawText(part), judged.entities, language, tail)
    assert not re.search(r"\d", judged.text.value)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("the pump is loud and my number is 555", 21),
        ("my number is 555 0132 and I will be at home all day long", None),
        ("the pump is loud", None),
    ],
)
def test_an_open_slot_is_found(text: str, start: int | None) -> None:
    assert open_slot(text, "en") == start


@pytest.mark.parametrize(
    ("heard", "meant", "alike"),
    [
        ("radar", "aadhaar", True),
        ("8hor", "aadhaar", True),
        ("ivan", "iban", True),
        ("plait", "plate", True),
        ("water", "aadhaar", False),
        ("open", "iban", False),
        ("pressure", "passport", False),
    ],
)
def test_misheard_nouns_sound_like_those_that_were_meant(heard: str, meant: str, alike: bool) -> None:
    assert sounds_like(Sounding.of(heard), Sounding.of(meant)) is alike


@pytest.mark.parametrize(("words", "is_repair"), [("scratched at", True), ("scratch that", True), ("thank you", False)])
def test_corrections_are_known_by_their_sound(words: str, is_repair: bool) -> None:
    assert announcements_of("en").is_repair(words) is is_repair


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("My number is 555 0132, and Anna said 44 or so", False),
        ("My number is 555 0132, and it is 44 years old", True),
        ("That was it, 4 4 B 1", False),
        ("anna underscore brix is what she always says to us", False),
        ("The meter shows 4 4 1 2", True),
        ("It cost 1 2 3 4 for the new tap", True),
        ("My name is in greet tore vick and", False),
        ("My name is spelled wrong. The tap drips.", False),
        ("My email is jolly hat bright horizon cobalt lamp", False),
        ("My email is broken", True),
    ],
)
def test_what_is_left_keeps_a_text_from_the_llm(text: str, safe: bool) -> None:
    redaction = redactor().redact(RawText(text), RedactionContext(TextSource.SPEECH))
    assert redaction.text.safe_for_llm is safe


@pytest.mark.parametrize(
    ("text", "slots", "safe"),
    [
        ("that goes to ollie thing please", {"ollie": ("EMAIL", 0.4)}, False),
        ("ask for the ollie thing please", {"ollie": ("NAME", 0.4)}, True),
        ("I booked it as tore vick", {"vick": ("NAME", 0.3)}, False),
        ("we need a vick tap", {"vick": ("SECRET", 0.3)}, True),
        ("the pump has 4417 on it", {"4417": ("ID", 0.2)}, True),
        ("my number is 415 555 0132, and tore vick", {"vick": ("ADDRESS", 0.3)}, False),
        ("my number is 415 555 0132, with the vick tap", {"vick": ("ADDRESS", 0.3)}, True),
    ],
)
def test_words_that_the_tagger_suspects_count_where_a_slot_is_open(
    text: str, slots: dict[str, tuple[str, float]], safe: bool
) -> None:
    redactor = LocalRedactor(WordListClassifier(slots=slots))
    redaction = redactor.redact(RawText(text), RedactionContext(TextSource.SPEECH))
    assert redaction.text.safe_for_llm is safe


@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        ("en", "please ask for Sigrid Soto at the desk", "Sigrid Soto"),
        ("es", "quiero hablar con Curtis Ray", "Curtis Ray"),
        ("fr", "je voudrais parler à Noé Bertin", "Noé Bertin"),
    ],
)
def test_a_name_that_sounds_like_a_correction_is_redacted(language: str, text: str, name: str) -> None:
    redactor = LocalRedactor(WordListClassifier(dict.fromkeys(name.lower().split(), "GIVEN_NAME")))
    redaction = redactor.redact(RawText(text), RedactionContext(TextSource.SPEECH, language))
    assert not any(part in redaction.text.value for part in name.split())


@pytest.mark.parametrize("text", ["my customer number is 44017 thanks", "you can call me on 415 555 0132"])
def test_the_tagger_cannot_clear_an_announced_value(text: str) -> None:
    things = dict.fromkeys(text.split(), ("PHONE", 0.0))
    redactor = LocalRedactor(WordListClassifier(slots=things))
    redaction = redactor.redact(RawText(text), RedactionContext(TextSource.SPEECH))
    assert not any(c.isdigit() for c in redaction.text.value)


def test_many_corrections_of_a_reading_are_read_in_time_and_depth() -> None:
    text = "the meter shows 4821" + ", no wait, 4812" * 600
    assert patterns_only().redact(RawText(text), RedactionContext(TextSource.SPEECH)).text.value


@pytest.mark.parametrize(
    "text",
    [
        "Hello, my name is Maria Lopez. I'm at the Riverside site to read the water meter.",
        "Hello, my name is Maria Lopez. I am at the Northgate depot to check the pump.",
        "This is Maria Lopez. The boiler in the Kingsway building has no pressure, can you come on Friday?",
    ],
)
def test_a_visit_goes_to_the_llm(real_redactor: LocalRedactor, text: str) -> None:
    redaction = real_redactor.redact(RawText(text), RedactionContext(TextSource.SPEECH))
    assert "Lopez" not in redaction.text.value
    assert redaction.text.safe_for_llm


@pytest.mark.parametrize(
    ("tagged", "kind", "hidden"),
    [
        ("and 415 555 0132 but", "PHONE", "415 555 0132"),
        ("the postcode is s w one a", "ADDRESS", "the postcode is s w one a"),
        ("for 415 555 0132", "PHONE", "for 415 555 0132"),
        ("anna at north hill dot es", "EMAIL", "anna at north hill dot es"),
        ("over the kettle and", "SECRET", "over the kettle and"),
        ("so when Will Brix", "NAME", "Will Brix"),
    ],
)
def test_function_words_at_the_edges_of_a_value_stay_readable(tagged: str, kind: str, hidden: str) -> None:
    text = f"Well {tagged} goes there"
    start = text.index(tagged)
    entity = Entity(kind, start, start + len(tagged), 0.99, RECOGNIZER)
    (kept,) = trimmed(SpokenWords(original(text), "en"), [entity])
    assert text[kept.start : kept.end] == hidden
