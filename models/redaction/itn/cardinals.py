"""Spoken cardinals and ordinals, each as one number: "forty two" is 42, "neunzehnhundertachtzig" is 1980, "twelfth" is
12th.

``digit_sequences`` joins numbers digit by digit; this module reads each number by itself, short ones too. Only
recognizers that want a number beside other words (a street, a month, an age) use this view, because a short number
alone identifies nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from models.redaction.itn.lexicon import HOMOPHONES, Lexicon, lexicon_for
from models.redaction.itn.number_words import ARTICLES, COMPOUNDING, MORE_NUMBERS, ORDINALS, compound, ordinal_compound
from models.redaction.itn.tokens import Token, tokens_of
from models.redaction.normalize.view import TextView, TextViewBuilder

NUMERALS = "numerals"
"""The ``kind`` of this view."""

_CENTURIES = ("19", "20")
_AFTER_HUNDREDS = frozenset({"and"})
"""Joins hundreds with what is below them ("two hundred and six"), but not tens with units."""

_JOINERS = frozenset({"y", "et", "und", "e", "and"})


def numeral_view(text: str, language: str, tokens: list[Token] | None = None) -> TextView | None:
    """The text with digits for every spoken number, or None if it has none; ``tokens`` are its tokens, if known."""
    found = numerals(text, language, tokens)
    if not found:
        return None
    builder, at = TextViewBuilder(), 0
    for numeral in found:
        builder.copy(text, at, numeral.start)
        builder.put(numeral.form, numeral.start, numeral.end)
        at = numeral.end
    builder.copy(text, at, len(text))
    return builder.build(NUMERALS)


class Numeral(NamedTuple):
    """A number that was said.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        form: Digits; an ordinal has ``th`` or, in German, a full stop after them.
        single: Whether each of its digits was said on its own.
        sure: Whether it is certainly a number. "ein", "oh" and "do" seldom are.
    """

    start: int
    end: int
    form: str
    single: bool = False
    sure: bool = True


def numerals(text: str, language: str, tokens: list[Token] | None = None) -> list[Numeral]:
    """The spoken numbers of a text, in order, without those in digits; ``tokens`` are its tokens, if known."""
    tokens = tokens or tokens_of(text)
    read = list(_Reader(tokens, language).all())
    return [n for n in _with_years(_singles_together(text, read), text) if n.sure]


def _adjacent(text: str, first: Numeral, second: Numeral) -> bool:
    return text[first.end : second.start] in (" ", "-", "  ")


def _singles_together(text: str, read: list[Numeral]) -> Iterator[Numeral]:
    """Digits said one by one as one number: "four oh two"."""
    last: Numeral | None = None
    for numeral in read:
        if last and last.single and numeral.single and _adjacent(text, last, numeral):
            last = last._replace(end=numeral.end, form=last.form + numeral.form, sure=True)
            continue
        if last:
            yield last
        last = numeral
    if last:
        yield last


def _with_years(numerals: Iterator[Numeral], text: str) -> Iterator[Numeral]:
    """The two halves of a year as one number: "nineteen eighty", "twenty oh four"."""
    waiting: Numeral | None = None
    for numeral in numerals:
        if waiting and _is_year(waiting, numeral) and _adjacent(text, waiting, numeral):
            waiting = Numeral(waiting.start, numeral.end, waiting.form + numeral.form)
            continue
        if waiting:
            yield waiting
        waiting = numeral
    if waiting:
        yield waiting


def _is_year(first: Numeral, second: Numeral) -> bool:
    """Whether two numbers are the halves of a year; in "nineteen nineteen eighty" the first is the day."""
    halves = first.form in _CENTURIES and len(second.form) == 2 and second.form.isdigit()
    return halves and second.form != _CENTURIES[0]


class _Amount(NamedTuple):
    """A number while it is being said.

    Attributes:
        thousands: The part that a word like "thousand" closed.
        rest: The part after that; None before its first word.
        room: How many digits at the end of ``rest`` later words may still fill.
        vigesimal: Whether the language counts on from sixty and eighty.
    """

    thousands: int = 0
    rest: int | None = None
    room: int = 0
    vigesimal: bool = False

    @property
    def value(self) -> int:
        return self.thousands + (self.rest or 0)

    @property
    def open(self) -> int:
        """How many digits may still be filled."""
        return 3 if self.rest is None and self.thousands else self.room

    def plus(self, value: int) -> _Amount | None:
        """The number with the next number word, or None if the word begins another number."""
        if self.rest is None:
            fits = not self.thousands or 0 < value < 1000
            return self._replace(rest=value, room=_zeros(value)) if fits else None
        if self.vigesimal:
            if value == 20 and self.rest % 100 == 4:  # quatre-vingts
                return self._replace(rest=self.rest + 76, room=1)
            if self.room == 1 and self.rest % 100 in (60, 80) and 10 <= value <= 19:  # soixante-douze
                return self._replace(rest=self.rest + value, room=0)
            if self.rest % 100 in (10, 70, 90) and 7 <= value <= 9:  # dix-huit
                return self._replace(rest=self.rest + value, room=0)
        if 0 < value < 10**self.room:
            return self._replace(rest=self.rest + value, room=_zeros(value))
        return None

    def times(self, zeros: int) -> _Amount | None:
        """The number multiplied by a word like "hundred", or None if the word begins another number."""
        if zeros == 2:
            if self.rest is None:
                return self._replace(rest=100, room=2)
            return self._replace(rest=self.rest * 100, room=2) if 0 < self.rest < 100 else None
        if self.thousands % 10 ** (zeros + 2) or self.rest == 0:
            return None
        return self._replace(thousands=self.thousands + (self.rest or 1) * 10**zeros, rest=None, room=0)


def _zeros(value: int) -> int:
    """How many digits at the end of a number later words may fill: one for "forty", two for "two hundred", none for
    "ten".
    """
    digits = str(value)
    return 0 if value < 20 else len(digits) - len(digits.rstrip("0"))


@lru_cache(maxsize=64)
def _words_that_begin(language: str) -> frozenset[str]:
    """Words with which a number may begin. All other words are skipped."""
    lexicon = lexicon_for(language)
    return frozenset({"a"}.union(_ordinals(language), _values(language), lexicon.scales, lexicon.repeats))


@lru_cache(maxsize=64)
def _ordinals(language: str) -> dict[str, int]:
    return ORDINALS["en"] | ORDINALS.get(language, {})


@lru_cache(maxsize=64)
def _values(language: str) -> dict[str, int]:
    """The values of the words that are listed for a number."""
    digits = {"oh": "0", "o": "0"} | MORE_NUMBERS.get(language, {}) | lexicon_for(language).numbers
    return {word: int(value) for word, value in digits.items()}


def may_hold_numeral(tokens: Sequence[Token], language: str) -> bool:
    """Whether a spoken number may end in these tokens."""
    own = language[:2].lower()
    return own in COMPOUNDING or not _words_that_begin(own).isdisjoint([token.text for token in tokens])


class _Reader:
    """Reads cardinals and ordinals off tokens."""

    def __init__(self, tokens: list[Token], language: str) -> None:
        self._tokens = tokens
        self._language = language[:2].lower()
        self._lexicon: Lexicon = lexicon_for(language)
        self._ordinals = _ordinals(self._language)
        self._values = _values(self._language)

    def all(self) -> Iterator[Numeral]:
        """All numbers, in order."""
        may_begin, any_word = _words_that_begin(self._language), self._language in COMPOUNDING
        at = 0
        while at < len(self._tokens):
            if not any_word and self._tokens[at].text not in may_begin:
                at += 1
                continue
            last, numeral = self._at(at)
            if numeral:
                yield numeral
            at = max(last, at + 1)

    def _at(self, first: int) -> tuple[int, Numeral | None]:
        """The number that begins at a token, and the token after it."""
        token = self._tokens[first]
        if self._is_article_of_a_scale(first):
            last, numeral = self._at(first + 1)
            return last, numeral._replace(start=token.start) if numeral else None
        if twice := self._repeated(first):
            return first + 2, Numeral(token.start, self._tokens[first + 1].end, twice, single=True)
        amount, at, last = _Amount(vigesimal=self._language == "fr"), first, first
        while at < len(self._tokens):
            if at > first and self._continues(at, amount):
                at += 1
                continue
            token = self._tokens[at]
            if (ordinal := self._ordinal(token)) is not None:
                if whole := amount.plus(ordinal):
                    return at + 1, self._numeral(first, at + 1, self._as_ordinal(whole.value, token))
                break
            longer = self._longer(amount, token)
            if longer is None:
                break
            amount, at = longer, at + 1
            last = at
        if last == first:
            return first, None
        return last, self._numeral(first, last, str(amount.value))

    def _is_article_of_a_scale(self, at: int) -> bool:
        """Whether this is the article in "a hundred and two"."""
        following = self._tokens[at + 1].text if at + 1 < len(self._tokens) else ""
        return self._tokens[at].text == "a" and following in ("hundred", "thousand")

    def _longer(self, amount: _Amount, token: Token) -> _Amount | None:
        if token.text in self._lexicon.scales:
            return amount.times(self._lexicon.scales[token.text])
        value = self._value(token)
        return None if value is None else amount.plus(value)

    def _continues(self, at: int, amount: _Amount) -> bool:
        """Whether a token joins two parts of one number: a hyphen, or "and" with a fitting number after it."""
        token = self._tokens[at]
        if at + 1 >= len(self._tokens):
            return False
        following = self._tokens[at + 1]
        if token.text == "-":
            return self._tokens[at - 1].end == token.start and token.end == following.start
        needed = 2 if token.text in _AFTER_HUNDREDS else 1
        if token.text not in _JOINERS or amount.open < needed:
            return False
        value = self._value(following)
        return value is not None and amount.plus(value) is not None

    def _value(self, token: Token) -> int | None:
        if token.text.isdigit():
            return None
        value = self._values.get(token.text)
        return compound(token.text, self._language) if value is None else value

    def _ordinal(self, token: Token) -> int | None:
        value = self._ordinals.get(token.text)
        return ordinal_compound(token.text) if value is None and self._language == "de" else value

    def _as_ordinal(self, value: int, token: Token) -> str:
        if token.text not in ORDINALS["en"]:
            return f"{value}." if self._language == "de" else str(value)
        teen = value % 100 in (11, 12, 13)
        return f"{value}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(value % 10, 'th')}"

    def _repeated(self, at: int) -> str:
        """The digits of "double five"."""
        times = self._lexicon.repeats.get(self._tokens[at].text, 0)
        if not times or at + 1 >= len(self._tokens):
            return ""
        value = self._value(self._tokens[at + 1])
        return str(value) * times if value is not None and value < 10 else ""

    def _numeral(self, first: int, last: int, form: str) -> Numeral:
        tokens = self._tokens[first:last]
        word = tokens[0].text
        sure = len(tokens) > 1 or not (word in HOMOPHONES or word in ARTICLES)
        single = len(tokens) == 1 and len(form) == 1
        return Numeral(tokens[0].start, tokens[-1].end, form, single, sure)
