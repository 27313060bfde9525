"""Other mentions of a name that recognition wrote in another way."""

from __future__ import annotations

import pytest

from models.redaction.normalize.view import original
from models.redaction.redactor import LocalRedactor
from models.redaction.slots.misheard_mentions import misheard_mentions
from models.redaction.slots.spoken_words import SpokenWords
from models.text import Entity, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import found


def mentions(text: str, known: str, kind: str = "NAME") -> list[tuple[str, str]]:
    """What is found beside one value that was found already."""
    start = text.index(known)
    entity = Entity(kind, start, start + len(known), 0.9, "test")
    new = misheard_mentions(SpokenWords(original(text), "en"), [entity])
    return [(each.type, text[each.start : each.end]) for each in new]


@pytest.mark.parametrize(
    ("text", "known", "other"),
    [
        ("it is Hartwigsen, no, Hardwigsen", "Hartwigsen", "Hardwigsen"),
        ("it is Hartwigsen, no, Hardwigsen", "Hardwigsen", "Hartwigsen"),
        ("zabrowska or sabrovska, one of them", "zabrowska", "sabrovska"),
        ("so delmonico. delmonico it is", "delmonico", "delmonico"),
        ("write kemptner to me, that is kentner", "kemptner", "kentner"),
    ],
)
def test_a_name_that_is_heard_twice_in_two_ways_is_found_twice(text: str, known: str, other: str) -> None:
    assert mentions(text, known) == [("NAME", other)]


@pytest.mark.parametrize(
    ("text", "known", "kind"),
    [
        ("she is Porter and brings the boarder", "Porter", "NAME"),
        ("Miller sold the cellar", "Miller", "NAME"),
        ("Marianne and the marina", "Marianne", "NAME"),
        ("Peters saw petrol", "Peters", "NAME"),
        ("Anna has an anne", "Anna", "NAME"),
        ("Between us, between you", "Between", "NAME"),
        ("street of Hartwigsen, no, Hardwigsen", "Hartwigsen", "ADDRESS"),
        ("nobody is named", "nobody", "ID"),
    ],
)
def test_other_words_stay(text: str, known: str, kind: str) -> None:
    assert mentions(text, known, kind) == []


TEXT = "the surname is not Hardwigsen but Hartwigsen, okay"


@pytest.mark.parametrize(
    ("personal", "source", "hidden"),
    [(0.01, TextSource.SPEECH, True), (0.001, TextSource.SPEECH, False), (0.01, TextSource.TYPED, False)],
)
def test_what_the_tagger_suspects_a_little_is_hidden_in_speech(
    personal: float, source: TextSource, hidden: bool
) -> None:
    tagger = WordListClassifier(slots={"hartwigsen": ("NAME", 0.95), "hardwigsen": ("NAME", personal)})
    seen = found(TEXT, source, redactor=LocalRedactor(tagger))
    assert ("NAME", "Hartwigsen") in seen
    assert (("NAME", "Hardwigsen") in seen) is hidden
