"""Sequences of spoken numbers, joined as a listener writes them down: "four one five, double five" is 41555."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from models.redaction.itn.lexicon import HOMOPHONES, INNER_DIGITS, STARTING_DIGITS
from models.redaction.itn.tokens import Stretch, Token, Words
from models.redaction.lexicons.loader import ANY, across, word_lists, words
from models.redaction.normalize.dates_times import CLOCK, DAY

_MIN_DIGITS = 3
"""Shorter sequences ("table for four") stay words."""

_MIN_WRITTEN_DIGITS = 7
"""A sequence of written digits is joined only if it is long enough for a personal number."""

_MIN_SINGLES = 4
"""Single digits in a row ("1, 4, 6, 1, 8") from which a number counts as dictated. Quantities are not said like that.
"""

_MIN_GROUPS, _MIN_GROUPED_DIGITS = 3, 5
"""Two-digit numbers in a row ("forty one, twelve, fifty three") from which a number counts as dictated. A time has two.
"""

_SURE_BEFORE = 3
"""Single digits that must stand before a word that only sounds like a digit."""

_YEAR_DIGITS = 4
_DAY_TOKENS = 5
"""Tokens of a written date, "03.11.2025"; a time with seconds has as many."""

_LONGEST_GARBLE = 5
_JOINED_WITHIN = 3
_MIN_SAID = 2
"""Numbers in a row after which "yes" or "okay" is filler, not an answer."""

_HESITATIONS: Final = frozenset(across("spelling", "fillers"))
"""Filler between the digits of a number, in every language; none is a digit."""

_OPENINGS: Final = frozenset(tuple(pair.split()) for pair in word_lists(ANY, "spoken_words")["openings"])
"""Pairs of words that may stand before the first digits; both are among the ``OPENINGS`` of the lexicon."""

_BRACKETS: Final = words(ANY, "spoken_words", "brackets")


@dataclass(slots=True)
class _Groups:
    """The numbers of one run.

    Attributes:
        parts: Digits and the signs between them, in order.
        singles: Digits that were said on their own, in sequence or repeated.
        numbers: How many numbers were said.
        said: How many of them were words.
        scales: How many hundreds and thousands were said.
        kind: Of the last one: ``unit``, ``tens``, ``scale``, ``written``, or nothing after a sign.
    """

    parts: list[str] = field(default_factory=list)
    singles: int = 0
    numbers: int = 0
    said: int = 0
    scales: int = 0
    kind: str = ""

    @property
    def form(self) -> str:
        return "".join(self.parts).rstrip(" .-/")

    @property
    def digits(self) -> int:
        return sum(c.isdigit() for part in self.parts for c in part)

    @property
    def dictated(self) -> bool:
        grouped = self.said >= 2 and self.numbers >= _MIN_GROUPS and self.digits >= _MIN_GROUPED_DIGITS
        return self.singles >= _MIN_SINGLES or grouped

    def sign(self, sign: str) -> None:
        if sign:
            self.parts.append(sign)
            self.kind = ""

    def repeat(self, digits: str, times: int) -> None:
        self.parts.append(digits * times)
        self.singles += times
        self.numbers += 1
        self.said += 2
        self.kind = "unit"

    def add(self, digits: str, *, written: bool) -> None:
        """Append a number. It fills the zeros of the number before when both make one ("forty", "five")."""
        self.said += not written
        if not written and self.parts and (whole := _filled(self.parts[-1], digits, self.kind)):
            self.parts[-1] = whole
            self.kind = "tens" if whole.endswith("0") else "filled"
            return
        self.singles += len(digits) == 1
        self.numbers += 1
        self.parts.append(digits)
        tens = len(digits) == 2 and digits[1] == "0" and digits[0] != "1"
        self.kind = "written" if written else "unit" if len(digits) == 1 else "tens" if tens else "teen"

    def scale(self, zeros: int) -> None:
        """Append a hundred or a thousand, which multiplies the number before it."""
        self.said += 1
        self.scales += 1
        if len(self.parts) > 1 and self.kind == "unit" and _fits(self.parts[-2], len(self.parts[-1]) + zeros):
            digits = self.parts.pop() + "0" * zeros
            self.parts[-1] = self.parts[-1][: -len(digits)] + digits
            self.numbers -= 1
        else:
            self.parts[-1] += "0" * zeros
        self.singles -= self.kind == "unit"
        self.kind = "scale"


def _fits(number: str, digits: int) -> bool:
    """Whether the number ends in enough zeros to take another of this length."""
    return len(number) > digits and number.isdigit() and number.endswith("0" * digits)


def _filled(last: str, digits: str, kind: str) -> str:
    """Both numbers as one, or empty if they are two."""
    if kind == "tens" and len(digits) == 1 and digits != "0":
        return last[:-1] + digits
    if kind == "unit" and digits == "20" and last == "4":
        return "80"  # quatre-vingts
    if kind == "tens" and last in ("60", "80") and len(digits) == 2 and digits[0] == "1":
        return str(int(last) + int(digits))  # soixante-douze
    if kind == "scale" and len(digits) == 2 and _fits(last, 2):
        return last[:-2] + digits
    return ""


class NumberReader:
    """Reads runs of numbers."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def at(self, first: int, high: int) -> Stretch | None:
        """The sequence that begins at a token, or None if it is too short."""
        groups, at, end = _Groups(), first, first
        while at < high:
            token = self._words.tokens[at]
            if repeated := self._repeated(at, high):
                groups.repeat(*repeated)
                at += 3 if self._hyphenated(at + 1) else 2
                end = at
            elif digits := self._words.digits(token):
                if self._opens_a_time(at):
                    break
                if at == first and token.text in HOMOPHONES and token.text not in STARTING_DIGITS:
                    return None
                groups.add(digits, written=token.text.isdigit())
                at += 1
                end = at if token.text not in HOMOPHONES or token.text in STARTING_DIGITS else end
            elif token.text in self._words.lexicon.scales and groups.parts and groups.kind not in ("", "scale"):
                groups.scale(self._words.lexicon.scales[token.text])
                at += 1
                end = at
            elif self._joins(at, high, groups):
                groups.sign(self._separator(at))
                at += 1
            elif groups.singles >= _SURE_BEFORE and self._garbled(at, high):
                if inner := INNER_DIGITS.get(token.text, ""):
                    groups.add(inner, written=False)
                at += 1
            else:
                break
        return self._judged(groups, first, end)

    def _repeated(self, at: int, high: int) -> tuple[str, int] | None:
        """The digit of "double five" or "double-five", and how often it stands there."""
        times = self._words.lexicon.repeats.get(self._words.tokens[at].text, 0)
        number = at + 2 if self._hyphenated(at + 1) else at + 1
        if not times or number >= high or len(digit := self._words.digits(self._words.tokens[number])) != 1:
            return None
        return digit, times

    def _opens_a_time(self, at: int) -> bool:
        """Whether a written time or date begins here: "10:15" after a number is no part of the number."""
        token = self._words.tokens[at]
        if len(token.text) > _YEAR_DIGITS or not token.text.isdigit():
            return False
        if at and self._words.tokens[at - 1].end == token.start:
            return False
        written, end = "", token.start
        for part in self._words.tokens[at : at + _DAY_TOKENS]:
            if part.start != end:
                break
            written, end = written + part.text, part.end
        return bool(CLOCK.match(written) or DAY.match(written))

    def _judged(self, groups: _Groups, first: int, end: int) -> Stretch | None:
        least = _MIN_DIGITS if groups.said else _MIN_WRITTEN_DIGITS
        if groups.digits < least and groups.singles < _MIN_SINGLES:
            return None
        if not groups.said and self._are_years(first, end):
            return None
        counted = groups.scales and groups.numbers == 1
        return Stretch(first, end, groups.form, "dictated" if groups.dictated else "counted" if counted else "digits")

    def _separator(self, at: int) -> str:
        token = self._words.tokens[at]
        sign = "" if self._hyphenated(at) else self._words.sign(token)
        return sign if sign in (".", "-", "+", "/") else " " if token.text in ",;()" else ""

    def _hyphenated(self, at: int) -> bool:
        """Whether a hyphen stands inside one number word, "trente-deux", "twenty-five"."""
        if not 0 < at < len(self._words.tokens) - 1:
            return False
        before, token, after = self._words.tokens[at - 1 : at + 2]
        return token.text == "-" and before.end == token.start and token.end == after.start and before.text.isalpha()

    def _are_years(self, first: int, end: int) -> bool:
        """Whether written numbers are a list of years."""
        written = [t.text for t in self._words.tokens[first:end] if t.text.isdigit()]
        return all(len(w) == 4 and w[:2] in ("19", "20") for w in written)

    def _joins(self, at: int, high: int, groups: _Groups) -> bool:
        """Whether the token may stand inside a run of numbers (or, for plus and brackets, open one)."""
        token = self._words.tokens[at]
        if at + 1 >= high:
            return False
        following = self._words.tokens[at + 1]
        continues = self._is_number(following) or following.text in self._words.lexicon.repeats
        if not groups.parts:
            before = self._words.tokens[at - 1].text if at else ""
            opens = self._words.sign(token) == "+" or token.text == "(" or (before, token.text) in _OPENINGS
            return (continues and opens) or (
                (token.text, following.text) in _OPENINGS
                and at + 2 < high
                and self._is_number(self._words.tokens[at + 2])
            )
        if self._lies_between(at, high, dictating=groups.said >= _MIN_SAID):
            return True
        if token.text == "," and following.start == token.end:
            return False  # thousands: 10,000,000
        if token.text in ",;()-/.":
            return continues or (
                at + 2 < high and following.text in "()-," and self._is_number(self._words.tokens[at + 2])
            )
        return continues and (token.text in self._words.lexicon.joiners or self._words.sign(token) in (".", "-", "/"))

    def _lies_between(self, at: int, high: int, *, dictating: bool) -> bool:
        """Whether only filler stands between this token and the next number."""
        for index in range(at, min(at + _JOINED_WITHIN + 1, high)):
            token = self._words.tokens[index]
            if index > at and self._is_number(token):
                return index > at + 1 or token.text not in HOMOPHONES
            comma = token.text == "," and index + 1 < high and self._words.tokens[index + 1].start > token.end
            hesitates = dictating and token.text in _HESITATIONS
            if not (comma or hesitates or token.text in _BRACKETS or token.text in self._words.lexicon.joiners):
                return False
        return False

    def _garbled(self, at: int, high: int) -> bool:
        """Whether digits continue after a word that was misrecognised for a digit: "four one five won two ate"."""
        token = self._words.tokens[at]
        if not token.text.isalpha() or len(token.text) > _LONGEST_GARBLE:
            return False
        behind = self._words.tokens[at + 1 : min(at + 3, high)]
        if token.text in INNER_DIGITS:
            return bool(behind) and (self._is_single(behind[0]) or behind[0].text in INNER_DIGITS)
        return len(behind) == 2 and all(self._is_single(t) for t in behind)

    def _is_number(self, token: Token) -> bool:
        return bool(self._words.digits(token))

    def _is_single(self, token: Token) -> bool:
        return len(self._words.digits(token)) == 1
