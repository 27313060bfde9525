"""The words of a spoken text, and which of them are digits, number words or letters of a code."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from models.redaction.itn.lexicon import (
    FUNCTION_WORDS,
    HOMOPHONES,
    INNER_DIGITS,
    SHORT_WORDS,
    STARTING_DIGITS,
    lexicon_for,
)
from models.redaction.itn.tokens import Token, Words, tokens_of
from models.redaction.lexicons.loader import words
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import digits_of, has_digit
from models.redaction.recognizers.person.spelled_name import ABBREVIATIONS
from models.redaction.slots.announcements import Announcement, Announcements, announcements_of
from models.redaction.slots.entities import words_in
from models.redaction.slots.types import SlotWord

_LONGEST_CODE_WORD: Final = 5
_NO_LETTERS: Final = frozenset("a i o u e y à é".split())
"""Single letters that are words."""

_CAPITALS: Final = frozenset("AEUY")
"""Those of them that are no words when capitalized inside a sentence."""

_ORDINAL: Final = re.compile(r"\d{1,2}(?:st|nd|rd|th|er|re|e|ème|º|ª)")
_REPAIR_WORDS: Final = 3
"""Most words of a correction that is recognized by its sound."""

MARKS: Final = frozenset(",.;:?!।…")
STOPS: Final = frozenset(".;?!।…")


@lru_cache(maxsize=16)
def _meaningful(language: str) -> frozenset[str]:
    """Words that stand for themselves, so that none is a misheard digit."""
    lists = announcements_of(language)
    spoken = (words(code, "function_words") for code in (language, "en"))
    return frozenset().union(lists.stops, lists.times, FUNCTION_WORDS, *spoken) - HOMOPHONES - INNER_DIGITS.keys()


@dataclass(frozen=True, slots=True)
class Run:
    """Digits and letters of a code that only marks separate: tokens [first, last].

    Attributes:
        start: In the text.
        end: In the text.
        characters: How many digits and letters they stand for.
        digits: The digits among them.
    """

    first: int
    last: int
    start: int
    end: int
    characters: int
    digits: str


@dataclass(frozen=True)
class SpokenWords:
    """A text as words and marks.

    Attributes:
        view: The text itself.
        language: ISO 639-1 code.
        tagged: What the slot tagger says of each word; empty where it does not run.
        tokens: Words and marks; read here unless the caller has them.
        word_at: For each token whether it is no mark.
    """

    view: TextView
    language: str
    tagged: Sequence[SlotWord] = ()
    tokens: list[Token] = field(default_factory=list)
    words: Words = field(init=False)
    lists: Announcements = field(init=False)
    word_at: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        tokens = self.tokens or tokens_of(self.view.text)
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "words", Words(tokens, lexicon_for(self.language)))
        object.__setattr__(self, "lists", announcements_of(self.language))
        object.__setattr__(self, "word_at", [token.text[0].isalnum() for token in tokens])

    def at(self, offset: int) -> int:
        """The first token that begins at or after an offset."""
        return bisect_left(self._starts, offset)

    def is_word(self, at: int) -> bool:
        """Whether the token is no mark."""
        return self.word_at[at]

    @cached_property
    def announcements(self) -> list[Announcement]:
        """All exact announcements."""
        return list(self.lists.of(self.view))

    @cached_property
    def is_announced(self) -> bool:
        """Whether the text announces a personal value with a verb or a request, not only a noun."""
        return any(announcement.told for announcement in self.announcements)

    @cached_property
    def sure(self) -> list[int]:
        """For each token how many characters it stands for if it is a number in any context; otherwise 0."""
        return list(map(self._surely, self.tokens))

    @cached_property
    def _starts(self) -> list[int]:
        return [token.start for token in self.tokens]

    @cached_property
    def characters(self) -> list[int]:
        """For each token how many digits or letters of a code it stands for."""
        return [self._characters(at) for at in range(len(self.tokens))]

    @cached_property
    def hesitations(self) -> list[int]:
        """For each token the token after the pause or correction that begins there; its own index if none does."""
        return [self._after_hesitation(at) for at in range(len(self.tokens))]

    @cached_property
    def hesitating(self) -> frozenset[int]:
        """All tokens of pauses and corrections."""
        return frozenset(i for at, after in enumerate(self.hesitations) for i in range(at, after))

    @cached_property
    def phrases(self) -> frozenset[int]:
        """The tokens of pauses and corrections of several words."""
        return frozenset(at for at in self.hesitating if {at - 1, at + 1} & self.hesitating)

    @cached_property
    def runs(self) -> list[Run]:
        """All digits and letters of codes, in order."""
        found: list[Run] = []
        first = last = None
        for at, count in enumerate(self.characters):
            if count:
                first, last = at if first is None else first, at
            elif first is not None and last is not None and self.is_word(at):
                found.append(self.run(first, last))
                first = None
        if first is not None and last is not None:
            found.append(self.run(first, last))
        return found

    def run(self, first: int, last: int) -> Run:
        """The tokens as one run."""
        count = sum(self.characters[first : last + 1])
        return Run(first, last, self.tokens[first].start, self.tokens[last].end, count, self.digits(first, last))

    def digits(self, first: int, last: int) -> str:
        """The digits that tokens [first, last] stand for."""
        return "".join(digits_of(t.text) or self.words.digits(t) for t in self.tokens[first : last + 1])

    def _surely(self, token: Token) -> int:
        if not token.text.isalpha():
            if _ORDINAL.fullmatch(token.text):
                return len(digits_of(token.text))
            if has_digit(token.text):
                return sum(c.isalnum() for c in token.text)
        if token.text in self.words.lexicon.repeats:
            return 1
        return 0 if token.text in HOMOPHONES else len(self.words.lexicon.numbers.get(token.text, ""))

    def is_plain(self, at: int) -> bool:
        """Whether the word may be a misheard part of a value: it has no meaning of its own in a sentence."""
        text = self.tokens[at].text
        return self.is_word(at) and text not in _meaningful(self.language)

    def is_after_pause(self, run: Run) -> bool:
        """Whether a pause or a correction stands right before the run."""
        before = next((at for at in range(run.first - 1, -1, -1) if self.is_word(at)), -1)
        return before in self.hesitating

    def personal(self, run: Run) -> float:
        """The highest probability that the tagger gives any word of the run of being personal.

        It is 1 without the tagger, and in a text that announces a value: an announcement outweighs the tagger.
        """
        if self.is_announced:
            return 1.0
        return max((word.personal for word in words_in(self.tagged, run.start, run.end)), default=1.0)

    def is_misheard(self, at: int) -> bool:
        """Whether the word may be a misheard part of a value beside it."""
        return self.is_plain(at) and at not in self.hesitating

    def _characters(self, at: int) -> int:
        token = self.tokens[at]
        if sure := self.sure[at]:
            return sure
        if token.text in INNER_DIGITS or (token.text in HOMOPHONES and self.words.digits(token)):
            before, after = self._neighbour(at, -1), self._neighbour(at, 1)
            goes_on = after is None or self.sure[after] > 0
            starts = token.text in STARTING_DIGITS and after is not None
            return int(goes_on and (starts or (before is not None and self.sure[before] > 0)))
        return len(token.text) if self._is_code(at) else 0

    def _is_code(self, at: int) -> bool:
        """Whether the token is letters of a code: a letter or capitals beside a digit or a letter."""
        token = self.tokens[at]
        if not token.text.isalpha() or not (len(token.text) == 1 or self._is_short_of_capitals(token)):
            return False
        near = [i for i in (self._neighbour(at, -1), self._neighbour(at, 1)) if i is not None]
        by_digit = any(self.sure[i] for i in near)
        if len(token.text) == 1:
            letters = [t.text for t in map(self.tokens.__getitem__, near) if len(t.text) == 1 and t.text.isalpha()]
            spelled = by_digit and any(letter not in _NO_LETTERS for letter in letters)
            capital = token.shape in _CAPITALS or (token.shape == "O" and bool(letters))
            letter = token.text not in _NO_LETTERS or capital or spelled
            return letter and (by_digit or bool(letters))
        return by_digit or any(self.sure[i] for i in self._over_joiner(at))

    def _is_short_of_capitals(self, token: Token) -> bool:
        """Whether the token is a few capitals that are no word and no abbreviation."""
        plain = token.text in self.lists.stops or token.text in SHORT_WORDS or token.text in ABBREVIATIONS
        return len(token.text) <= _LONGEST_CODE_WORD and token.shape.isupper() and not plain

    def _over_joiner(self, at: int) -> Iterator[int]:
        """The words on both sides of a word like "and" beside a token."""
        for step in (-1, 1):
            joiner = self._neighbour(at, step)
            if joiner is not None and self.tokens[joiner].text in self.words.lexicon.joiners:
                beyond = self._neighbour(joiner, step)
                yield from () if beyond is None else (beyond,)

    def _neighbour(self, at: int, step: int) -> int | None:
        """The next word in one direction, over one mark."""
        words = self.word_at
        for index in (at + step, at + 2 * step):
            if 0 <= index < len(words) and words[index]:
                return index
        return None

    def _after_hesitation(self, at: int) -> int:
        begins = at == 0 or self.tokens[at - 1].end < self.tokens[at].start or not self.is_word(at - 1)
        if begins and (match := self.lists.hesitation.match(self.view.lower, self.tokens[at].start)):
            return self.at(match.end())
        before = self._neighbour(at, -1)
        if before is None or not self.sure[before]:
            return at
        sizes = (size for size in range(_REPAIR_WORDS, 1, -1) if self._sounds_as_repair(at, size))
        return at + next(sizes, 0)

    def _sounds_as_repair(self, at: int, size: int) -> bool:
        """Whether the words after a number sound like a correction, with a number after them, too.

        As in "415, scratched at, 416". Elsewhere they may be a name.
        """
        after = self._neighbour(at + size - 1, 1) if at + size <= len(self.tokens) else None
        if after is None or not self.sure[after]:
            return False
        if any(self.sure[at : at + size]):
            return False
        group = [token.text for token in self.tokens[at : at + size]]
        return all(map(str.isalpha, group)) and self.lists.is_repair(" ".join(group))
