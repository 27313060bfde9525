"""Names among the classifier's predictions: which words count, and which of them form one name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from models.redaction.lexicons.loader import ANY, word_lists
from models.redaction.ner.brand_filter import is_brand, is_machine, listed_beside, stands_for_a_person
from models.redaction.ner.stopwords import is_stop_word
from models.redaction.ner.thresholds import Thresholds
from models.redaction.ner.types import WordPrediction
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.recognizers.person.introduced_name import NOT_NAMES
from models.redaction.types import CLASSIFIER, Suspect
from models.text import Entity

_NAMES = frozenset({"GIVEN_NAME", "SURNAME"})

_ABBREVIATION = 3
"""Letters of "Dr.", "St.", "Jos." at most."""

_PARTICLES: Final = {name: "|".join(entries) for name, entries in word_lists(ANY, "particles").items()}

_HONOUR = re.compile(rf" {{1,2}}(?:{_PARTICLES['honours']})(?![^\W_])")

_BRIDGE = re.compile(
    rf"[ \t]{{1,2}}(?:(?:[^\W\d_]\.?|{_PARTICLES['in_names']}|of the)[ \t]{{1,2}}){{0,2}}|[ \t]?[-.'\u2019][ \t]?",
    re.IGNORECASE,
)
"""What may stand between two parts of one name: a space, initials, particles, a hyphen."""


_OR = re.compile(rf" {{1,2}}(?:{_PARTICLES['between_names']}) {{1,2}}", re.IGNORECASE)
"""What may stand between two names that are listed."""


def is_common_in_print(view: TextView, word: WordPrediction, thresholds: Thresholds) -> bool:
    """Whether a name in small letters is too unsure to count in a printed text that has capitals: "white tipping"."""
    lower = view.text[word.start].islower() and thresholds.name >= Thresholds().name
    return word.label in _NAMES and lower and word.score < thresholds.name_small_printed


def names_of(
    view: TextView,
    predictions: list[WordPrediction],
    thresholds: Thresholds,
    threshold: float,
    *,
    capitalizes_nouns: bool,
) -> Iterator[Entity]:
    """Words that are names, with likely names right beside them, the initials between, and what is listed after them.

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
    if not capitalizes_nouns:
        found = _with_listed(view, predictions, found, thresholds.name_suspected)
    for index, group in enumerate(found):
        if _is_only_a_brand(view, index, found):
            continue
        best = max(group, key=lambda g: g.score)
        yield Entity("NAME", group[0].start, group[-1].end, best.score, f"{CLASSIFIER}{best.label.lower()}")


def _with_listed(
    view: TextView, predictions: list[WordPrediction], found: list[list[WordPrediction]], threshold: float
) -> list[list[WordPrediction]]:
    """The names, and words that may be one after a name and "or" or "and": "ask for jo or sam"."""
    words = {word.start: word for word in predictions if _is_name(view, word, threshold)}
    known = {word.start for group in found for word in group}
    listed: list[list[WordPrediction]] = []
    for group in found:
        listed.append(group)
        end = group[-1].end
        while (joint := _OR.match(view.text, end)) and joint.end() not in known and joint.end() in words:
            word = words[joint.end()]
            listed.append([word])
            end = word.end
    return listed


def without_stop_words(
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
