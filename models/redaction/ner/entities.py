"""Turns the classifier's predictions for single words into entities."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from models.redaction.ner.name_entities import is_common_in_print, names_of, without_stop_words
from models.redaction.ner.number_entities import LONE_ZIP_SCORE, is_amount_of, may_stand_alone, short_phones
from models.redaction.ner.stopwords import uses_capitals
from models.redaction.ner.thresholds import Thresholds
from models.redaction.ner.types import WordPrediction
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.types import CLASSIFIER
from models.text import Entity

_TYPE_OF = {
    "GIVEN_NAME": "NAME",
    "SURNAME": "NAME",
    "EMAIL": "EMAIL",
    "PHONE": "PHONE",
    "TAX_ID": "ID",
    "GOVERNMENT_ID": "ID",
    "PASSPORT": "PASSPORT",
    "DRIVERS_LICENSE": "LICENCE",
    "BANK_ACCOUNT": "ACCOUNT",
    "ROUTING_NUMBER": "ACCOUNT",
    "BUILDING_NUMBER": "ADDRESS",
    "STREET_NAME": "ADDRESS",
    "SECONDARY_ADDRESS": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
    "CITY": "ADDRESS",
    "STATE": "ADDRESS",
}
"""Web addresses are left to the patterns: most lead to no person."""

_PLACES = frozenset({"CITY", "STATE"})


_NUMBERS = frozenset({"BUILDING_NUMBER", "ZIP_CODE", "SECONDARY_ADDRESS"})
_ANSWER_WORDS = 2
_NEIGHBOURS = 6
_NO_LABEL = re.compile(r"[^\W\d_a-z][^\W\d_A-Z]+[ ,]{1,2}[^\W\d_a-z][^\W\d_A-Z]+|[^\W\d_A-Z]+")
"""A cell that is written like no label: "Ana Lopez", or one word in small letters, as OCR reads a signature."""


def entities_of(
    view: TextView,
    predictions: list[WordPrediction],
    thresholds: Thresholds,
    *,
    spoken: bool = False,
    printed: bool = False,
    answers: frozenset[str] = frozenset(),
    language: str = "",
) -> Iterator[Entity]:
    """Entities with offsets in the view that the classifier read.

    Args:
        view: The text.
        predictions: What the classifier takes its words for.
        thresholds: From which probability a word counts.
        spoken: Whether the text was spoken, or is written as if it were.
        printed: Whether it stands on a form or a receipt.
        answers: The words of that page after labels for people.
        language: ISO 639-1.
    """
    cased = not spoken and bool(predictions) and uses_capitals(view, language)
    predictions = list(without_stop_words(view, predictions, thresholds, language, cased=cased))
    threshold = thresholds.name_threshold(transliterated=view.kind == "transliterated", spoken=spoken, printed=printed)
    if printed and cased:
        predictions = [p for p in predictions if not is_common_in_print(view, p, thresholds)]
    if len(view.text.split()) <= _ANSWER_WORDS:
        is_label = printed and not _NO_LABEL.fullmatch(view.text) and answers.isdisjoint(WORD.findall(view.lower))
        threshold = threshold if is_label else min(threshold, thresholds.name_answer)
    yield from names_of(view, predictions, thresholds, threshold, capitalizes_nouns=cased and language == "de")
    sure = [
        g
        for g in predictions
        if _TYPE_OF.get(g.label, "NAME") != "NAME"
        and g.score >= thresholds.of(_TYPE_OF[g.label])
        and not is_amount_of(view, g)
    ]
    short = short_phones(view, [g for g in sure if g.label == "PHONE"])
    sure = list(_with_support(view, sure, thresholds, hindi=view.kind == "transliterated" or language == "hi"))
    address = [g for g in sure if _TYPE_OF[g.label] == "ADDRESS"]
    anchors = [
        g for g in address if g.label == "STREET_NAME" or (g.label in _NUMBERS and _near(g, address, thresholds))
    ]
    for word in sure:
        if word.label in _PLACES and not _beside(word, anchors, address, thresholds):
            continue
        alone = word.label in _NUMBERS and not _near(word, address, thresholds)
        if (alone and (printed or not may_stand_alone(view, word))) or word.start in short:
            continue
        score = min(word.score, LONE_ZIP_SCORE) if alone else word.score
        yield Entity(_TYPE_OF[word.label], word.start, word.end, score, f"{CLASSIFIER}{word.label.lower()}")


def _with_support(
    view: TextView, sure: list[WordPrediction], thresholds: Thresholds, *, hindi: bool
) -> Iterator[WordPrediction]:
    """Drop address words that have no number to support them.

    A word counts as a flat number only beside a number or a street. In Hindi, which was not in its training data, the
    classifier labels whole clauses as streets, so there a street needs a number too.
    """
    firm = [g for g in sure if has_digit(view.text[g.start : g.end]) or (g.label == "STREET_NAME" and not hindi)]
    for word in sure:
        needs_number = word.label in _NUMBERS or (word.label == "STREET_NAME" and hindi)
        beside = any(_gap(word, other) <= thresholds.place_reach for other in _beside_in(firm, word))
        doubtful = word.label == "STREET_NAME" and word.score < thresholds.street_alone
        if not (needs_number or doubtful) or beside or has_digit(view.text[word.start : word.end]):
            yield word


def _gap(first: WordPrediction, second: WordPrediction) -> int:
    """Characters between two words."""
    return max(second.start - first.end, first.start - second.end)


def _near(word: WordPrediction, others: list[WordPrediction], thresholds: Thresholds) -> bool:
    beside = _beside_in(others, word)
    return any(o.label != word.label and _gap(word, o) <= thresholds.place_reach for o in beside)


def _beside(
    place: WordPrediction, anchors: list[WordPrediction], address: list[WordPrediction], thresholds: Thresholds
) -> bool:
    """Whether a town or state belongs to an address: a street or number is near it, or near its neighbour."""
    reach = thresholds.place_reach
    if any(_gap(place, a) <= reach for a in _beside_in(anchors, place)):
        return True
    middle = [g for g in _beside_in(address, place) if g.label in _PLACES and _gap(place, g) <= reach]
    return any(_gap(m, a) <= reach for m in middle for a in _beside_in(anchors, m))


def _beside_in(others: list[WordPrediction], word: WordPrediction) -> list[WordPrediction]:
    """The neighbours of a word among ``others``, which are sorted. Looking only at these keeps the time linear."""
    middle = bisect_left(others, word.start, key=lambda o: o.start)
    return [o for o in others[max(0, middle - _NEIGHBOURS) : middle + _NEIGHBOURS + 1] if o.start != word.start]
