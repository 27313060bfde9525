"""From which score a guess of the classifier is a name: in print, in speech, in Hindi, beside another name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.redaction.ner.entities import entities_of
from models.redaction.ner.thresholds import Thresholds
from models.redaction.ner.types import WordPrediction
from models.redaction.normalize.view import original
from models.redaction.normalize.words import WORD

STRICT = Thresholds()
EAGER = replace(STRICT, name=0.1)


def _names(
    text: str, scores: dict[str, float], thresholds: Thresholds = STRICT, *, kind: str = "original", heard: bool = False
) -> list[str]:
    guesses = [
        WordPrediction(m.start(), m.end(), "SURNAME", scores[m.group()])
        for m in WORD.finditer(text)
        if m.group() in scores
    ]
    view = replace(original(text), kind=kind)
    return [text[e.start : e.end] for e in entities_of(view, guesses, thresholds, spoken=heard)]


@pytest.mark.parametrize(
    ("score", "thresholds", "kind", "heard", "found"),
    [
        (0.25, STRICT, "original", False, True),
        (0.15, STRICT, "original", False, False),
        (0.35, STRICT, "original", True, False),
        (0.72, STRICT, "original", True, True),
        (0.25, STRICT, "transliterated", False, True),
        (0.25, STRICT, "transliterated", True, True),
        (0.15, STRICT, "transliterated", False, False),
        (0.15, EAGER, "original", False, True),
        (0.15, EAGER, "original", True, True),  # a policy that asks for more gets it in speech as well
    ],
)
def test_a_name_needs_the_score_of_its_source_and_language(
    score: float, thresholds: Thresholds, kind: str, heard: bool, found: bool
) -> None:
    names = _names("yesterday came Wrobel again", {"Wrobel": score}, thresholds, kind=kind, heard=heard)
    assert names == (["Wrobel"] if found else [])


@pytest.mark.parametrize(
    ("text", "scores", "expected"),
    [
        ("it was Ann Wrobel again", {"Ann": 0.1, "Wrobel": 0.9}, ["Ann Wrobel"]),
        ("it was J Wrobel again", {"J": 0.4, "Wrobel": 0.9}, ["J Wrobel"]),
        ("it was J. Wrobel again", {"J": 0.4, "Wrobel": 0.9}, ["J. Wrobel"]),
        ("it was Ann K. Wrobel again", {"Ann": 0.9, "Wrobel": 0.1}, ["Ann K. Wrobel"]),
        ("so said Wrobel. Nobody came", {"Wrobel": 0.9, "Nobody": 0.1}, ["Wrobel"]),  # another sentence
        ("it was at 3 p.m again", {"p": 0.6, "m": 0.7}, []),  # letters alone are no name
        ("it was on monday again", {"monday": 0.9}, []),
        ("unit W4 is shut again", {"W4": 0.9}, []),
    ],
)
def test_words_beside_a_name_join_it_and_letters_days_and_codes_are_not_names(
    text: str, scores: dict[str, float], expected: list[str]
) -> None:
    assert _names(text, scores) == expected


@pytest.mark.parametrize(
    ("text", "score", "found"),
    [
        ("Blue quillon lids", 0.85, []),
        ("Blue quillon lids", 0.95, ["quillon"]),
        ("Blue Quillon lids", 0.85, ["Quillon"]),
        # A writer without capitals writes names without them too.
        ("blue quillon lids", 0.85, ["quillon"]),
    ],
)
def test_on_a_form_a_name_in_small_letters_must_be_certain(text: str, score: float, found: list[str]) -> None:
    start = text.lower().index("quillon")
    guesses = [WordPrediction(start, start + len("quillon"), "SURNAME", score)]
    entities = entities_of(original(text), guesses, STRICT, printed=True)
    assert [text[e.start : e.end] for e in entities] == found


@pytest.mark.parametrize(
    ("text", "answers", "found"),
    [
        ("QUILLON", set(), False),
        ("QUILLON LIDS", set(), False),
        ("QUILLON", {"quillon"}, True),  # after a label for a person
        ("Quillon Orrick", set(), True),  # written like a name
        ("quillon", set(), True),  # as OCR reads a signature
    ],
)
def test_in_a_cell_that_looks_like_a_label_a_name_needs_more_than_in_an_answer(
    text: str, answers: set[str], found: bool
) -> None:
    guesses = [WordPrediction(0, len("quillon"), "SURNAME", 0.3)]
    on_form = entities_of(original(text), guesses, STRICT, printed=True, answers=frozenset(answers))
    assert bool(list(on_form)) is found
    assert list(entities_of(original(text), guesses, STRICT)), "elsewhere a short text may be an answer"


def test_on_a_form_five_digits_alone_are_no_postcode() -> None:
    guesses = [WordPrediction(0, 5, "ZIP_CODE", 0.95)]
    assert not list(entities_of(original("10368"), guesses, STRICT, printed=True))
    assert [e.type for e in entities_of(original("10368"), guesses, STRICT)] == ["ADDRESS"]
