"""Digits that are said one after the other, and words that are spelled."""

from __future__ import annotations

import re

from models.redaction.spoken_lexicon import HOMOPHONES, PHONETIC, SHORT_WORDS
from models.redaction.spoken_words import Stretch, Token, Words

_MIN_DIGITS = 3
"""Shorter runs ("table for four") are left as words."""

_MIN_WRITTEN_DIGITS = 7
"""Where all digits were written as such, only what is long enough for a number of someone is put together."""

_MAX_RUN_TOKENS = 120
"""Digits and letters said in one go; bounds the work, since a run may be tried at each of its tokens."""

_MIN_SPELLED = 3
_BETWEEN_LETTERS = frozenset({"-", ",", ".", "space", "dash", "double", "capital"})
_AS_IN = frozenset({"as", "for", "like", "wie", "comme", "de", "से"})


class RunReader:
    """Reads runs of digits and of letters."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def between(self, low: int, high: int) -> list[Stretch]:
        """All runs among tokens [low, high)."""
        found: list[Stretch] = []
        at = low
        while at < high:
            bound = min(high, at + _MAX_RUN_TOKENS)
            stretch = self._number(at, bound) or self._spelled(at, bound)
            if stretch is None:
                at += 1
                continue
            if stretch.kind:
                found.append(stretch)
            at = stretch.last
        return found

    def _number(self, first: int, high: int) -> Stretch | None:
        """A run of numbers that were said one after the other."""
        form, at, end, said = "", first, first, 0
        while at < high:
            token = self._words.tokens[at]
            times = self._words.lexicon.repeats.get(token.text, 0)
            if times and at + 1 < high and len(repeated := self._words.digits(self._words.tokens[at + 1])) == 1:
                form += repeated * times
                at += 2
                end, said = at, said + 2
            elif digits := self._words.digits(token):
                if at == first and token.text in HOMOPHONES and token.text not in ("oh", "o", "ek"):
                    return None
                form = _compose(form, digits) if not token.text.isdigit() else form + digits
                said += not token.text.isdigit()
                at += 1
                end = (
                    at if token.text not in HOMOPHONES or token.text in ("oh", "o", "do", "char", "ek", "che") else end
                )
            elif token.text in self._words.lexicon.scales and form:
                form += "0" * self._words.lexicon.scales[token.text]
                at += 1
                end = at
            elif self._joins(at, high, bool(form)):
                sign = "" if self._hyphenated(at) else self._words.sign(token)
                form += sign if sign in (".", "-", "+", "/") else " " if token.text in ",;()" else ""
                at += 1
            else:
                break
        form = form.rstrip(" .-/")
        count = sum(c.isdigit() for c in form)
        if count < (_MIN_DIGITS if said else _MIN_WRITTEN_DIGITS) or (not said and self._are_years(first, end)):
            return None
        return Stretch(first, end, form, "digits")

    def _hyphenated(self, at: int) -> bool:
        """Whether a hyphen stands inside one number word, "trente-deux", "twenty-five"."""
        before, token, after = self._words.tokens[at - 1 : at + 2] if at else self._words.tokens[:3]
        return token.text == "-" and before.end == token.start and token.end == after.start and before.text.isalpha()

    def _are_years(self, first: int, end: int) -> bool:
        """Whether written numbers are a list of years."""
        written = [t.text for t in self._words.tokens[first:end] if t.text.isdigit()]
        return all(len(w) == 4 and w[:2] in ("19", "20") for w in written)

    def _joins(self, at: int, high: int, begun: bool) -> bool:
        """Whether the token may stand inside a run of numbers (or, for plus and brackets, open one)."""
        token = self._words.tokens[at]
        if at + 1 >= high:
            return False
        following = self._words.tokens[at + 1]
        continues = bool(self._words.digits(following)) or following.text in self._words.lexicon.repeats
        if not begun:
            return continues and (self._words.sign(token) == "+" or token.text == "(")
        if token.text == "," and following.start == token.end:
            return False  # thousands: 10,000,000
        if token.text in ",;()-/.":
            return continues or (
                at + 2 < high and following.text in "()-," and bool(self._words.digits(self._words.tokens[at + 2]))
            )
        return continues and (token.text in self._words.lexicon.joiners or self._words.sign(token) in (".", "-", "/"))

    def _spelled(self, first: int, high: int) -> Stretch | None:
        """A run of single letters, short pieces of letters and alphabet words, digits among them allowed."""
        form, at, last, spelled = "", first, first, 0
        while at < high:
            token = self._words.tokens[at]
            if named := self._as_in(at, high):
                form, at = form + named[0], named[1]
                spelled += 1
            elif piece := self._words.letter(token) or PHONETIC.get(token.text, ""):
                form, at = form + piece, at + 1
                spelled += 1
            elif digits := (self._words.digits(token) if token.text not in ("for", "too") else ""):
                form, at = form + digits, at + 1
            elif self._is_piece(token, at > first):
                form, at = form + token.text, at + 1
                spelled += 1
            elif form and token.text in _BETWEEN_LETTERS:
                at += 1
                continue
            else:
                break
            last = at
        if last - first < _MIN_SPELLED or len(form) < _MIN_SPELLED or spelled < 2 or not any(c.isalpha() for c in form):
            return None
        # An ordinary run ("i a i a") has no spelling in any part of it, so it is skipped as a whole.
        return Stretch(first, last, form, "" if self._ordinary(first, last) else "spelled")

    def _as_in(self, at: int, high: int) -> tuple[str, int] | None:
        """Read "P as in Peter", "T for Tommy", "B like boy": the letter and where it ends."""
        tokens = self._words.tokens
        if at + 2 >= high or tokens[at + 1].text not in _AS_IN or not (letter := self._words.letter(tokens[at])):
            return None
        end = at + 2 + (tokens[at + 1].text == "as" and tokens[at + 2].text == "in")
        if end < high and len(tokens[end].text) > 1 and tokens[end].text.startswith(letter):
            return letter, end + 1
        return None

    def _is_piece(self, token: Token, inside: bool) -> bool:
        """Letters that recognition glued together: "VI", "5j", "QG"."""
        if not inside and not (token.shape.isupper() or any(c.isdigit() for c in token.text)):
            return False
        if not token.shape.isascii() or not token.shape.isalnum():
            return False
        mixed = any(c.isdigit() for c in token.text) and len(token.text) <= 4
        return (
            mixed
            or (token.shape.isupper() and len(token.text) <= 3)
            or (len(token.text) == 2 and token.text not in SHORT_WORDS)
        )

    def _ordinary(self, first: int, last: int) -> bool:
        """Whether the run is words after all: "I a", "a 5 a"."""
        run = self._words.tokens[first:last]
        spoken = [t for t in run if self._words.letter(t) and t.text not in ("a", "i", "o")]
        return not spoken and not any(t.text in PHONETIC for t in run)


def _compose(form: str, digits: str) -> str:
    """Append a number; units fill the zero of tens ("forty", "five") and of hundreds."""
    if len(digits) == 1 and digits != "0" and re.search(r"(?:^|\D|\d)[2-9]0$", form):
        return form[:-1] + digits
    return form + digits
