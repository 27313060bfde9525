"""Words that a flow uses itself: its options, labels, units and expected words. A guess that takes them for a name is
dropped.

The classifier takes "halb voll" and "Stoßfänger rechts" for names. What must NOT be dropped: a word of the flow that
stands beside another name ("Peter Voll"), after a title or an introduction ("my name is Wood"), or after a question for
a name; a part of a phrase ("Martin King", where "Martin Luther King Street" is expected); whatever a pattern found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.tokens import Words, tokens_of
from models.redaction.lexicons.loader import words
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.postprocess.expected_answer import GUESSES
from models.redaction.recognizers.person.introduced_name import is_introduced
from models.redaction.slots.announcements import announcements_of
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_NAME: Final = "NAME"

_SURE: Final = 0.85
"""Score from which on a guess is a name, also of words of the flow: "Rosa Schwarz" where both are colours."""

_BESIDE: Final = re.compile(r"[ \t]{0,3}|[ \t]?[-'\u2019,&][ \t]?| (?:and|or|und|oder|y|o|et|ou|e) ", re.IGNORECASE)
"""What may stand between two parts of one name, or between two names: "Voll, Peter", "Park and Mann"."""

_BEFORE_NAME: Final = re.compile(r"[\s,:]{0,4}")
"""Between an introduction and the name."""


def without_known_words(view: TextView, found: Sequence[Entity], context: RedactionContext) -> list[Entity]:
    """The entities but the guesses of names that consist of words of the flow.

    Args:
        view: The text.
        found: Its entities; offsets in ``view``.
        context: Has the phrases of the flow. In pictures none is dropped: a register lists other people's names.
    """
    language = context.language[:2].lower()
    phrases = context.scope.flow_words.phrases_in(language) | context.expected_phrases
    if not phrases or _NAME in context.asked_for or context.source is TextSource.OCR:
        return list(found)
    known = _known(view.text, phrases, language)
    doubtful = [e for e in found if known and _consists_of(e, view, known, words(language, "function_words"))]
    if not doubtful:
        return list(found)
    names = [e for e in found if e.type == _NAME and e not in doubtful]
    dropped = [e for e in doubtful if not (_is_beside(e, names, view.text) or _is_announced(e, view, language))]
    return [e for e in found if e not in dropped]


def _known(text: str, phrases: frozenset[str], language: str) -> set[tuple[int, int]]:
    """Where the words of all phrases stand."""
    found = (phrase.span() for phrase in _pattern(phrases, language).finditer(text))
    return {word.span() for start, end in found for word in WORD.finditer(text, start, end)}


def _consists_of(entity: Entity, view: TextView, known: set[tuple[int, int]], between: frozenset[str]) -> bool:
    """Whether an entity is a doubtful guess of a name, and consists of known words and function words between them."""
    if entity.type != _NAME or entity.score >= _SURE or not entity.recognizer.startswith(GUESSES):
        return False
    parts = list(WORD.finditer(view.lower, entity.start, entity.end))
    if not parts or any(part.span() not in known for part in (parts[0], parts[-1])):
        return False
    return all(part.span() in known or part.group() in between for part in parts)


def _is_beside(entity: Entity, names: Sequence[Entity], text: str) -> bool:
    """Whether another name stands right beside an entity, or overlaps it."""
    for name in names:
        first, second = sorted((entity, name), key=lambda e: e.start)
        if second.start < first.end or _BESIDE.fullmatch(text, first.end, second.start):
            return True
    return False


def _is_announced(entity: Entity, view: TextView, language: str) -> bool:
    """Whether a title or an introduction stands right before an entity."""
    if is_introduced(view, entity.start):
        return True
    ends = announcements_of(language).introductions(view)
    return any(end <= entity.start and _BEFORE_NAME.fullmatch(view.text, end, entity.start) for end in ends)


@lru_cache(maxsize=128)
def _pattern(phrases: frozenset[str], language: str) -> re.Pattern[str]:
    """Matches every phrase, and what is counted in it: "Achtel" of "sechs Achtel"."""
    every = {*phrases, *filter(None, (_without_number(phrase, language) for phrase in phrases))}
    longest_first = sorted(every, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_])", re.IGNORECASE)


def _without_number(phrase: str, language: str) -> str:
    """The phrase without the number words that it begins with; empty where it begins with none."""
    tokens = tokens_of(phrase)
    read = Words(tokens, lexicon_for(language))
    counted = next((token for token in tokens if not read.digits(token)), None)
    return phrase[counted.start :].strip() if counted and counted.start and not has_digit(phrase) else ""
