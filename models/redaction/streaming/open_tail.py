"""Context carry-over: what one utterance leaves open for the next.

"My number is four one five" ends inside a number that the next utterance completes: "five five five oh one three two".
The raw end of such an utterance, its open tail, travels in the sealed state. The next utterance is redacted twice,
alone and after that tail, and what either finds is replaced. The tail itself was redacted when it was shown, see
``recognizers.spoken.truncated_entity``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.tokens import Token, Words, tokens_of
from models.redaction.lexicons.loader import across
from models.redaction.postprocess.expected_answer import expected_in
from models.redaction.redacted_text import redacted_span
from models.redaction.slots.filling import open_slot
from models.redaction.types import Redaction, RedactionContext, Redactor
from models.text import Entity, RawText

_WORDS: Final = 12
"""Most words that are kept: enough for a telephone number and its introduction."""

_CHARS: Final = 240
_REACH_CHARS: Final = 200
"""Characters of an utterance that are redacted together with the tail before it."""

JOINED_CHARS: Final = 80
"""Entities that begin after this many characters do not depend on the tail. Only the redaction without it decides."""

_BETWEEN: Final = " "
_SPACED: Final = re.compile(r"\S+")
NO_TAIL: Final = RawText("")

_CUES: Final = frozenset(across("introductions", "open"))
"""Words after which an utterance is not complete, whatever the punctuation says."""

_STREET_WORDS: Final = frozenset(across("streets", "open"))
_STREET_ENDINGS: Final = across("streets", "open_endings")
_STREET_REACH = 4
"""Last words in which a street type means that the house number may follow."""

_ARTICLES: Final = frozenset(across("function_words", "articles"))


def open_tail_of(text: RawText, entities: Sequence[Entity], context: RedactionContext, before: RawText) -> RawText:
    """The same as ``open_tail``. A code of the flow closes what was open before it: the number of a contract was said.

    Args:
        text: The whole utterance.
        entities: What was found in it, sorted.
        context: Of the utterance.
        before: The open tail of the utterance before.
    """
    done = max((end for _, end in expected_in(text.reveal(), context).codes), default=0)
    if not done:
        return open_tail(text, entities, context.language, before)
    rest = [replace(e, start=e.start - done, end=e.end - done) for e in entities if e.start >= done]
    return open_tail(text.part(done, len(text)), rest, context.language)


def open_tail(text: RawText, entities: Sequence[Entity], language: str, before: RawText = NO_TAIL) -> RawText:
    """The end of an utterance that the next one may complete; empty if there is none.

    Args:
        text: The whole utterance.
        entities: What was found in it, sorted.
        language: ISO 639-1 code.
        before: The open tail of the utterance before. A short utterance is appended to it.
    """
    raw = text.reveal()
    tokens = tokens_of(raw)
    spoken = [t for t in tokens if t.text[0].isalnum()]
    end = _end(spoken, tokens, entities)
    if spoken and (slot := _with_open_slot(before, text.part(0, end), language)):
        return slot
    if not spoken or not _is_open(spoken, entities, Words(tokens, lexicon_for(language))):
        return NO_TAIL
    start = spoken[max(0, len(spoken) - _WORDS)].start
    start = min([start, *(e.start for e in entities if e.start < start < e.end)])
    kept = text.part(max(start, len(raw) - _CHARS), end)
    lead = _last_words(before, _WORDS - len(spoken))
    return RawText.join([lead, kept], _BETWEEN) if lead else kept


def _end(spoken: Sequence[Token], tokens: Sequence[Token], entities: Sequence[Entity]) -> int:
    """Where the tail ends: after the last word, and after the stop behind a name, so that the next word starts anew.

    "My name is John Carter." and "I'm at the site" are two sentences, "four one five." and "five five five" one number.
    """
    if not spoken:
        return 0
    last = spoken[-1].end
    named = any(e.type == "NAME" and e.start < last <= e.end for e in entities)
    return tokens[-1].end if named else last


def _with_open_slot(before: RawText, text: RawText, language: str) -> RawText:
    """Everything from an announcement on whose slot is still open, and at least the last words; empty if there is none,
    or if it is too long.
    """
    whole = RawText.join([before, text], _BETWEEN) if before else text
    start = open_slot(whole.reveal(), language)
    if start is None or len(whole) - start > _CHARS:
        return NO_TAIL
    words = _last_words(whole, _WORDS)
    return whole.part(start, len(whole)) if len(whole) - start > len(words) else words


def _last_words(text: RawText, count: int) -> RawText:
    """At most so many of its last words."""
    starts = [match.start() for match in _SPACED.finditer(text.reveal())][-count:] if count > 0 else []
    return text.part(starts[0], len(text)).stripped() if starts else NO_TAIL


def _is_open(spoken: Sequence[Token], entities: Sequence[Entity], words: Words) -> bool:
    last = spoken[-1]
    if any(e.start < last.end <= e.end for e in entities):
        return True
    named = words.atom(last) or words.sign(last) or last.text in words.lexicon.repeats
    before = spoken[-2].text if len(spoken) > 1 else ""
    if last.text.endswith(_STREET_ENDINGS) or any(t.text in _STREET_WORDS for t in spoken[-_STREET_REACH:]):
        return True
    return bool(named) or last.text in _CUES or (last.text in _ARTICLES and before in _CUES)


def texts_with_tail(tail: RawText, text: RawText) -> list[RawText]:
    """The texts to redact: the utterance, and the utterance after the open tail of the one before."""
    if not tail:
        return [text]
    end = len(text)
    if end > _REACH_CHARS:
        space = text.reveal().rfind(" ", 0, _REACH_CHARS)
        end = space if space > 0 else _REACH_CHARS
    beginning = text if end == len(text) else text.part(0, end)
    return [text, RawText.join([tail, beginning], _BETWEEN)]


def combine_with_tail(tail: RawText, text: RawText, redactions: Sequence[Redaction]) -> Redaction:
    """One redaction of the utterance from those of ``texts_with_tail``."""
    if len(redactions) == 1:
        return redactions[0]
    alone, joined = redactions
    shift = len(tail) + len(_BETWEEN)
    raw = text.reveal()
    near = [e for e in joined.entities if e.end > shift and e.start < shift + JOINED_CHARS]
    moved = [replace(e, start=max(0, e.start - shift), end=e.end - shift) for e in near]
    entities = tuple(_united([*alone.entities, *(e for e in moved if any(c.isalnum() for c in raw[e.start : e.end]))]))
    whole = Redaction(alone.text if not alone.text.safe_for_llm else joined.text, entities)
    return Redaction(redacted_span(raw, whole, 0, len(raw)), entities, alone.suspects, alone.unsettled)


def values_with_tail(
    tail: RawText, text: RawText, redactions: Sequence[Redaction]
) -> tuple[RawText, tuple[Entity, ...]]:
    """The utterance after the open tail, and what was found in the utterance, with offsets in both together.

    A value that begins in the tail is whole there; ``combine_with_tail`` has its last part only. One that ends in the
    tail belongs to the utterance before.
    """
    if len(redactions) == 1:
        return text, redactions[0].entities
    alone, joined = redactions
    shift = len(tail) + len(_BETWEEN)
    moved = [replace(e, start=e.start + shift, end=e.end + shift) for e in alone.entities]
    near = [e for e in joined.entities if e.end > shift and e.start < shift + JOINED_CHARS]
    return RawText.join([tail, text], _BETWEEN), tuple(_united([*moved, *near]))


def _united(entities: Sequence[Entity]) -> list[Entity]:
    """Sort entities and join those that overlap. The result covers both and has the type of the longest.

    Of equally long ones the last gives the type. It was found after the tail, where the words that announce it may be.
    """
    united: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        if not united or entity.start >= united[-1].end:
            united.append(entity)
            continue
        last = united[-1]
        winner = max(entity, last, key=lambda e: e.end - e.start)
        united[-1] = replace(winner, start=last.start, end=max(last.end, entity.end))
    return united


class TailAwareRedactor:
    """A redactor that redacts every text alone and after the open tail of the utterance before.

    Args:
        redactor: Does the work.
        tail: The result of ``open_tail``; may be empty.
    """

    def __init__(self, redactor: Redactor, tail: RawText) -> None:
        self._redactor = redactor
        self._tail = tail

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        """See ``Redactor``."""
        return self.redact_many([text], context)[0]

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        """See ``Redactor``."""
        groups = [texts_with_tail(self._tail, text) for text in texts]
        redactions = iter(self._redactor.redact_many([text for group in groups for text in group], context))
        return [
            combine_with_tail(self._tail, text, [next(redactions) for _ in group])
            for text, group in zip(texts, groups, strict=True)
        ]
