"""Checks that no partial of an utterance shows what its final hides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from server.cli.demo.alignment import Slot, Token, Unit, align, tokens_of
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


def readable_in_partials(utterance: Utterance) -> list[str]:
    """What stands in a partial in the place of a tag of the final: three digits or a word of four letters at least."""
    final = tokens_of(utterance.final)
    said = [Slot(token.tag, frozenset()) if token.tag else token for token in final]
    kept = frozenset(token.text for token in final)
    found = [text for partial in utterance.partials for text in _readable(partial, said, kept)]
    return list(dict.fromkeys(found))


def _readable(partial: str, said: list[Unit], kept: frozenset[str]) -> list[str]:
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
            found += [t.text for t in tokens if len(t.text) >= LEAST_LETTERS and t.text not in kept | FILLER]
    return found
