"""Turns the classifier's predictions for single words into entities."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from models.redaction.ner.brand_filter import is_brand, is_machine, listed_beside, stands_for_a_person
from models.redaction.ner.number_entities import LONE_ZIP_SCORE, is_amount_of, may_stand_alone, short_phones
from models.redaction.ner.stopwords import is_stop_word, uses_capitals
from models.redaction.ner.types import WordPrediction
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.recognizers.person.introduced_name import NOT_NAMES
from models.redaction.types import Suspect
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

_NAMES = frozenset({"GIVEN_NAME", "SURNAME"})
_PLACES = frozenset({"CITY", "STATE"})


_NUMBERS = frozenset({"BUILDING_NUMBER", "ZIP_CODE", "SECONDARY_ADDRESS"})
_ANSWER_WORDS = 2
_NEIGHBOURS = 6

_ABBREVIATION = 3
"""Letters of "Dr.", "St.", "Jos." at most."""

_HONOUR = re.compile(r" {1,2}(?:ji|jee|sahab|saheb|sahib|bhai|bhaiya|didi)(?![^\W_])")

_BRIDGE = re.compile(
    r"[ \t]{1,2}(?:(?:[^\W\d_]\.?|van|von|de|der|den|del|della|di|da|dos|do|la|le|bin|ibn|al|el|ben|zu|ter"
    r"|of the)[ \t]{1,2}){0,2}|[ \t]?[-.'\u2019][ \t]?",
    re.IGNORECASE,
)
"""What may stand between two parts of one name: a space, initials, particles, a hyphen."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least probabilities from which a word counts.

    Attributes:
        name: Threshold for names. It is low, because no other recognizer finds most names.
        name_spoken: Threshold for names in speech. Capitals are unreliable there, misheard words look like rare names,
            and introductions and questions are evaluated separately.
        name_printed: Threshold for names on forms and receipts, whose labels, abbreviations and goods look like rare
            names. Found in docs/evaluation/constants, "name-printed".
        transliterated_name: Threshold for names in Hindi, where the classifier's scores are low.
        name_answer: Threshold when the whole text is one or two words, like the answer to a question for a name.
        name_honoured: Threshold when a title follows the word.
        name_beside: Threshold for a word right beside a certain name.
        name_small: Threshold for a lower-case word when the writer capitalizes every noun.
        name_small_printed: The same on forms and receipts whose text has capitals. Found in docs/evaluation/constants,
            "name-printed".
        name_suspected: Threshold from which a word of an unfinished utterance is held back until more words follow.
        name_likely: Threshold from which such a word is held back until the utterance ends.
        number: Threshold for numbers and codes, which patterns find as well.
        address: Threshold for parts of an address.
        street_alone: Threshold for a street name without other parts of an address beside it.
        place_reach: Most characters between a town and a street or postcode for the town to be part of the address.
    """

    name: float = 0.3
    name_spoken: float = 0.68
    name_printed: float = 0.75
    transliterated_name: float = 0.25
    name_answer: float = 0.12
    name_honoured: float = 0.2
    name_beside: float = 0.08
    name_small: float = 0.4
    name_small_printed: float = 0.9
    name_suspected: float = 0.06
    name_likely: float = 0.25
    number: float = 0.5
    address: float = 0.5
    street_alone: float = 0.75
    place_reach: int = 12

    def name_threshold(self, *, transliterated: bool, spoken: bool, printed: bool = False) -> float:
        """The threshold for names. If a policy lowered it, the lowered one applies everywhere."""
        if printed and self.name >= Thresholds().name:
            return max(self.name, self.name_printed)
        if transliterated:
            return min(self.name, self.transliterated_name)
        return max(self.name, self.name_spoken) if spoken and self.name >= Thresholds().name else self.name

    def of(self, entity_type: str) -> float:
        """The threshold for one entity type."""
        return {"NAME": self.name, "ADDRESS": self.address}.get(entity_type, self.number)


def entities_of(
    view: TextView,
    predictions: list[WordPrediction],
    thresholds: Thresholds,
    *,
    spoken: bool = False,
    printed: bool = False,
    language: str = "",
) -> Iterator[Entity]:
    """Entities with offsets in the view that the classifier read; ``spoken`` says that the text was spoken,
    or is written as if it were, ``printed`` that it stands on a form or a receipt, ``language`` is its ISO 639-1 code.
    """
    cased = not spoken and bool(predictions) and uses_capitals(view, language)
    predictions = list(_without_stop_words(view, predictions, thresholds, language, cased=cased))
    threshold = thresholds.name_threshold(transliterated=view.kind == "transliterated", spoken=spoken, printed=printed)
    if printed and cased:
        predictions = [p for p in predictions if not _is_common_in_print(view, p, thresholds)]
    if len(view.text.split()) <= _ANSWER_WORDS:
        threshold = min(threshold, thresholds.name_answer)
    yield from _names(view, predictions, thresholds, threshold, capitalizes_nouns=cased and language == "de")
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
        if (alone and not may_stand_alone(view, word)) or word.start in short:
            continue
        score = min(word.score, LONE_ZIP_SCORE) if alone else word.score
        yield Entity(_TYPE_OF[word.label], word.start, word.end, score, f"ner:{word.label.lower()}")


def _is_common_in_print(view: TextView, word: WordPrediction, thresholds: Thresholds) -> bool:
    """Whether a name in small letters is too unsure to count in a printed text that has capitals: "white tipping"."""
    lower = view.text[word.start].islower() and thresholds.name >= Thresholds().name
    return word.label in _NAMES and lower and word.score < thresholds.name_small_printed


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


def _names(
    view: TextView,
    predictions: list[WordPrediction],
    thresholds: Thresholds,
    threshold: float,
    *,
    capitalizes_nouns: bool,
) -> Iterator[Entity]:
    """Words that are names, with likely names right beside them and the initials between.

    ``capitalizes_nouns`` says that the writer does, so that a lower-case word is unlikely to be a name.
    """
    # A single letter is an initial only beside a name: not in "6.35 p.m."
    sure = {
        g.start
        for g in predictions
        if g.end - g.start > 1 and _is_name(view, g, _threshold_of(view, g, threshold, thresholds, capitalizes_nouns))
    }
    likely = [
        g for g in predictions if g.label in _NAMES and (g.start in sure or _is_name(view, g, thresholds.name_beside))
    ]
    groups: list[list[WordPrediction]] = []
    for word in likely:
        if groups and _joined(view, groups[-1][-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    found = [group for group in groups if any(g.start in sure for g in group)]
    for index, group in enumerate(found):
        if _is_only_a_brand(view, index, found):
            continue
        best = max(group, key=lambda g: g.score)
        yield Entity("NAME", group[0].start, group[-1].end, best.score, f"ner:{best.label.lower()}")


def _without_stop_words(
    view: TextView, predictions: list[WordPrediction], thresholds: Thresholds, language: str, *, cased: bool
) -> Iterator[WordPrediction]:
    """Drop names that are stop words, unless a title follows or a certain name stands right beside them."""
    before: WordPrediction | None = None
    held: WordPrediction | None = None
    for word in predictions:
        if word.label not in _NAMES:
            yield word
            continue
        joined = before is not None and _joined(view, before, word)
        if is_stop_word(view, word.start, word.end, language, cased=cased):
            # If the writer uses capitals, a lower-case stop word is never a name.
            plain = cased and view.text[word.start].islower()
            held = None if plain else word
            if _HONOUR.match(view.lower, word.end) or (joined and not plain):
                held = None
                yield word
            continue
        sure = word.score >= thresholds.name
        if held is not None and sure and _joined(view, held, word):
            yield held
        held, before = None, word if sure else None
        yield word


def _threshold_of(
    view: TextView, word: WordPrediction, threshold: float, thresholds: Thresholds, capitalizes_nouns: bool
) -> float:
    """The threshold for one word. It is lower when a title follows, as in Hindi: "sunita ji"."""
    if capitalizes_nouns and thresholds.name >= Thresholds().name and view.text[word.start].islower():
        return max(threshold, thresholds.name_small)
    return min(threshold, thresholds.name_honoured) if _HONOUR.match(view.lower, word.end) else threshold


def _is_only_a_brand(view: TextView, index: int, groups: list[list[WordPrediction]]) -> bool:
    """Whether a group consists of brand names and no context makes it a person's name."""
    if not _is_brand_group(view, groups[index]) or stands_for_a_person(view, groups[index][0].start):
        return False
    return not any(
        _is_brand_group(view, first) != _is_brand_group(view, second)
        and listed_beside(view, first[-1].end, second[0].start)
        for first, second in pairwise(groups[max(0, index - 1) : index + 2])
    )


def _is_brand_group(view: TextView, group: list[WordPrediction]) -> bool:
    """Whether a group is a brand, with its machine before it or a lower-case verb after it: "Balay cuesta"."""
    brands = [is_brand(view, word.start, word.end) for word in group]
    if not any(brands):
        return False
    first = brands.index(True)
    capital = view.text[group[first].start].isupper()
    return all(
        brand or is_machine(view, g.start, g.end) or (place > first and capital and view.text[g.start].islower())
        for place, (brand, g) in enumerate(zip(brands, group, strict=True))
    )


def suspects_of(view: TextView, predictions: list[WordPrediction], thresholds: Thresholds) -> Iterator[Suspect]:
    """Words, with offsets in the view, that following words may still turn into names."""
    for word in predictions:
        if _is_name(view, word, thresholds.name_suspected):
            yield Suspect(word.start, word.end, word.score >= thresholds.name_likely)


def _joined(view: TextView, first: WordPrediction, second: WordPrediction) -> bool:
    """Whether two words belong to one name. A full stop between them ends the name, unless it follows a short
    abbreviation.
    """
    if not _BRIDGE.fullmatch(view.text, first.end, second.start):
        return False
    return first.end - first.start <= _ABBREVIATION or view.text[first.end : second.start].strip() != "."


def _is_name(view: TextView, word: WordPrediction, threshold: float) -> bool:
    if word.label not in _NAMES or word.score < threshold:
        return False
    text = view.lower[word.start : word.end]
    return text not in NOT_NAMES and not has_digit(text)


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
