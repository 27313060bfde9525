"""The words beside an announcement, and which of them are the announced value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.tokens import Words, tokens_of
from models.redaction.normalize.view import TextView
from models.redaction.recognizers.spoken.announced_address import address_after, address_end
from models.redaction.recognizers.spoken.announcements import Announcement, Announcements
from models.redaction.recognizers.spoken.clause_tokens import BREAKS, ClauseTokens

_REACH_CHARS: Final = 240
"""Most characters that are read after an announcement, or before one that points back."""

_MOST_GARBLED: Final = 4
"""Most words in a row inside a value that are not part of it."""

_MOST_GARBLED_AT_END: Final = 3
_MOST_PHRASE_WORDS: Final = 2
"""Most words of a pass phrase before its digits when the announcement follows."""

_MIN_CHARACTERS: Final = 3
"""Least number of digits and code letters of a value."""

_MIN_CHARACTERS_ALONE: Final = 4
"""Least characters of a value that a noun alone announces, and of a number that a vague noun announces."""

_SETTLED_WORDS: Final = 5
"""Words after a value from which on it counts as ended. A pause or a correction has fewer."""

_WHOLE_PHONE_DIGITS: Final = 10
_TIME_REACH: Final = 2

_MOST_PIECE_WORDS: Final = 2
"""Garbled words before the digits of a piece of a number: "my number is 555, all 1 4 3"."""

_MIN_PIECE_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class Value:
    """Where a value lies in the text, the digits in it, and its first and last token."""

    start: int
    end: int
    digits: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Clause(ClauseTokens):
    """The words after an announcement, or before one that points back.

    Attributes:
        offset: Where the words begin in the text.
    """

    offset: int

    @classmethod
    def after(cls, view: TextView, announcement: Announcement, lists: Announcements, language: str) -> Clause:
        """The words after an announcement."""
        return cls._between(view, announcement.end, announcement.end + _REACH_CHARS, announcement, lists, language)

    @classmethod
    def before(cls, view: TextView, announcement: Announcement, lists: Announcements, language: str) -> Clause:
        """The words before an announcement that points back."""
        low = max(0, announcement.start - _REACH_CHARS)
        return cls._between(view, low, announcement.start, announcement, lists, language)

    @classmethod
    def _between(
        cls, view: TextView, start: int, end: int, announcement: Announcement, lists: Announcements, language: str
    ) -> Clause:
        words = Words(tokens_of(view.text[start:end]), lexicon_for(language))
        return cls(announcement, view.lower[start:end], words, lists, start)

    @property
    def _of_email(self) -> bool:
        return self.announcement.type == "EMAIL"

    def value(self) -> Value | None:
        """The value that begins this clause; None if there is none."""
        if self._of_email:
            address = address_after(self)
            return self._value(*address) if address else None
        if not self.announcement.told and not self._begins_with_code():
            return None
        first, last, end = self._reach()
        if first is None:
            return None
        if self._ends_at_mark(end) and not self._is_whole_phone(first, last):
            garbled = [at for at in range(last + 1, end) if self.is_word(at)]
            last = garbled[-1] if 0 < len(garbled) <= _MOST_GARBLED_AT_END else last
        surely = next((at for at in range(first, last + 1) if self.surely(self.tokens[at])), first)
        whole = self._is_whole_phone(surely, last)
        return self._checked(surely if whole else self._garbled_before(first), last)

    def value_at_end(self) -> Value | None:
        """The value that ends this clause, or None."""
        if self._of_email:
            return None
        at = last = len(self.tokens) - 1
        while last >= 0 and not self.is_word(last):
            last -= 1
        first, garbled = None, 0
        while at >= 0 and garbled <= _MOST_GARBLED:
            if self.characters(at):
                first, garbled = at, 0
            elif self.tokens[at].text in BREAKS:
                if at == 0 or not self.characters(at - 1):
                    break
            else:
                garbled += self.is_word(at)
            at -= 1
        if first is None:
            return None
        if self.announcement.type == "SECRET":
            first = max(first - _MOST_PHRASE_WORDS, self._garbled_before(first))
        return self._checked(first, last)

    def ends_with(self, value: Value) -> bool:
        """Whether the words end with the last digit or letter of the value, or with one garbled word after it."""
        words = [at for at in range(value.last + 1) if self.is_word(at)]
        return any(map(self.characters, words[-2:]))

    def may_go_on(self) -> bool:
        """Whether further words can turn the clause into a value, or make its value longer."""
        if not self.announcement.told and not self._of_email and not self._begins_with_code():
            return not any(map(self.is_word, range(len(self.tokens))))
        end = address_end(self) if self._of_email else self._reach()[2]
        after = sum(map(self.is_word, range(end, len(self.tokens))))
        return after < _SETTLED_WORDS and len(self.lower) < _REACH_CHARS

    def tells_a_time(self, value: Value) -> bool:
        """Whether a word of a time or a day stands before, in or right after the value."""
        near = self.tokens[: value.last + 1 + _TIME_REACH]
        return any(token.text in self.lists.times for token in near)

    def _reach(self) -> tuple[int | None, int, int]:
        """First and last token of a value, and the token at which the search for more of it ended."""
        first, last, garbled, at = None, -1, 0, 0
        while at < len(self.tokens):
            if self.characters(at):
                first, last, garbled = at if first is None else first, at, 0
            elif self.is_break(at):
                after = self.resumed(at)
                if after is None and first is not None and not self._is_whole_phone(first, last):
                    after = self._next_piece(at)
                if after is None:
                    break
                at, garbled = after, 0
                continue
            elif self.is_word(at):
                garbled += 1
                if garbled > _MOST_GARBLED:
                    break
            at += 1
        return first, last, at

    def _next_piece(self, at: int) -> int | None:
        """The first digit of the next piece of an incomplete telephone number, over one piece without digits; or None.

        A piece lies between commas. It is a piece of the number if digits end it and at most two words precede them.
        Contractions are among the words that recognition writes for digits: "I'll" for "oh one".
        """
        if self.announcement.type != "PHONE":
            return None
        start = at + 1 if self.tokens[at].text == "," else at
        for _ in range(2):
            end = next((i for i in range(start, len(self.tokens)) if self.tokens[i].text in BREAKS), len(self.tokens))
            digits = [i for i in range(start, end) if self.surely(self.tokens[i])]
            words = [i for i in range(start, end) if self.is_word(i) and i not in digits]
            if len(words) > _MOST_PIECE_WORDS or any(map(self._is_plain_stop, words)):
                return None
            if digits:
                whole = sum(self.surely(self.tokens[i]) for i in digits) >= _MIN_PIECE_DIGITS
                return digits[0] if whole and all(i < digits[-1] for i in words) else None
            if end == len(self.tokens) or self.tokens[end].text != ",":
                return None
            start = end + 1
        return None

    def _is_plain_stop(self, at: int) -> bool:
        text = self.tokens[at].text
        return (text in self.lists.stops or text in self.lists.times) and not {"'", "\u2019"} & set(text)

    def _begins_with_code(self) -> bool:
        """Whether a number or a code follows at once."""
        start = next(filter(self.is_word, range(len(self.tokens))), None)
        return start is not None and start <= 1 and self.characters(start) > 0

    def _garbled_before(self, first: int) -> int:
        """The first token of a value, including garbled words before it. A pass phrase may have pauses."""
        phrase = self.announcement.type == "SECRET"
        while first > 0 and (phrase or not self.is_break(first - 1)) and self.is_word(first - 1):
            if self.tokens[first - 1].text in self.lists.times:
                break
            first -= 1
        return first

    def _ends_at_mark(self, end: int) -> bool:
        return end >= len(self.tokens) or self.tokens[end].text in BREAKS

    def _is_whole_phone(self, first: int, last: int) -> bool:
        return self.announcement.type == "PHONE" and len(self.digits(first, last)) >= _WHOLE_PHONE_DIGITS

    def _checked(self, first: int, last: int) -> Value | None:
        """The value, if it has enough characters."""
        value = self._value(first, last)
        count = sum(map(self.characters, range(first, last + 1)))
        few = not self.announcement.told or (self.announcement.vague and self._is_position(first, last, count))
        return value if value.digits and count >= (_MIN_CHARACTERS_ALONE if few else _MIN_CHARACTERS) else None

    def _is_position(self, first: int, last: int, count: int) -> bool:
        """Whether one number in digits is all, as for a place in a list: "my number is 300 on the list"."""
        numeric = [at for at in range(first, last + 1) if self.characters(at)]
        return self.announcement.type != "SECRET" and len(numeric) == 1 and len(self.digits(first, last)) == count

    def _value(self, first: int, last: int) -> Value:
        start, end = self.offset + self.tokens[first].start, self.offset + self.tokens[last].end
        return Value(start, end, "" if self._of_email else self.digits(first, last), first, last)
