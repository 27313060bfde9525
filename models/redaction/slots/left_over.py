"""What is left of a spoken text after redaction, and whether it may be part of a value.

A slot is open where a value was announced or something was hidden. There a digit, a letter of a code, a sign of an
e-mail address, or a word that may stand for a misheard value keeps the text from the LLM. Must NOT count: what a unit,
a price, a time, a day or a thing explains; function words; a noun with an article ("the Riverside site"); numbers of a
text in which no slot is open, unless the slot tagger suspects them, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from models.redaction.itn.lexicon import HOMOPHONES, TOP_LEVEL
from models.redaction.recognizers.secrets.passphrase import passphrase_start
from models.redaction.slots.announcements import Announcement
from models.redaction.slots.entities import NUMBERS
from models.redaction.slots.explanations import is_explained_by_words
from models.redaction.slots.openings import announced
from models.redaction.slots.spoken_words import STOPS, Run, SpokenWords
from models.redaction.slots.types import SlotWord
from models.redaction.types import CLASSIFIER, RedactionContext
from models.text import Entity

_MIN_LEFT: Final = 2
_MIN_LEFT_ALONE: Final = 4
"""Least digits and letters that make a text unsafe: beside a number that was announced or hidden, and where no slot is
open.
"""

_MIN_SCATTERED: Final = 3
"""The same where a name was announced or hidden, and for digits that stand one by one."""

_SUSPECTED: Final = 0.15
"""Least probability by the slot tagger of being personal that makes a text unsafe if the word is left."""

_SUSPECTED_ALONE: Final = 0.15
"""The same for a number of a text in which no slot is open."""

_AGREED: Final = 0.5
"""The same for what the name classifier alone found. Under it, that opens no slot."""

_CLASSIFIED: Final = (CLASSIFIER, "repeated-name")
_SURE: Final = 0.7
"""From this probability on, what explains a number does not count."""

_UNANNOUNCED: Final = frozenset({"NAME", "EMAIL"})
"""Types that are often told without an announcement. The tagger's suspicion opens a slot for them."""

_MOST_WORDS: Final = 6
"""Most words of a value in words."""


@dataclass(frozen=True)
class LeftOver:
    """What is left of a text.

    Attributes:
        text: All words.
        context: Of the text.
        hidden: The entities.
        tagged: What the slot tagger says of each word; empty where it does not run.
        tags: Spans of the tags of an earlier run. Their own words are nobody's name.
    """

    text: SpokenWords
    context: RedactionContext
    hidden: Sequence[Entity]
    tagged: Sequence[SlotWord] = ()
    tags: Sequence[tuple[int, int]] = ()

    @property
    def is_unsafe(self) -> bool:
        """Whether a part of a value may be left."""
        return self._has_number() or self._has_sign() or self._has_suspect() or self._has_untold()

    @cached_property
    def _told(self) -> list[Announcement]:
        return [slot for slot in announced(self.text, self.context) if slot.told]

    @cached_property
    def _values(self) -> list[Entity]:
        """The entities that open a slot: not those that the name classifier alone found."""
        return [
            entity
            for entity in self.hidden
            if not entity.recognizer.startswith(_CLASSIFIED) or self._is_suspect(entity.start, entity.end, _AGREED)
        ]

    @cached_property
    def _is_open(self) -> bool:
        return bool(self._values or self._told or self.text.lists.introductions(self.text.view))

    def _is_hidden(self, start: int, end: int) -> bool:
        return any(begin < end and start < stop for begin, stop in self._spans)

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return [*((entity.start, entity.end) for entity in self.hidden), *self.tags]

    def _runs(self) -> list[Run]:
        spans = self._spans
        inside = (any(start <= run.start and run.end <= end for start, end in spans) for run in self.text.runs)
        runs = [run for run, is_inside in zip(self.text.runs, inside, strict=True) if not is_inside]
        return [run for run in runs if not is_explained_by_words(self.text, run)]

    def _has_number(self) -> bool:
        left = self._runs()
        if not self._is_open:
            return any(run.characters >= _MIN_LEFT_ALONE and self._is_code(run) for run in left)
        scattered = bool(self._values) and sum(run.characters for run in left) >= _MIN_SCATTERED
        least = _MIN_LEFT if self._told or any(e.type in NUMBERS for e in self._values) else _MIN_SCATTERED
        return scattered or any(run.characters >= least for run in left)

    def _is_code(self, run: Run) -> bool:
        """Whether the run mixes letters and digits that were said one by one, or the tagger suspects it."""
        if run.digits and run.characters > len(run.digits) and run.last - run.first >= _MIN_LEFT:
            return True
        return self._is_suspect(run.start, run.end, _SUSPECTED_ALONE)

    def _is_suspect(self, start: int, end: int, bar: float) -> bool:
        return any(word.personal >= bar and word.start < end and start < word.end for word in self.tagged)

    def _has_sign(self) -> bool:
        """Whether a spoken sign of an e-mail address is left: "underscore", "dot com"."""
        for token, after in pairwise([*self.text.tokens, None]):
            sign = self.text.words.sign(token) if token and token.text[0].isalnum() else ""
            is_sign = sign == "_" or (sign == "." and after is not None and after.text in TOP_LEVEL)
            if token and is_sign and not self._is_hidden(token.start, token.end):
                return True
        return False

    def _has_suspect(self) -> bool:
        """Whether a word is left that the tagger takes for a part of a value."""
        return any(
            word.personal >= _SUSPECTED
            and (self._is_open or word.type in _UNANNOUNCED)
            and not self._is_hidden(word.start, word.end)
            and self._is_unexplained(word)
            for word in self.tagged
        )

    def _is_unexplained(self, word: SlotWord) -> bool:
        at = self.text.at(word.start)
        if at >= len(self.text.tokens):
            return False
        if self.text.characters[at]:
            run = next(run for run in self.text.runs if run.first <= at <= run.last)
            return word.type in NUMBERS and (word.personal >= _SURE or not is_explained_by_words(self.text, run))
        return self.text.is_misheard(at) and not self._is_noun(at)

    def _is_noun(self, at: int) -> bool:
        """Whether the word stands between an article and another plain word: "the Riverside site"."""
        articles, before, after = self.text.lists.articles, at - 1, at + 1
        return before >= 0 and self.text.tokens[before].text in articles and self._is_content(after)

    def _is_content(self, at: int) -> bool:
        return at < len(self.text.tokens) and self.text.is_misheard(at)

    def _has_untold(self) -> bool:
        """Whether nothing was hidden after an announcement, although words stand there that may be the value."""
        for slot in self._told:
            if not slot.back and self._is_untold(slot):
                return True
        introduced = self.text.lists.introductions(self.text.view)
        return any(self._is_unnamed(end) for end in introduced)

    def _clause(self, offset: int) -> list[int]:
        """The first words after an offset, to the end of the clause; none if something in it is hidden."""
        words: list[int] = []
        for at in range(self.text.at(offset), len(self.text.tokens)):
            token = self.text.tokens[at]
            if self._is_hidden(token.start, token.end):
                return []
            if token.text in STOPS or len(words) == _MOST_WORDS:
                break
            if self.text.is_word(at):
                words.append(at)
        return words

    def _is_untold(self, slot: Announcement) -> bool:
        clause = self._clause(slot.end)
        said = [self.text.tokens[at].text for at in clause]
        if not said or not self.text.lists.remarks.isdisjoint(said):
            return False
        if slot.type in ("EMAIL", "SECRET") and not slot.requested:
            return passphrase_start(said) is not None and any(map(self.text.is_misheard, clause))
        alike = [word in HOMOPHONES for word in said]
        return slot.type in NUMBERS and any(one and other for one, other in pairwise(alike))

    def _is_unnamed(self, offset: int) -> bool:
        clause = self._clause(offset)
        said = [self.text.tokens[at].text for at in clause]
        return self.text.lists.remarks.isdisjoint(said) and any(map(self.text.is_misheard, clause))


def left_over(
    text: SpokenWords,
    context: RedactionContext,
    hidden: Iterable[Entity],
    tagged: Sequence[SlotWord] = (),
    tags: Iterable[tuple[int, int]] = (),
) -> bool:
    """Whether a part of a value may be left outside of the entities. See ``LeftOver`` for the arguments."""
    return LeftOver(text, context, list(hidden), tagged, list(tags)).is_unsafe
