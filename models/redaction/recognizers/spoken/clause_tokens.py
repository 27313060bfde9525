"""Words beside an announcement, read as parts of numbers and codes, pauses and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.redaction.entities import labels_where
from models.redaction.itn.lexicon import FUNCTION_WORDS, HOMOPHONES, INNER_DIGITS, SHORT_WORDS
from models.redaction.itn.tokens import Token, Words
from models.redaction.patterns.pattern_recognizer import digits_of, has_digit
from models.redaction.recognizers.spoken.announcements import Announcement, Announcements

_CODES: Final = labels_where(lambda entity: entity.is_spelled)
"""Types of values with letters, which recognition may write as short words."""

_MOST_HESITATIONS: Final = 3
_LONGEST_CODE_WORD: Final = 5
_LONGEST_SHORT_WORD: Final = 3
_PLAIN_WORDS: Final = FUNCTION_WORDS | SHORT_WORDS
_NO_LETTERS: Final = frozenset("a i o u e y à é".split())
"""Single letters that are words."""

_CAPITALS: Final = frozenset("AEUY")
"""Those of them that are no words when capitalized inside a sentence."""

BREAKS: Final = frozenset(",.;:?!।…")


@dataclass(frozen=True, slots=True)
class ClauseTokens:
    """The tokens beside an announcement.

    Attributes:
        announcement: The announcement.
        lower: The text of ``words`` in lower case.
        words: The tokens with the lexicon of the language.
        lists: Words of pauses, times and ends in the language.
    """

    announcement: Announcement
    lower: str
    words: Words
    lists: Announcements

    @property
    def tokens(self) -> Sequence[Token]:
        """Words and marks."""
        return self.words.tokens

    def is_word(self, at: int) -> bool:
        """Whether the token is no mark."""
        return self.tokens[at].text[0].isalnum()

    def characters(self, at: int) -> int:
        """How many characters of a number or a code the token stands for."""
        token = self.tokens[at]
        if surely := self.surely(token):
            return surely
        if token.text in HOMOPHONES or token.text in INNER_DIGITS:
            before, after = self._neighbour(at, -1), self._neighbour(at, 1)
            return int(bool(after and self.surely(after)) or bool(after is None and before and self.surely(before)))
        return len(token.text) if self._is_code(at) else 0

    def surely(self, token: Token) -> int:
        """How many characters the token stands for if it is a number in any context; otherwise 0."""
        if has_digit(token.text):
            return sum(c.isalnum() for c in token.text)
        if token.text in self.words.lexicon.repeats:
            return 1
        return 0 if token.text in HOMOPHONES else len(self.words.lexicon.numbers.get(token.text, ""))

    def digits(self, first: int, last: int) -> str:
        """The digits that tokens [first, last] stand for."""
        return "".join(digits_of(t.text) or self.words.digits(t) for t in self.tokens[first : last + 1])

    def is_break(self, at: int) -> bool:
        """Whether a value ends before the token, unless it is resumed after it."""
        token = self.tokens[at]
        return token.text in BREAKS or token.text in self.lists.stops or self._after_hesitation(at) > at

    def resumed(self, at: int) -> int | None:
        """Where the value continues after a mark, a pause or a word that would otherwise end it."""
        after = self._after_hesitation(at)
        at, paused = max(after, at + 1), after > at
        for _ in range(2 * _MOST_HESITATIONS):
            if at >= len(self.tokens):
                return None
            if self.characters(at):
                return at
            after = self._after_hesitation(at)
            if after == at and self.is_word(at):
                return self._over_stop(at, paused)
            at, paused = max(after, at + 1), paused or after > at
        return None

    def _over_stop(self, at: int, paused: bool) -> int | None:
        """Where the value continues after a word that is not part of it: after one word, or for a pass phrase after a
        pause.
        """
        if self.tokens[at].text in self.lists.stops:
            return at + 1 if at + 1 < len(self.tokens) and self.surely(self.tokens[at + 1]) else None
        return at if paused and self.announcement.type == "SECRET" else None

    def _after_hesitation(self, at: int) -> int:
        """The token after a pause or a correction that begins at a token; the token itself if none does."""
        match = self.lists.hesitation.match(self.lower, self.tokens[at].start)
        if match is None:
            return at
        return next((i for i in range(at, len(self.tokens)) if self.tokens[i].start >= match.end()), len(self.tokens))

    def _is_code(self, at: int) -> bool:
        """Whether the token is letters of a code: a letter, capitals or a short word beside a digit."""
        token = self.tokens[at]
        near = [t for t in (self._neighbour(at, -1), self._neighbour(at, 1)) if t]
        by_digit = any(map(self.surely, near))
        if len(token.text) == 1:
            letters = [t for t in near if len(t.text) == 1 and t.text.isalpha()]
            spelled = by_digit and any(t.text not in _NO_LETTERS for t in letters)
            letter = token.text.isalpha() and (token.text not in _NO_LETTERS or token.shape in _CAPITALS or spelled)
            return letter and (by_digit or bool(letters))
        short = self.announcement.type in _CODES and len(token.text) <= _LONGEST_SHORT_WORD
        capitals = token.shape.isupper() and len(token.text) <= _LONGEST_CODE_WORD
        plain = token.text in self.lists.stops or token.text in _PLAIN_WORDS
        return (capitals or short) and by_digit and not plain and token.text.isalpha()

    def _neighbour(self, at: int, step: int) -> Token | None:
        """The next word in one direction, over one mark."""
        for index in (at + step, at + 2 * step):
            if 0 <= index < len(self.tokens) and self.is_word(index):
                return self.tokens[index]
        return None
