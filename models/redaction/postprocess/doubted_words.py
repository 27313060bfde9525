"""Words of which speech recognition is not sure, right beside something personal: they are hidden with it.

Recognition breaks a value and is least sure where it does: "ML40" and "JJP", "1555" and "a", "Torvik" and "sen". A
word beside a value that reads as digits or letters needs little doubt, any other word much. Must NOT match: function
words, amounts and readings, and whatever recognition is sure of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.tokens import Token, Words, tokens_of
from models.redaction.lexicons.loader import words as listed
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.recognizers.filters.quantity_context import is_harmless, is_time_or_day
from models.text import Entity, Recognition

NUMBER_BAR: Final = 0.9
"""A number, a letter or a group of capitals below this confidence is in doubt."""

WORD_BAR: Final = 0.1
"""Any other word below this confidence is in doubt. Both bars are found in docs/evaluation/constants, "doubted-words".
"""

TEXT_BAR: Final = 0.7
"""A text below this confidence is in doubt as a whole. Found in docs/evaluation/constants, "doubted-texts"."""

_LEAST_DIGITS: Final = 2

_MOST_WORDS: Final = 3
"""Most words that are added at each side."""

_MOST_CAPITALS: Final = 4


def with_doubted_words(
    view: TextView, found: Iterable[Entity], recognition: Recognition, language: str
) -> Iterator[Entity]:
    """The entities that have doubted words beside them, with those words. They overlap what they were made of."""
    if not recognition.words:
        return
    tokens = [token for token in tokens_of(view.text) if token.text[0].isalnum()]
    words, harmless = Words(tokens, lexicon_for(language)), listed(language, "function_words")
    doubted = [
        token.text not in harmless
        and recognition.confidence_in(token.start, token.end) < _bar(token, words)
        and not is_harmless(view, token.start, token.end)
        for token in tokens
    ]
    for entity in found:
        first = sum(token.end <= entity.start for token in tokens)
        last = sum(token.start < entity.end for token in tokens)
        start, end = _grown_back(doubted, first), _grown(doubted, last)
        if (start, end) != (first, last):
            yield _over(entity, tokens[start:end])


def _bar(token: Token, words: Words) -> float:
    capitals = token.shape.isupper() and len(token.shape) <= _MOST_CAPITALS
    return NUMBER_BAR if capitals or has_digit(token.text) or words.atom(token) else WORD_BAR


def _grown(doubted: Sequence[bool], end: int) -> int:
    reach = min(len(doubted), end + _MOST_WORDS)
    return next((at for at in range(end, reach) if not doubted[at]), reach)


def _grown_back(doubted: Sequence[bool], start: int) -> int:
    reach = max(0, start - _MOST_WORDS)
    return next((at + 1 for at in range(start - 1, reach - 1, -1) if not doubted[at]), reach)


def _over(entity: Entity, tokens: Sequence[Token]) -> Entity:
    return replace(entity, start=min(entity.start, tokens[0].start), end=max(entity.end, tokens[-1].end))


def has_doubted_number(
    view: TextView,
    hidden: Sequence[Entity],
    recognition: Recognition,
    language: str,
    codes: Sequence[tuple[int, int]] = (),
) -> bool:
    """Whether recognition doubts the text as a whole, and a number of two digits or more that nothing explains is left.

    Args:
        view: The text.
        hidden: Its entities.
        recognition: How sure recognition is of it.
        language: ISO 639-1 code.
        codes: Where codes stand that the flow knows. Recognition is rarely sure of a code, and one that was misheard
            seldom has the letters of the format.
    """
    if recognition.confidence >= TEXT_BAR:
        return False
    tokens = [token for token in tokens_of(view.text) if token.text[0].isalnum()]
    words = Words(tokens, lexicon_for(language))
    explained = [*codes, *((entity.start, entity.end) for entity in hidden)]
    named = {token: words.digits(token) for token in tokens if not _is_in(token, explained)}
    for is_number, run in groupby(tokens, lambda token: bool(named.get(token))):
        number = list(run)
        start, end = number[0].start, number[-1].end
        harmless = is_harmless(view, start, end) or is_time_or_day(view, start, end)
        if is_number and not harmless and sum(len(named[token]) for token in number) >= _LEAST_DIGITS:
            return True
    return False


def _is_in(token: Token, spans: Iterable[tuple[int, int]]) -> bool:
    return any(start < token.end and token.start < end for start, end in spans)
