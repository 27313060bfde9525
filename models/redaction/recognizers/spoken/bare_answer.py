"""Bare answers: an utterance that is only a name, a number or an address, without words that say which.

The assistant's last question decides the label. Without a question a bare spoken number is hidden too, because agents
mostly ask for telephone numbers and postcodes. A reading that was asked for stays. Must NOT match: times, prices,
decimals, amounts with a unit, refusals ("I would rather not say"), questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from models.redaction.dialogue_context import is_reading, personal
from models.redaction.entities import labels_where
from models.redaction.lexicons.loader import across, alternatives, word_lists
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import has_digit, words
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.recognizers.person.introduced_name import NOT_NAMES
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_FILLERS: Final = frozenset(across("questions", "fillers"))
"""Filler words around an answer."""

_REFUSALS = words(alternatives("questions", "refusals"))

_CONTENT_WORDS = {"NAME": 4, "EMAIL": 10, "ADDRESS": 10, "PHONE": 12, "DOB": 8, "ID": 10}
"""Most words of an answer that consists only of the requested value."""

_NEEDS_DIGIT = labels_where(lambda entity: entity.needs_digit)
_RANK = ("EMAIL", "PHONE", "DOB", "ID", "ADDRESS", "NAME")
"""The order of labels when several types were asked for: an answer with digits gets the first, one without the last."""

_ARTICLE = re.compile(rf"(?<![^\W_])(?:{'|'.join(word_lists('en', 'function_words')['articles'])}) $")
_LONGEST_ANSWER_CHARS = 160
_MIN_BARE_DIGITS = 3
_MIN_CODE = 5
_LONGEST_CODE_WORDS = 4

MONTHS = words(*across("months", "all"), *across("months", "short"))
"""Names of months in every language that has a list of them, and the short English ones."""

_NO_CODE = re.compile(r"[$€£₹%°]|\d[.,:]\d|(?<![^\W_])(?:[01]?\d|2[0-4])[ .:]?[0-5]?\d? ?(?:[ap]\.?m|uhr|h)(?![^\W_])")
_TIME = re.compile(r"(?:[01]?\d|2[0-3])[ .:h-]{1,2}[0-5]\d")
_ORDINAL_OR_UNIT = re.compile(
    r"\d+(?:st|nd|rd|th|er|e|am|pm|kg|g|km|m|cm|mm|m3|l|ml|kwh|wh|kw|w|v|a|h|s|x|ft|lb|lbs|oz|c|f|k)"
)


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    text: str


class BareAnswerRecognizer:
    """Labels short answers by the assistant's question, or by their shape if there was none."""

    name = "answer"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if view.kind not in ("original", "spoken") or len(view.text) > _LONGEST_ANSWER_CHARS:
            return
        asked = personal(context.asked_for)
        if asked and not (is_reading(context.asked_for) and has_digit(view.text)):
            yield from self._asked(view, asked)
        elif context.source is TextSource.SPEECH and not context.asked_for:
            yield from self._unasked(view)

    def _unasked(self, view: TextView) -> Iterator[Entity]:
        """A number alone, or a code of letters and digits alone."""
        content = _content(view) if view.digits else []
        said = [w.text for w in content]
        number = all(w.isdigit() for w in said)
        code = not number and len(said) <= _LONGEST_CODE_WORDS and all(map(_is_code_piece, said)) and _is_mixed(said)
        if not said or not (number or code) or _NO_CODE.search(view.lower):
            return
        start, end = content[0].start, content[-1].end
        if is_harmless(view, start, end):
            return
        total = sum(len(w) for w in said)
        if number:
            is_count = (start, end) in view.counted or (len(said) == 1 and said[0].endswith("00"))
            if total >= _MIN_BARE_DIGITS and not is_count and not _TIME.fullmatch(view.text[start:end].strip()):
                yield Entity("ID", start, end, 0.55, "answer:number")
        elif total >= _MIN_CODE:
            yield Entity("ADDRESS", start, end, 0.55, "answer:code")

    def _asked(self, view: TextView, asked: tuple[str, ...]) -> Iterator[Entity]:
        content = _content(view)
        if not content or "?" in view.text or _REFUSALS.search(view.lower):
            return
        start, end = content[0].start, content[-1].end
        numeric = has_digit(view.text[start:end]) or MONTHS.search(view.lower, start, end) is not None
        fitting = [kind for kind in _RANK if kind in asked and len(content) <= _CONTENT_WORDS[kind]]
        fitting = [kind for kind in fitting if (numeric or kind not in _NEEDS_DIGIT)]
        if fitting == ["NAME"]:
            yield from self._names(view, content)
        elif fitting and not (numeric and is_harmless(view, start, end)):
            # If one type was asked for, digits are of that type. Names and addresses need more evidence.
            score = 0.9 if numeric and len(asked) == 1 else 0.6
            yield Entity(fitting[0] if numeric else fitting[-1], start, end, score, "answer:asked")

    def _names(self, view: TextView, content: list[_Word]) -> Iterator[Entity]:
        """Every word that is not common. An answer of one or two words is a name, but for a thing beside one."""
        named = [w for w in content if not self._is_thing(view, w)]
        if not any(view.text[w.start].isupper() for w in named):
            named = content
        likely = named if len(content) <= 2 else [w for w in named if w.text not in NOT_NAMES]
        for word in likely:
            if not word.text.isdigit():
                yield Entity("NAME", word.start, word.end, 0.6, "answer:asked")

    def _is_thing(self, view: TextView, word: _Word) -> bool:
        """Whether a word in small letters stands after an English article."""
        return view.text[word.start].islower() and _ARTICLE.search(view.lower, 0, word.start) is not None


def _content(view: TextView) -> list[_Word]:
    """The words that are not filler."""
    found = (_Word(m.start(), m.end(), m.group()) for m in WORD.finditer(view.lower))
    return [w for w in found if w.text.replace("\u2019", "'") not in _FILLERS]


def _is_code_piece(word: str) -> bool:
    """Whether the word is short with digits in it ("s8f"), or digits, or one or two letters."""
    if word.isdigit():
        return True
    if _ORDINAL_OR_UNIT.fullmatch(word) or len(word) > 8:
        return False
    return has_digit(word) or len(word) <= 2


def _is_mixed(said: list[str]) -> bool:
    """Whether a word mixes letters and digits."""
    return any(has_digit(w) and not w.isdigit() for w in said)


BARE_ANSWER = BareAnswerRecognizer()
