"""Sequences of digits and spelled words."""

from __future__ import annotations

import re

from models.redaction.itn.digit_sequences import NumberReader
from models.redaction.itn.lexicon import SHORT_WORDS
from models.redaction.itn.spelling_alphabets import LETTER_SOUNDS, PHONETIC
from models.redaction.itn.tokens import Stretch, Token, Words
from models.redaction.lexicons.loader import ANY, words
from models.redaction.patterns.pattern_recognizer import has_digit

_MAX_RUN_TOKENS = 120
"""Longest sequence in tokens. It bounds the work, since a sequence may be tried at each of its tokens."""

_MIN_SPELLED = 3
_SURE_LETTERS = 3
"""Certain letters that must stand beside a word that only sounds like a letter ("are", "why"), if more letters follow.
"""

_NUMBERS = frozenset({"dictated", "digits"})
_DIGITS_AFTER_A_LETTER = range(6, 10)
_DIGITS_BEFORE_A_LETTER = range(7, 9)
_LETTERS_AND_WORDS = words(ANY, "spoken_words", "letters_as_words")

_HOUR = r"(?:[01]?\d|2[0-4]) h(?: [0-5]\d)?"
_HOURS = re.compile(rf"(?:(?:\d{{1,9}} [,.] )?(?:\d{{1,9}} )?m ?[23\u00b2\u00b3] )?(?:[aà] )?{_HOUR}(?: [aà] {_HOUR})?")
"""French times with a separate h, and cubic metres before them."""
_BETWEEN_LETTERS = frozenset("-,.") | words(ANY, "spoken_words", "between_letters")
_AS_IN = words(ANY, "spoken_words", "as_in")


def _is_plain_word(token: Token) -> bool:
    """Whether it has more than one letter and neither digits nor capitals alone."""
    if len(token.text) < 2 or not token.text[0].isalpha() or token.shape.isupper():
        return False
    return token.text.isalpha() or not has_digit(token.text)


class RunReader:
    """Reads runs of digits and of letters."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._numbers = NumberReader(words)

    def between(self, low: int, high: int) -> list[Stretch]:
        """All runs among tokens [low, high)."""
        found: list[Stretch] = []
        at = low
        tokens, begins = self._words.tokens, self._words.lexicon.begins
        while at < high:
            token = tokens[at]
            # Most words begin no run, so they are skipped without a trial: a trial at each word is slow.
            if token.text not in begins and _is_plain_word(token):
                at += 1
                continue
            bound = min(high, at + _MAX_RUN_TOKENS)
            stretch = self._numbers.at(at, bound) or self._spelled(at, bound)
            if stretch is None:
                at += 1
                continue
            if stretch.kind in _NUMBERS:
                stretch = self._with_letters(stretch, found[-1].last if found else low, bound)
            if stretch.kind:
                found.append(stretch)
            at = stretch.last
        return found

    def _with_letters(self, run: Stretch, low: int, high: int) -> Stretch:
        """Extend a run of digits by the single letter that document numbers have at one end: "alpha one two".

        A single letter that is also a word ("a", "y") does not count.
        """
        tokens = self._words.tokens
        if tokens[run.first].text.isdigit() or not run.form.isdigit():
            return run
        first, last, form = run.first, run.last, run.form
        if len(form) in _DIGITS_AFTER_A_LETTER and first > low and (letter := self._check_letter(tokens[first - 1])):
            first, form = first - 1, letter + form
        if len(run.form) in _DIGITS_BEFORE_A_LETTER and last < high and (letter := self._check_letter(tokens[last])):
            goes_on = last + 1 < high and self._words.atom(tokens[last + 1])
            last, form = (last, form) if goes_on else (last + 1, form + letter)
        return Stretch(first, last, form.upper(), run.kind)

    def _check_letter(self, token: Token) -> str:
        letter = self._words.letter(token) or self._phonetic(token)
        return "" if token.text in _LETTERS_AND_WORDS else letter

    def _spelled(self, first: int, high: int) -> Stretch | None:
        """A run of single letters, short pieces of letters and alphabet words, digits among them allowed."""
        form, at, last, spelled = "", first, first, 0
        while at < high:
            token = self._words.tokens[at]
            if named := self._as_in(at, high):
                form, at = form + named[0], named[1]
                spelled += 1
            elif piece := self._words.letter(token) or self._phonetic(token):
                form, at = form + piece, at + 1
                spelled += 1
            elif name := self._letter_word(at, high, spelled):
                form, at = form + name, at + 1
                spelled += 1
            elif digits := (self._words.digits(token) if token.text not in ("for", "too") else ""):
                form, at = form + digits, at + 1
            elif self._is_piece(token, at > first):
                form, at = form + token.text, at + 1
                spelled += 1
            elif form and token.text in _BETWEEN_LETTERS:
                at += 1
                continue
            elif spelled and self._goes_on_after(first, at, high, spelled):
                form, at = form + LETTER_SOUNDS.get(token.text, ""), at + 1
                continue
            else:
                break
            last = at
        if last - first < _MIN_SPELLED or len(form) < _MIN_SPELLED or spelled < 2 or not any(c.isalpha() for c in form):
            return None
        # An ordinary run ("i a i a") has no spelling in any part of it, so it is skipped as a whole.
        return Stretch(first, last, form, "" if self._ordinary(first, last) else "spelled")

    def _letter_word(self, at: int, high: int, spelled: int) -> str:
        """The letter that a common word names ("ese"), if letters stand on both sides or three follow."""
        name = self._words.lexicon.letter_words.get(self._words.tokens[at].text, "")
        ahead = self._words.tokens[at + 1 : min(at + 1 + _SURE_LETTERS, high)]
        around = [bool(self._words.letter_name(t)) for t in ahead]
        follows = spelled >= _SURE_LETTERS or (spelled > 0 and around[:1] == [True])
        return name if follows or (len(around) == _SURE_LETTERS and all(around)) else ""

    def _phonetic(self, token: Token) -> str:
        return PHONETIC.get(token.text, "") or self._words.lexicon.phonetic.get(token.text, "")

    def _as_in(self, at: int, high: int) -> tuple[str, int] | None:
        """Read "P as in Peter", "T for Tommy", "B like boy": the letter and where it ends."""
        tokens = self._words.tokens
        if at + 2 >= high or tokens[at + 1].text not in _AS_IN or not (letter := self._words.letter(tokens[at])):
            return None
        end = at + 2 + (tokens[at + 1].text == "as" and tokens[at + 2].text in ("in", "for"))
        if end < high and len(tokens[end].text) > 1 and tokens[end].text.startswith(letter):
            return letter, end + 1
        return None

    def _goes_on_after(self, first: int, at: int, high: int, spelled: int) -> bool:
        """Whether letters go on after a word that sounds like a letter."""
        token = self._words.tokens[at]
        following = self._words.tokens[at + 1 : min(at + 3, high)]
        if token.text in LETTER_SOUNDS:
            if spelled < _SURE_LETTERS:
                if not self._is_letter(self._words.tokens[first]):
                    return False
                ahead = self._words.tokens[at + 1 : min(at + 1 + _SURE_LETTERS, high)]
                return len(ahead) == _SURE_LETTERS and all(self._is_letter(t) for t in ahead[1:])
            return bool(following) and (self._is_letter(following[0]) or following[0].text in LETTER_SOUNDS)
        return (
            spelled >= _SURE_LETTERS
            and len(token.text) <= 4
            and len(following) == 2
            and all(self._is_letter(t) for t in following)
        )

    def _is_letter(self, token: Token) -> bool:
        return bool(self._words.letter(token)) and token.text not in ("a", "i")

    def _is_piece(self, token: Token, inside: bool) -> bool:
        """Letters that recognition glued together: "VI", "5j", "QG"; inside a run also "SATT" and "85st"."""
        if not inside and not (token.shape.isupper() or any(c.isdigit() for c in token.text)):
            return False
        if not token.shape.isascii() or not token.shape.isalnum():
            return False
        mixed = any(c.isdigit() for c in token.text) and len(token.text) <= 4
        return (
            mixed
            or (token.shape.isupper() and (len(token.text) <= 3 or inside))
            or (len(token.text) == 2 and token.text not in SHORT_WORDS)
        )

    def _ordinary(self, first: int, last: int) -> bool:
        """Whether the sequence is only words ("I a", "a 5 a") or a French time of day ("9 h 45")."""
        run = self._words.tokens[first:last]
        if _HOURS.fullmatch(" ".join(token.text for token in run)):
            return True
        spoken = [t for t in run if self._words.letter_name(t) and t.text not in self._words.lexicon.letters_as_words]
        return not spoken and not any(self._phonetic(t) for t in run)
