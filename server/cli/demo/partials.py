"""Checks that no partial of an utterance shows what its final hides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from server.cli.demo.alignment import ALIKE, Slot, Token, Unit, align, likeness, tokens_of
from server.cli.demo.planted import Medium
from server.cli.demo.replacements import FILLER, SPELLED_WORDS

LEAST_DIGITS: Final = 3
LEAST_LETTERS: Final = 4


@dataclass(slots=True)
class Utterance:
    """The redacted texts of one utterance.

    Attributes:
        final: Empty until it came.
        partials: In the order in which they came.
    """

    final: str = ""
    partials: list[str] = field(default_factory=list)


def readable_in_partials(utterance: Utterance, medium: Medium) -> list[str]:
    """What stands in a partial in the place of a tag of the final: three digits or a word of four letters at least.

    Harmless text of the medium does not count, because a final may hide more than it must.
    """
    final = tokens_of(utterance.final)
    said = [Slot(token.tag, frozenset()) if token.tag else token for token in final]
    kept = frozenset(token.text for token in final) | FILLER
    harmless = [token for text in medium.harmless for token in tokens_of(text)]
    found = [
        text
        for partial in utterance.partials
        for text in _readable(partial, said)
        if text not in kept and not _is_harmless(text, harmless, medium)
    ]
    return list(dict.fromkeys(found))


def _readable(partial: str, said: list[Unit]) -> list[str]:
    heard = tokens_of(partial)
    places: dict[int, list[Token]] = {}
    for token, owner in zip(heard, align(said, heard, unfinished=True), strict=True):
        if owner is not None and isinstance(said[owner], Slot) and not token.tag:
            places.setdefault(owner, []).append(token)
    found: list[str] = []
    for owner, tokens in places.items():
        slot = said[owner]
        digits = "".join(token.text for token in tokens if token.is_digit)
        found += [digits] * (len(digits) >= LEAST_DIGITS)
        if isinstance(slot, Slot) and slot.type in SPELLED_WORDS:
            found += [token.text for token in tokens if len(token.text) >= LEAST_LETTERS]
    return found


def _is_harmless(text: str, harmless: Sequence[Token], medium: Medium) -> bool:
    if text.isdigit():
        return text in "".join(token.text if token.is_digit else " " for token in harmless)
    personal = [token for value in medium.values for token in tokens_of(f"{value.value} {value.spoken}")]
    return _likest(text, harmless) >= max(ALIKE, _likest(text, personal))


def _likest(text: str, tokens: Sequence[Token]) -> float:
    return max((likeness(token.text, text) for token in tokens if not token.is_digit), default=0.0)
