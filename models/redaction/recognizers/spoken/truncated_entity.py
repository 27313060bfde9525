"""A number or an e-mail address that is cut off at the end of an utterance and may continue in the next one.

"My number is four one five" begins a telephone number if "five five five oh one three two" follows. By then its text
has been shown, so it is redacted at once. Must NOT match: times, years, readings, prices, rooms, quantities ("three
hundred").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from models.redaction.dialogue_context import is_reading, numeric
from models.redaction.itn.lexicon import HOMOPHONES, TOP_LEVEL, lexicon_for
from models.redaction.itn.tokens import Token, Words, tokens_of
from models.redaction.lexicons import loader
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import near, words
from models.redaction.recognizers.filters.quantity_context import introduced_as, is_harmless
from models.redaction.recognizers.person.spelled_name import is_object_number
from models.redaction.recognizers.spoken.bare_answer import MONTHS
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_TAIL_CHARS = 120
"""Characters at the end that are read."""

_MIN_DIGITS = 3
_MIN_BARE_DIGITS = 2

_NUMBER_IS = words(loader.alternatives("number_cues", "introductions"))
_TIME_DIGITS = 4
_CUE_REACH = 40
_MONTH_REACH = 14

_QUANTITY_END = re.compile(r"(?:19|20)\d\d|\d{1,3}00|[01]?\d[.: ]?[0-5]\d|\d{1,3}(?:[.,]\d{3})+|\d+[.,]\d+")
_COUNTING = "0123456789"
_HOST_TOKENS, _LOCAL_TOKENS = 4, 6
_WORD_SIGNS = frozenset({".", "_", "-"})
_COMMON_SIGNS = loader.words(loader.ANY, "spoken_words", "common_signs")
_ZEROS = frozenset({"oh", "o"})


class TruncatedEntityRecognizer:
    """Walks back from the last word of an utterance."""

    name = "open-end"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or view.kind != "original":
            return
        offset = max(0, len(view.text) - _TAIL_CHARS)
        tokens = tokens_of(view.text[offset:])
        while tokens and not tokens[-1].text[0].isalnum():
            tokens.pop()
        if not tokens:
            return
        reader = Words(tokens, lexicon_for(context.language))
        first, kind = self._number(view, offset, reader, context), "ID"
        if first is None:
            first, kind = _address(reader), "EMAIL"
        if first is not None:
            yield Entity(kind, offset + tokens[first].start, offset + tokens[-1].end, 0.55, self.name)

    def _number(self, view: TextView, offset: int, reader: Words, context: RedactionContext) -> int | None:
        """First token of a number that breaks off at the end."""
        number = _number_at_end(reader)
        if not number.digits or is_reading(context.asked_for):
            return None
        start, end = offset + reader.tokens[number.first].start, offset + reader.tokens[-1].end
        if is_harmless(view, start, end) or is_object_number(view, start):
            return None
        # Only if nothing else was said: quantities are not said digit by digit.
        bare = start == 0 and number.singles == number.digits >= _MIN_BARE_DIGITS and _is_dictation(reader)
        if bare or numeric(context.asked_for):
            return number.first
        # What announces a value that was hidden before announces no other one.
        reach = min(_CUE_REACH, start - 1 - view.text.rfind("]", 0, start))
        if near(view, start, start, _NUMBER_IS, before=reach, after=0):
            before = view.lower[start - reach : end]
            time = number.digits <= _TIME_DIGITS and _has_time(before, context.language)
            return None if time else number.first
        return number.first if _is_someones(view, start, end, reader, number) else None


def _address(reader: Words) -> int | None:
    """First token of an address that breaks off: "john dot", "john dot carter"."""
    tokens = reader.tokens
    if (broken := _broken_host(reader)) is not None:
        return broken
    for at in (len(tokens) - 1, len(tokens) - 2):
        if at < 1 or not _is_said_sign(reader, tokens[at]) or not tokens[at - 1].text[0].isalnum():
            continue
        if at == len(tokens) - 2 and tokens[-1].text in TOP_LEVEL:
            return None  # the name of a web site
        return at - 1
    return None


class _Number(NamedTuple):
    """Digits at the end of an utterance: their first token, how many they are, and how many were said one by one."""

    first: int
    digits: int
    singles: int


def _number_at_end(reader: Words) -> _Number:
    tokens, first, digits, singles = reader.tokens, len(reader.tokens), 0, 0
    for at in range(len(tokens) - 1, -1, -1):
        value = reader.digits(tokens[at])
        if value and not (tokens[at].text in HOMOPHONES and first == len(tokens) and tokens[at].text != "oh"):
            first, digits, singles = at, digits + len(value), singles + (len(value) == 1)
        elif tokens[at].text in reader.lexicon.repeats and first == at + 1:
            first, digits, singles = at, digits + 1, singles + 1
        elif not _is_between(reader, at):
            break
    return _Number(first, digits, singles)


def _is_someones(view: TextView, start: int, end: int, reader: Words, number: _Number) -> bool:
    """Whether a number without an announcement counts as personal: it is no date and no quantity."""
    if MONTHS.search(view.lower, max(0, start - _MONTH_REACH), end):
        return False
    if number.singles >= _MIN_DIGITS or (number.digits >= _MIN_DIGITS and introduced_as(view, start) == "personal"):
        return True
    written = all(t.text.isdigit() or not t.text.isalnum() for t in reader.tokens[number.first :])
    return number.digits >= _MIN_DIGITS and written and not _QUANTITY_END.fullmatch(view.text, start, end)


def _has_time(text: str, language: str) -> bool:
    """Whether a word of a time or a day is in a text."""
    times = (loader.words(code, "announcements", "times") for code in (language, "en"))
    return not frozenset().union(*times).isdisjoint(WORD.findall(text))


def _is_dictation(reader: Words) -> bool:
    """Whether the utterance is only dictated digits: not counting up ("one two"), no other words."""
    words = any(t.text in HOMOPHONES and t.text not in _ZEROS for t in reader.tokens)
    return not words and "".join(map(reader.digits, reader.tokens)) not in _COUNTING


def _broken_host(reader: Words) -> int | None:
    """First token of an e-mail address whose last part is still missing: "tarn dot quist at example"."""
    tokens = reader.tokens
    for at in range(max(1, len(tokens) - _HOST_TOKENS), len(tokens)):
        if reader.sign(tokens[at]) != "@":
            continue
        signs = [i for i in range(max(1, at - _LOCAL_TOKENS), at) if _is_said_sign(reader, tokens[i])]
        return signs[0] - 1 if signs else None
    return None


def _is_between(reader: Words, at: int) -> bool:
    """Whether a token may stand between two numbers of one sequence."""
    token = reader.tokens[at]
    return token.text in ",-.()+" or token.text in reader.lexicon.joiners or reader.sign(token) in ("+", "-", ".")


def _is_said_sign(reader: Words, token: Token) -> bool:
    """Whether the word names a sign and is rarely anything else."""
    named = reader.sign(token)
    return named in _WORD_SIGNS and len(token.text) > 1 and token.text not in _COMMON_SIGNS


TRUNCATED_ENTITY = TruncatedEntityRecognizer()
