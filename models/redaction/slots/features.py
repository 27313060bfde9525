"""What the slot tagger reads of a word besides its hidden state: shape, lexicon, punctuation, confidence, question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from models.redaction.dialogue_context import READING
from models.redaction.itn.lexicon import HOMOPHONES, INNER_DIGITS, SERVICES, TOP_LEVEL, lexicon_for
from models.redaction.itn.number_words import ORDINALS, compound, ordinal_compound
from models.redaction.itn.spelling_alphabets import LETTER_SOUNDS, PHONETIC
from models.redaction.lexicons.loader import languages, word_lists, words
from models.text import RecognizedWord

Floats = npt.NDArray[np.float32]
Span = tuple[int, int]

LANGUAGES: Final = ("en", "de", "es", "fr", "hi", "it", "pt")
QUESTIONS: Final = ("ADDRESS", "DOB", "EMAIL", "ID", "NAME", "PHONE", "SECRET", READING)
"""What the assistant may have asked for, see ``dialogue_context``."""

_MOST_DIGITS: Final = 12
_LONGEST: Final = 12
_LEAST_ODDS: Final = 1e-4
_ODDS_RANGE: Final = np.float32(9.0)
_MONTHS_OF_YEAR: Final = 12
_DAYS_OF_MONTH: Final = 31
_YEAR_DIGITS: Final = 4
_YEARS: Final = range(1900, 2040)
_MARKS: Final = (",", ".", "?!।", "-\u2013\u2014", ":", "/", "@", "$€£₹", "%", "'\u2019")
"""Kinds of marks between two words."""

_MONTHS: Final = frozenset(
    month for code in languages("months") for name in word_lists(code, "months").values() for month in name
)


@dataclass(frozen=True, slots=True)
class SlotContext:
    """What is known about the words of a text.

    Attributes:
        language: ISO 639-1 code.
        asked_for: What the assistant just asked for.
        words: How sure speech recognition is of each word; empty where it is not known.
        typed: Whether the text was typed, not spoken.
    """

    language: str = "en"
    asked_for: tuple[str, ...] = ()
    words: Sequence[RecognizedWord] = ()
    typed: bool = False


def slot_features(text: str, spans: Sequence[Span], names: Floats, context: SlotContext) -> Floats:
    """The features of words.

    Args:
        text: As it was recognized.
        spans: Of its words, in order.
        names: Probability that each is part of a name.
        context: What else is known.

    Returns:
        Shape (words, ``FEATURES``).
    """
    rows = np.zeros((len(spans), FEATURES), dtype=np.float32)
    if not spans:
        return rows
    language = context.language[:2].lower()
    own = chain.from_iterable(_word(text[start:end], language) for start, end in spans)
    rows[:, :_WORD] = np.concatenate(list(own)).reshape(-1, _WORD)
    gaps = np.concatenate([_gap(*gap) for gap in _gaps(text, spans)]).reshape(len(spans) + 1, -1)
    rows[:, _WORD:_GAP_AFTER], rows[:, _GAP_AFTER:_PLACE] = gaps[:-1], gaps[1:]
    order = np.arange(len(spans), dtype=np.float32)
    rows[:, _PLACE] = 1 / (1 + order)
    rows[:, _PLACE + 1] = 1 / (1 + order[::-1])
    if context.words:
        rows[:, _CONFIDENCE : _CONFIDENCE + 2] = list(_confidences(spans, context.words))
    likely = np.clip(names, _LEAST_ODDS, 1 - _LEAST_ODDS)
    rows[:, _NAME] = np.log(likely / (1 - likely)) / _ODDS_RANGE
    rows[:, _TEXT:] = _of_text(language, context.asked_for, context.typed)
    return rows


def _gaps(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, bool]]:
    """What stands before each word, and after the last, and whether it is an end of the text."""
    at = 0
    for number, (start, end) in enumerate(spans):
        yield text[at:start], number == 0
        at = end
    yield text[at:], True


def _word(word: str, language: str) -> tuple[Floats, Floats]:
    plain = word.isascii() and word.isalpha() and word.islower()
    shape = _PLAIN_SHAPES[min(len(word), _LONGEST)] if plain else _row(_shape(word))
    return shape, _listed_meanings(word.lower(), language)


def _row(values: Sequence[float]) -> Floats:
    row = np.array(values, dtype=np.float32)
    row.setflags(write=False)
    return row


def _shape(word: str) -> tuple[float, ...]:
    digits = "".join(filter(str.isdecimal, word))
    number = int(digits) if word.isdecimal() and len(word) <= _MOST_DIGITS else -1
    counts = [0.0] * _MOST_DIGITS
    if digits:
        counts[min(len(digits), _MOST_DIGITS) - 1] = 1.0
    return (
        word[:1].isupper(),
        len(word) > 1 and word.isupper(),
        len(word) == 1 and word.isalpha(),
        word.isalpha() and not word.isascii(),
        bool(digits) and any(map(str.isalpha, word)),
        word.isdecimal(),
        word.startswith("0"),
        len(word) == _YEAR_DIGITS and number in _YEARS,
        0 <= number <= _MONTHS_OF_YEAR,
        0 <= number <= _DAYS_OF_MONTH,
        min(len(word), _LONGEST) / _LONGEST,
        *counts,
    )


_PLAIN_SHAPES: Final = [_row(_shape("a" * length)) for length in range(_LONGEST + 1)]
"""The shape of every word in small ASCII letters, by its length."""


def _listed_meanings(word: str, language: str) -> Floats:
    """The same as ``_meanings``, looked up for the words of the lists."""
    known = _vocabulary(language)
    if word in known:
        return known[word]
    unlisted = compound(word, language) is None and ordinal_compound(word) is None
    return known[""] if unlisted else _row(_meanings(word, language))


@lru_cache(maxsize=16)
def _vocabulary(language: str) -> dict[str, Floats]:
    """The meanings of all words of the lists, and of no word. What was said is not kept."""
    lexicon = lexicon_for(language)
    tables: tuple[Iterable[str], ...] = (
        *(lexicon.numbers, lexicon.scales, lexicon.repeats, lexicon.letters, lexicon.letter_words, lexicon.phonetic),
        *(lexicon.signs, lexicon.ats, lexicon.joiners, HOMOPHONES, INNER_DIGITS, LETTER_SOUNDS, PHONETIC),
        *(ORDINALS["en"], ORDINALS.get(language, ()), _MONTHS, SERVICES, TOP_LEVEL, words(language, "function_words")),
    )
    return {word: _row(_meanings(word, language)) for word in {""}.union(*tables)}


def _meanings(word: str, language: str) -> tuple[float, ...]:
    """What a word in lower case may stand for when it is said."""
    lexicon = lexicon_for(language)
    number = lexicon.numbers.get(word, "")
    return (
        len(number) == 1,
        len(number) > 1 or (not number and compound(word, language) is not None),
        word in lexicon.scales,
        word in lexicon.repeats,
        word in HOMOPHONES,
        word in INNER_DIGITS,
        word in lexicon.letters,
        word in lexicon.letter_words,
        word in LETTER_SOUNDS,
        word in PHONETIC or word in lexicon.phonetic,
        word in lexicon.signs,
        word in lexicon.ats,
        word in lexicon.joiners,
        word in ORDINALS["en"] or word in ORDINALS.get(language, ()) or ordinal_compound(word) is not None,
        word in _MONTHS,
        word in SERVICES or word in TOP_LEVEL,
        word in words(language, "function_words"),
    )


@lru_cache(maxsize=4096)
def _gap(marks: str, edge: bool) -> Floats:
    """The kinds of marks between two words, or between a word and the end of the text."""
    return _row([edge, not marks, "\n" in marks, *(any(c in kind for c in marks) for kind in _MARKS)])


def _confidences(spans: Sequence[Span], rated: Sequence[RecognizedWord]) -> Iterator[tuple[float, float]]:
    """Whether the confidence of each word is known, and the lowest that overlaps it."""
    at = 0
    for start, end in spans:
        while at < len(rated) and rated[at].end <= start:
            at += 1
        lowest, index = 2.0, at
        while index < len(rated) and rated[index].start < end:
            lowest = min(lowest, rated[index].confidence)
            index += 1
        yield (1.0, lowest) if lowest <= 1 else (0.0, 0.0)


@lru_cache(maxsize=1024)
def _of_text(language: str, asked_for: tuple[str, ...], typed: bool) -> Floats:
    return _row([*(language == one for one in LANGUAGES), *(one in asked_for for one in QUESTIONS), typed])


_WORD: Final = sum(map(len, _word("a", "en")))
_GAP_AFTER: Final = _WORD + len(_gap("", True))
_PLACE: Final = _GAP_AFTER + len(_gap("", True))
_CONFIDENCE: Final = _PLACE + 2
_NAME: Final = _CONFIDENCE + 2
_TEXT: Final = _NAME + 1
FEATURES: Final = _TEXT + len(_of_text("", (), False))
"""Length of a row."""

CONFIDENCE_COLUMNS: Final = slice(_CONFIDENCE, _NAME)
QUESTION_COLUMNS: Final = slice(_TEXT + len(LANGUAGES), _TEXT + len(LANGUAGES) + len(QUESTIONS))
LANGUAGE_COLUMNS: Final = slice(_TEXT, _TEXT + len(LANGUAGES))
TYPED_COLUMN: Final = FEATURES - 1

_MEANINGS: Final = len(_shape(""))
_NUMBERS: Final = slice(_MEANINGS, _MEANINGS + 4)
"""Digits, longer numbers, scales and repeats, in words."""
_LETTER, _SIGN = _shape("x").index(True), _MEANINGS + _meanings("slash", "en").index(True)


def said_words(rows: Floats) -> npt.NDArray[np.bool_]:
    """Which words are number words, or letters and signs in a text with number words, by their features."""
    said: npt.NDArray[np.bool_] = rows[:, _NUMBERS].max(axis=1) > 0
    if said.any():
        said |= rows[:, [_LETTER, _SIGN]].max(axis=1) > 0
    return said
