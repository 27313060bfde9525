"""The other mentions of a spoken name or e-mail address, where recognition wrote them in another way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from models.redaction.itn.tokens import Token
from models.redaction.slots.entities import words_in
from models.redaction.slots.sounds import SoundIndex, Sounding, letters_alike
from models.redaction.slots.spoken_words import SpokenWords
from models.text import Entity

_TYPES: Final = ("NAME", "EMAIL")
_LEAST_LETTERS: Final = 6
"""Shorter words are like each other by chance: "punto" and "junto"."""

_ALIKE: Final = 0.75
_SUSPECTED: Final = 0.003
"""Least share of letters in common, and least probability of being personal by the tagger, without which the plumber of
Ms Plummer would go. See docs/evaluation/constants/redaction.md, misheard-mentions.
"""


def misheard_mentions(text: SpokenWords, found: Sequence[Entity]) -> Iterator[Entity]:
    """The words that sound like a word of a name or of an e-mail address that was found, and are written like it.

    Who corrects a name says it twice, and recognition rarely writes it twice in the same way: "Grimtarsdahl, no wait,
    Grintarstal". Where one was found and the other was not, both are the name.
    """
    known = {word: entity for entity in found if entity.type in _TYPES for word in _long_words(text, entity)}
    if not known:
        return
    index = SoundIndex((Sounding.of(word), word) for word in known)
    covered = {at for entity in found for at in range(text.at(entity.start), text.at(entity.end))}
    for at, token in enumerate(text.tokens):
        if at in covered or not _is_long(token.text) or not text.is_plain(at):
            continue
        like = index.alike(token.text)
        if like and letters_alike(like, token.text) >= _ALIKE and _is_suspected(text, token):
            yield Entity(known[like].type, token.start, token.end, known[like].score, "misheard_mention")


def _is_suspected(text: SpokenWords, token: Token) -> bool:
    return max((word.personal for word in words_in(text.tagged, token.start, token.end)), default=1.0) >= _SUSPECTED


def _long_words(text: SpokenWords, entity: Entity) -> Iterator[str]:
    tokens = text.tokens[text.at(entity.start) : text.at(entity.end)]
    return (token.text for token in tokens if _is_long(token.text))


def _is_long(word: str) -> bool:
    return len(word) >= _LEAST_LETTERS and word.isalpha()
