"""Words that a flow uses itself: its options, labels, units and expected words. A guess that takes them for a name is
dropped.

The classifier takes "halb voll" and "Stoßfänger rechts" for names. What must NOT be dropped: a word of the flow that
stands beside another name ("Peter Voll"), after a title, an introduction or a label ("my name is Wood", "surname
Brown"), after a word for a person ("my daughter Mercedes"), or after a question for a name; words of several phrases
that are likely a name together ("rosa braun", where both are colours); a part of a phrase ("Martin King", where "Martin
Luther King Street" is expected); whatever a pattern found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from models.redaction.commands import folded
from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.tokens import Words, tokens_of
from models.redaction.lexicons.loader import ANY, across, word_lists, words
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

_SURE_OF_SEVERAL: Final = 0.8
"""The same for words side by side that are no phrase of the flow: "rosa braun". "Stoßfänger rechts" has 0.79."""

_BESIDE: Final = re.compile(
    rf"[ \t]{{0,3}}|[ \t]?[-'\u2019,&][ \t]?| (?:{'|'.join(word_lists(ANY, 'particles')['between_names'])}|e) ",
    re.IGNORECASE,
)
"""What may stand between two parts of one name, or between two names: "Voll, Peter", "Park and Mann"."""

_BEFORE_NAME: Final = re.compile(r"[\s,:]{0,4}")
"""Between an introduction and the name."""

_LONGEST_BEFORE: Final = 40
"""Characters before a name in which its label, or the word for the person, is sought."""


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
    known = [phrase.span() for phrase in _pattern(phrases, language).finditer(view.text)]
    doubtful = [e for e in found if known and _consists_of(e, view, known, words(language, "function_words"))]
    names = [e for e in found if e.type == _NAME and e not in doubtful]
    names += [e for e in doubtful if _is_announced(e, view, language)]
    while beside := [e for e in doubtful if e not in names and _is_beside(e, names, view.text)]:
        names += beside
    return [e for e in found if e not in doubtful or e in names]


def _consists_of(entity: Entity, view: TextView, phrases: Sequence[tuple[int, int]], between: frozenset[str]) -> bool:
    """Whether an entity is a doubtful guess of a name, and consists of words of phrases and function words between."""
    sure = _SURE if any(start <= entity.start and entity.end <= end for start, end in phrases) else _SURE_OF_SEVERAL
    if entity.type != _NAME or entity.score >= sure or not entity.recognizer.startswith(GUESSES):
        return False
    known = {word.span() for start, end in phrases for word in WORD.finditer(view.text, start, end)}
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
    """Whether a title, an introduction, a label of names or a word for a person stands right before an entity."""
    before = view.lower[max(0, entity.start - _LONGEST_BEFORE) : entity.start]
    if is_introduced(view, entity.start) or _people(language).search(before) or _labels().search(folded(before)):
        return True
    ends = announcements_of(language).introductions(view)
    return any(end <= entity.start and _BEFORE_NAME.fullmatch(view.text, end, entity.start) for end in ends)


@lru_cache(maxsize=16)
def _people(language: str) -> re.Pattern[str]:
    """Words for people at the end of a text in small letters; those of English where a language has none."""
    listed = words(language, "introductions", "people") or words("en", "introductions", "people")
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(sorted(listed))}){_BEFORE_NAME.pattern}\Z")


@lru_cache(maxsize=1)
def _labels() -> re.Pattern[str]:
    """Labels of names at the end of a folded text."""
    listed = sorted(across("labels", _NAME), key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, listed))}){_BEFORE_NAME.pattern}\Z")


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
