"""Partial results: the redacted prefix of a running utterance that further words are unlikely to make personal.

A prefix of the hypothesis is shown when two hypotheses in a row agree on it and the whole hypothesis was redacted. It
ends before the words that could still become part of a name, a number or an address. These are mostly the last two
words; function words may be shown earlier, see ``early_words``. Text that was shown is never taken back. If the
hypothesis changes, the text stays until the final text replaces it.

Further words can also change the classifier's scores of earlier words. A word that might be a name therefore waits for
more words, and a word close to the threshold waits for the final text. It is rare, but possible, that a partial shows a
word that the final text redacts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from models.numbered_tags import TagIdentity
from models.recognition_json import rated_text, recognition_fields
from models.redaction.dialogue_context import personal
from models.redaction.itn.cardinals import may_hold_numeral, numerals
from models.redaction.itn.lexicon import Lexicon, lexicon_for
from models.redaction.itn.spelling_alphabets import PHONETIC
from models.redaction.itn.tokens import Token, tokens_of
from models.redaction.normalize.view import original
from models.redaction.redacted_text import redacted_prefix, redacted_span, restore_redacted
from models.redaction.slots.filling import unsettled_from
from models.redaction.slots.spoken_words import SpokenWords
from models.redaction.streaming.early_words import AgreedHypothesis, may_release_more, release_early
from models.redaction.streaming.open_tail import JOINED_CHARS, NO_TAIL, TailAwareRedactor
from models.redaction.types import (
    NOTHING_HELD_BACK,
    OF_OWN_MODEL,
    HeldBack,
    Redaction,
    RedactionContext,
    Redactor,
    Suspect,
)
from models.text import Entity, RawText, RedactedText

HOLD_WORDS = 2
"""Last words that are held back, unless ``release_early`` releases them: "john" looks harmless until "dot carter"
follows.
"""

INTRODUCED_WORDS = 4
"""Words that are held back after an introduction, unless the redactor already found the name."""

SUSPECT_WORDS = 8
"""Words that must follow a possible name; a likely one waits for the final text."""

NUMBER_WORDS = 5
"""Words that must follow a spoken number. Up to four can name a street or complete a date."""

MAX_COUNTED = 3
"""Highest number of held-back words that is reported. A higher one would reveal the length of a number."""

_LONGEST_NUMBER = 12
"""Most words of one number."""

_INTRODUCTIONS = frozenset((
    ("name", "is"), ("name's",), ("named",), ("called",), ("i", "am"), ("i'm",), ("this",
    "is"), ("it's",), ("speaking", "to"), ("under",),
    ("mr",), ("mrs",), ("ms",), ("dr",), ("miss",), ("number", "is"), ("email", "is"), ("address", "is"), ("live",
    "at"), ("born",), ("llamo",),
    ("soy",), ("heiße",), ("bin",), ("m'appelle",), ("suis",), ("नाम",),
))  # fmt: skip
_SIZES = sorted({len(words) for words in _INTRODUCTIONS})


@dataclass(frozen=True, slots=True)
class PartialState:
    """The state of one utterance between two steps. Each utterance starts with a new one.

    Attributes:
        previous: The last hypothesis.
        shown: The text with tags that was shown so far.
        shown_tokens: How many tokens of the hypothesis ``shown`` covers.
        tail: The open tail of the utterance before (raw text); empty if there is none.
    """

    previous: RawText = field(default_factory=lambda: RawText(""))
    shown: RedactedText = field(default_factory=lambda: RedactedText.literal(""))
    shown_tokens: int = 0
    tail: RawText = NO_TAIL

    def to_payload(self) -> dict[str, Any]:
        """The state as JSON values, for ``StateSealer.seal`` only: they contain the raw words."""
        return {
            "previous": self.previous.reveal(),
            "shown": self.shown.value,
            "counts": dict(self.shown.counts),
            "safe": self.shown.safe_for_llm,
            "identities": [(tag.start, tag.end, tag.type, tag.key) for tag in self.shown.identities],
            "tokens": self.shown_tokens,
            "tail": self.tail.reveal(),
            "tail_rated": recognition_fields(self.tail),
        }

    @classmethod
    def from_payload(cls, state: dict[str, Any]) -> PartialState:
        """Restore a state that ``StateSealer.open`` returned."""
        identities = [TagIdentity(*tag) for tag in state.get("identities", ())]
        shown = restore_redacted(state["shown"], state["counts"], safe_for_llm=state["safe"], identities=identities)
        tail = rated_text(state.get("tail", ""), state.get("tail_rated", {}))
        return cls(RawText(state["previous"]), shown, state["tokens"], tail)


def held_back(before: PartialState, after: PartialState) -> HeldBack:
    """The words that a step of ``PartialRedactor`` recognised but did not show."""
    tokens = tokens_of(after.previous.reveal())
    agreed = _agreed(tokens_of(before.previous.reveal()), tokens)
    hidden = range(after.shown_tokens, len(tokens))
    words = [index for index in hidden if tokens[index].text[0].isalnum()]
    if not words:
        return NOTHING_HELD_BACK
    return HeldBack(min(len(words), MAX_COUNTED), sum(index < agreed for index in words) / len(words))


class PartialRedactor:
    """Turns growing hypotheses into a growing redacted prefix."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def step(
        self, state: PartialState, hypothesis: RawText, context: RedactionContext
    ) -> tuple[RedactedText, PartialState]:
        """Take the next hypothesis of the same utterance.

        Returns:
            The text to show, which always extends ``state.shown``, and the state for the next step.

        Raises:
            RedactionFailed: Nothing may be shown.
        """
        text = hypothesis.reveal()
        tokens = tokens_of(text)
        previous = state.previous.reveal()
        agreed = len(tokens) if previous == text else _agreed(tokens_of(previous), tokens)
        shown, count = state.shown, state.shown_tokens
        latest = AgreedHypothesis(tokens, agreed, context.language)
        early = not state.tail and not personal(context.asked_for)
        if _without_last_words(tokens, agreed) > count or (early and may_release_more(latest, count)):
            # Otherwise nothing new can be shown, whatever the redactor finds.
            past_tail = count > 0 and tokens[count - 1].end > JOINED_CHARS  # nothing new belongs to the tail
            redaction = TailAwareRedactor(self._redactor, NO_TAIL if past_tail else state.tail).redact(
                hypothesis, context
            )
            numbers = _open_numbers(text, tokens, context.language)
            stable = _stable_tokens(tokens, agreed, redaction, lexicon_for(context.language), numbers)
            built_in = _built_in(redaction.entities)
            stable = _hold_after_introduction(tokens_of(state.tail.reveal()), tokens, stable, built_in)
            if early:
                stable = release_early(latest, stable, redaction)
                stable = _before_introduced(tokens, stable, built_in)
            stable = _before_announced(state.tail, text, tokens, stable, redaction, context.language)
            if stable > count:
                shown = _extended(shown, text, tokens[count].start, tokens[stable - 1].end, redaction)
                count = stable
        return shown, PartialState(hypothesis, shown, count, state.tail)


def _extended(shown: RedactedText, text: str, start: int, end: int, redaction: Redaction) -> RedactedText:
    """What was shown, extended by the redacted text from ``start`` to ``end``."""
    candidate = redacted_prefix(text, redaction, end)
    if candidate.value.startswith(shown.value):
        return candidate
    # The hypothesis has changed before ``start``. The shown text stays, and only new text is appended. An entity that
    # begins before ``start`` is appended whole, or not at all if its tag is already shown.
    for entity in redaction.entities:
        if entity.start < start < entity.end:
            start = min(entity.end, end)
    tail = redacted_span(text, redaction, start, end)
    return RedactedText.join((shown, tail)) if tail else shown


def _agreed(before: list[Token], now: list[Token]) -> int:
    """How many tokens from the start both hypotheses have in common, letter case aside."""
    count = 0
    for old, new in zip(before, now, strict=False):
        if old.text != new.text:
            break
        count += 1
    return count


def _open_numbers(text: str, tokens: list[Token], language: str) -> list[int]:
    """The first tokens of spoken numbers that may still turn out to be house numbers or parts of a date."""
    words, first = 0, len(tokens)
    while first and words < NUMBER_WORDS:
        first -= 1
        words += tokens[first].text[0].isalnum()
    if not tokens or not may_hold_numeral(tokens[first:], language):
        return []
    reached = tokens[first].start if words == NUMBER_WORDS else 0
    begin = max(0, first - _LONGEST_NUMBER)
    starts = {token.start: begin + number for number, token in enumerate(tokens[begin:])}
    return [starts[n.start] for n in numerals(text, language, tokens[begin:]) if n.end > reached]


def _stable_tokens(tokens: list[Token], agreed: int, redaction: Redaction, lexicon: Lexicon, numbers: list[int]) -> int:
    """How many of the agreed tokens may be shown."""
    entities, built_in = redaction.entities, _built_in(redaction.entities)
    count = _before_suspect(tokens, _without_last_words(tokens, agreed), redaction.suspects)
    while True:
        before = count
        while count and not _is_covered(tokens[count - 1], built_in) and _may_grow(tokens, count - 1, lexicon):
            count -= 1
        count = min([count, *(i for i in numbers if not _is_covered(tokens[i], built_in))])
        count = _before_introduced(tokens, count, built_in)
        for entity in entities:
            end = tokens[count - 1].end if count else 0
            grows = end == entity.end and count < len(tokens) and _may_grow(tokens, count, lexicon)
            if entity.start < end and (end < entity.end or grows):
                count = next(i for i, t in enumerate(tokens) if t.end > entity.start)
        if count == before:
            return count


def _without_last_words(tokens: list[Token], agreed: int) -> int:
    count, words = agreed, 0
    while count and words < HOLD_WORDS:
        count -= 1
        words += tokens[count].text[0].isalnum()
    return count


def _before_announced(
    before: RawText, text: str, tokens: list[Token], count: int, redaction: Redaction, language: str
) -> int:
    """Cut after an announcement whose value further words may still change: "my number is".

    The announcement may be in the open tail of the utterance before.
    """
    lead = f"{before.reveal()} " if before else ""
    start = unsettled_from(SpokenWords(original(lead + text), language)) if lead else redaction.unsettled
    if start is None:
        return count
    start = max(0, start - len(lead))
    start = min([start, *(e.start for e in redaction.entities if e.start < start < e.end)])
    return min(count, sum(token.end <= start for token in tokens))


def _before_suspect(tokens: list[Token], count: int, suspects: tuple[Suspect, ...]) -> int:
    """Cut before the first word that may still become a name."""
    words = 0
    first = count
    waiting = suspects
    for index in range(len(tokens) - 1, -1, -1):
        if words == SUSPECT_WORDS:
            waiting = tuple(s for s in suspects if s.likely)
        if any(s.start < tokens[index].end and tokens[index].start < s.end for s in waiting):
            first = min(first, index)
        words += tokens[index].text[0].isalnum()
    return first


def _built_in(entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
    """Without those that a model of the operator's own added: they show no word sooner than it is shown without."""
    return tuple(entity for entity in entities if not entity.recognizer.startswith(OF_OWN_MODEL))


def _is_covered(token: Token, entities: tuple[Entity, ...]) -> bool:
    return any(e.start <= token.start and token.end <= e.end for e in entities)


def _may_grow(tokens: list[Token], index: int, lexicon: Lexicon) -> bool:
    """Whether further words could make this one part of an entity."""
    token = tokens[index]
    if len(token.text) == 1 or any(c.isdigit() for c in token.text) or "@" in token.text:
        return token.text not in ".?!" or index == 0
    if any(
        token.text in table
        for table in (lexicon.numbers, lexicon.repeats, lexicon.signs, lexicon.letters, lexicon.scales)
    ):
        return True
    starts = index == 0 or tokens[index - 1].text in (".", "?", "!")
    capital = token.shape[:1].isupper() and not starts and not token.text.startswith(("i'", "i’"))
    known = token.text in PHONETIC or token.text in lexicon.phonetic or token.text in ("area", "code", "extension")
    return capital or known


def _hold_after_introduction(before: list[Token], tokens: list[Token], count: int, entities: tuple[Entity, ...]) -> int:
    """Hold the first words back if the utterance before ended in an introduction without a name."""
    if count >= INTRODUCED_WORDS or any(_is_covered(t, entities) for t in tokens[:INTRODUCED_WORDS]):
        return count
    introduced = any(tuple(t.text for t in before[-size:]) in _INTRODUCTIONS for size in _SIZES)
    return 0 if introduced else count


def _before_introduced(tokens: list[Token], count: int, entities: tuple[Entity, ...]) -> int:
    """Cut right after an introduction whose name is not found yet."""
    for start in range(max(0, count - INTRODUCED_WORDS - 1), count):
        for size in _SIZES:
            end = start + size
            if end > count or tuple(t.text for t in tokens[start:end]) not in _INTRODUCTIONS:
                continue
            following = tokens[end : end + INTRODUCED_WORDS]
            if count < end + INTRODUCED_WORDS and not any(_is_covered(t, entities) for t in following):
                return end
    return count
