"""The words beside an announcement, and which of them are the announced value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.redaction.entities import labels_where
from models.redaction.itn.lexicon import FUNCTION_WORDS, HOMOPHONES, INNER_DIGITS, SHORT_WORDS, lexicon_for
from models.redaction.itn.tokens import Token, Words, tokens_of
from models.redaction.patterns.pattern_recognizer import digits_of, has_digit
from models.redaction.recognizers.secrets.passphrase import told_from
from models.redaction.recognizers.spoken.announcements import Announcement, Announcements

REACH_CHARS: Final = 240
"""Of a text after an announcement, or before one that points back."""

_MOST_GARBLED: Final = 4
"""Words in a row inside a value that are no part of it."""

_MOST_GARBLED_AT_END: Final = 3
_MOST_PHRASE_WORDS: Final = 2
"""Words of a pass phrase before its digits, where the announcement comes after them."""

_MIN_CHARACTERS_ALONE: Final = 4
"""Characters of a value that a noun alone announces."""

_CODES: Final = labels_where(lambda entity: entity.is_spelled)
"""Types of values with letters, which recognition may write as short words."""

_MIN_CHARACTERS: Final = 3
"""Digits, and letters of a code, from which something is a value."""

_SETTLED_WORDS: Final = 5
"""Words after the end of a value from which it does not go on; a pause or a correction has fewer."""

_MOST_WORDS: Final = 12
"""Of an e-mail address."""

_MOST_PLAIN_WORDS: Final = 4
"""Of an e-mail address in which no sign was recognized."""

_MOST_HESITATIONS: Final = 3
_LONGEST_CODE_WORD: Final = 5
_LONGEST_SHORT_WORD: Final = 3
_WHOLE_PHONE_DIGITS: Final = 10
_TIME_REACH: Final = 2
_BREAKS: Final = frozenset(",.;:?!।…")
_PLAIN_WORDS: Final = FUNCTION_WORDS | SHORT_WORDS
_NO_LETTERS: Final = frozenset("a i o u e y à é".split())
"""Single letters that are words."""


@dataclass(frozen=True, slots=True)
class Value:
    """Tokens [first, last] of a value, and the digits in it."""

    first: int
    last: int
    digits: str


@dataclass(frozen=True, slots=True)
class Clause:
    """The words after an announcement, or before one that points back.

    Attributes:
        announcement: It.
        text: All of the text.
        offset: Where ``words`` begin in it.
        words: The words.
        lists: Pauses, times, ends.
    """

    announcement: Announcement
    text: str
    offset: int
    words: Words
    lists: Announcements

    @classmethod
    def after(cls, text: str, announcement: Announcement, lists: Announcements, language: str) -> Clause:
        """The words after an announcement."""
        tokens = tokens_of(text[announcement.end : announcement.end + REACH_CHARS])
        return cls(announcement, text, announcement.end, Words(tokens, lexicon_for(language)), lists)

    @classmethod
    def before(cls, text: str, announcement: Announcement, lists: Announcements, language: str) -> Clause:
        """The words before an announcement that points back."""
        low = max(0, announcement.start - REACH_CHARS)
        tokens = tokens_of(text[low : announcement.start])
        return cls(announcement, text, low, Words(tokens, lexicon_for(language)), lists)

    @property
    def tokens(self) -> Sequence[Token]:
        """Words and marks."""
        return self.words.tokens

    def span(self, value: Value) -> tuple[int, int]:
        """Start and end of a value in the text."""
        return self.offset + self.tokens[value.first].start, self.offset + self.tokens[value.last].end

    def value(self) -> Value | None:
        """The value that begins this clause, or None where something else is said."""
        if self.announcement.type == "EMAIL":
            return self._address()
        if not self.announcement.told and not self._begins_with_code():
            return None
        first, last, end = self._reach()
        if first is None:
            return None
        if self._ends_at_mark(end) and not self._is_whole_phone(first, last):
            behind = [i for i in range(last + 1, end) if _is_word(self.tokens[i])]
            last = behind[-1] if 0 < len(behind) <= _MOST_GARBLED_AT_END else last
        surely = next((i for i in range(first, last + 1) if self._surely(self.tokens[i])), first)
        whole = self._is_whole_phone(surely, last)
        return self._checked(surely if whole else self._garbled_before(first), last)

    def value_at_end(self) -> Value | None:
        """The value that ends this clause, or None."""
        if self.announcement.type == "EMAIL":
            return None
        at = last = len(self.tokens) - 1
        while last >= 0 and not _is_word(self.tokens[last]):
            last -= 1
        first, garbled = None, 0
        while at >= 0 and garbled <= _MOST_GARBLED:
            if self._characters(at):
                first, garbled = at, 0
            elif self.tokens[at].text in _BREAKS:
                if at == 0 or not self._characters(at - 1):
                    break
            else:
                garbled += _is_word(self.tokens[at])
            at -= 1
        if first is None:
            return None
        if self.announcement.type == "SECRET":
            first = max(first - _MOST_PHRASE_WORDS, self._garbled_before(first))
        return self._checked(first, last)

    def ends_with(self, value: Value) -> bool:
        """Whether the words end with the last digit or letter of the value."""
        return self._characters(value.last) > 0

    def may_go_on(self) -> bool:
        """Whether words to come can make a value of what follows, or make it longer."""
        if not self.announcement.told and self.announcement.type != "EMAIL" and not self._begins_with_code():
            return not any(map(_is_word, self.tokens))
        end = self._address_end() if self.announcement.type == "EMAIL" else self._reach()[2]
        return sum(map(_is_word, self.tokens[end:])) < _SETTLED_WORDS and len(self.text) - self.offset < REACH_CHARS

    def tells_a_time(self, value: Value) -> bool:
        """Whether a word of a time or a day stands before, in or right after the value."""
        near = self.tokens[: value.last + 1 + _TIME_REACH]
        return any(token.text in self.lists.times for token in near)

    def _reach(self) -> tuple[int | None, int, int]:
        """First and last token of a value, and the token at which the search for more of it ended."""
        first, last, garbled, at = None, -1, 0, 0
        while at < len(self.tokens):
            if self._characters(at):
                first, last, garbled = at if first is None else first, at, 0
            elif self._is_break(at):
                after = self._resumed(at)
                if after is None:
                    break
                at, garbled = after, 0
                continue
            elif _is_word(self.tokens[at]):
                garbled += 1
                if garbled > _MOST_GARBLED:
                    break
            at += 1
        return first, last, at

    def _characters(self, at: int) -> int:
        """How many characters of a number or a code the token stands for."""
        token = self.tokens[at]
        if surely := self._surely(token):
            return surely
        if token.text in HOMOPHONES or token.text in INNER_DIGITS:
            before, after = self._neighbour(at, -1), self._neighbour(at, 1)
            return int(bool(after and self._surely(after)) or bool(after is None and before and self._surely(before)))
        return len(token.text) if self._is_code(at) else 0

    def _is_code(self, at: int) -> bool:
        """Whether the token is letters of a code: a letter, capitals or a short word beside a digit."""
        token = self.tokens[at]
        near = [t for t in (self._neighbour(at, -1), self._neighbour(at, 1)) if t]
        by_digit = any(map(self._surely, near))
        if len(token.text) == 1:
            letter = token.text.isalpha() and (token.text not in _NO_LETTERS or token.shape in ("A", "E", "U", "Y"))
            return letter and (by_digit or any(len(t.text) == 1 and t.text.isalpha() for t in near))
        short = self.announcement.type in _CODES and len(token.text) <= _LONGEST_SHORT_WORD
        capitals = token.shape.isupper() and len(token.text) <= _LONGEST_CODE_WORD
        plain = token.text in self.lists.stops or token.text in _PLAIN_WORDS
        return (capitals or short) and by_digit and not plain and token.text.isalpha()

    def _surely(self, token: Token) -> int:
        """The same for what is a digit whatever stands around it."""
        if has_digit(token.text):
            return sum(c.isalnum() for c in token.text)
        if token.text in self.words.lexicon.repeats:
            return 1
        return 0 if token.text in HOMOPHONES else len(self.words.lexicon.numbers.get(token.text, ""))

    def _neighbour(self, at: int, step: int) -> Token | None:
        """The next word in one direction, over one mark."""
        for index in (at + step, at + 2 * step):
            if 0 <= index < len(self.tokens) and _is_word(self.tokens[index]):
                return self.tokens[index]
        return None

    def _is_break(self, at: int) -> bool:
        token = self.tokens[at]
        return token.text in _BREAKS or token.text in self.lists.stops or self._after_hesitation(at) > at

    def _after_hesitation(self, at: int) -> int:
        """The token after a pause or a correction that begins at a token; the token itself if none does."""
        lower = self.text[self.offset : self.offset + REACH_CHARS].lower()
        match = self.lists.hesitation.match(lower, self.tokens[at].start)
        if match is None:
            return at
        return next((i for i in range(at, len(self.tokens)) if self.tokens[i].start >= match.end()), len(self.tokens))

    def _resumed(self, at: int) -> int | None:
        """Where the value goes on after a mark, a pause or a word that otherwise ends it."""
        after = self._after_hesitation(at)
        at, paused = max(after, at + 1), after > at
        for _ in range(2 * _MOST_HESITATIONS):
            if at >= len(self.tokens):
                return None
            if self._characters(at):
                return at
            after = self._after_hesitation(at)
            if after == at and _is_word(self.tokens[at]):
                return self._over_stop(at, paused)
            at, paused = max(after, at + 1), paused or after > at
        return None

    def _over_stop(self, at: int, paused: bool) -> int | None:
        """Where the value goes on at a word that is none of it: after one more word, or a pass phrase after a pause."""
        if self.tokens[at].text in self.lists.stops:
            return at + 1 if at + 1 < len(self.tokens) and self._surely(self.tokens[at + 1]) else None
        return at if paused and self.announcement.type == "SECRET" else None

    def _begins_with_code(self) -> bool:
        """Whether a number or a code follows at once."""
        start = next((i for i, token in enumerate(self.tokens) if _is_word(token)), None)
        return start is not None and start <= 1 and self._characters(start) > 0

    def _garbled_before(self, first: int) -> int:
        """The first token of a value with the words before it that were garbled; a pass phrase may have pauses."""
        phrase = self.announcement.type == "SECRET"
        while first > 0 and (phrase or not self._is_break(first - 1)) and _is_word(self.tokens[first - 1]):
            if self.tokens[first - 1].text in self.lists.times:
                break
            first -= 1
        return first

    def _ends_at_mark(self, end: int) -> bool:
        return end >= len(self.tokens) or self.tokens[end].text in _BREAKS

    def _is_whole_phone(self, first: int, last: int) -> bool:
        return self.announcement.type == "PHONE" and len(self._digits(first, last)) >= _WHOLE_PHONE_DIGITS

    def _digits(self, first: int, last: int) -> str:
        return "".join(digits_of(t.text) or self.words.digits(t) for t in self.tokens[first : last + 1])

    def _checked(self, first: int, last: int) -> Value | None:
        """The value, if it has enough characters."""
        digits = self._digits(first, last)
        characters = sum(self._characters(i) for i in range(first, last + 1))
        enough = characters >= (_MIN_CHARACTERS if self.announcement.told else _MIN_CHARACTERS_ALONE)
        return Value(first, last, digits) if digits and enough else None

    def _address_end(self) -> int:
        """The token at which an e-mail address that begins this clause ends."""
        for at, token in enumerate(self.tokens[:_MOST_WORDS]):
            if token.text in self.lists.stops or (token.text in _BREAKS and not self._is_inside_address(at)):
                return at
        return min(_MOST_WORDS, len(self.tokens))

    def _is_inside_address(self, at: int) -> bool:
        """Whether a mark has no space after it, or a sign on one side."""
        if at + 1 >= len(self.tokens):
            return False
        token, following = self.tokens[at], self.tokens[at + 1]
        return following.start == token.end or any(
            self._is_sign(t) for t in (following, self.tokens[at - 1]) if t is not token
        )

    def _is_joined(self, at: int) -> bool:
        """Whether the token is a full stop inside a word, as in "example.com"."""
        before, token, after = self.tokens[at - 1 : at + 2]
        joined = before.end == token.start and token.end == after.start
        return token.text == "." and joined and before.text[-1].isalpha() and after.text.isalpha()

    def _is_sign(self, token: Token) -> bool:
        return bool(self.words.sign(token)) and token.text not in _BREAKS

    def _address(self) -> Value | None:
        """An e-mail address: words with a sign between them, or a few that are no remark about one."""
        end = self._address_end()
        said = [i for i in range(end) if _is_word(self.tokens[i])]
        if not said:
            return None
        first, last = said[0], said[-1]
        signed = any(self._is_sign(self.tokens[i]) or self._is_joined(i) for i in range(first + 1, last))
        plain = [self.tokens[i].text for i in said]
        told = (
            self.announcement.told
            and not self.announcement.requested
            and len(said) <= _MOST_PLAIN_WORDS
            and self.lists.remarks.isdisjoint(plain)
            and told_from(plain) is not None
        )
        return Value(first, last, "") if signed or told else None


def _is_word(token: Token) -> bool:
    return token.text[0].isalnum()
