"""Finds in one pass over a text which of many expressions may match in it, by the literals that each requires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import re2


class LiteralSearch:
    """An automaton for the required literals of many expressions. Safe to use from several threads.

    Args:
        literals: For each expression the literals of which every match contains one; empty if none are known.
    """

    def __init__(self, literals: Sequence[Sequence[str]]) -> None:
        self._known: Final = [number for number, pieces in enumerate(literals) if pieces]
        self._unknown: Final = [number for number, pieces in enumerate(literals) if not pieces]
        self._automaton = re2.Set.SearchSet()
        for number in self._known:
            self._automaton.Add("|".join(map(re2.escape, literals[number])))
        # The empty string is in every text. If it is not among the matches, RE2 has failed, and every expression may
        # match.
        self._witness: Final = self._automaton.Add("")
        self._automaton.Compile()

    def may_match(self, keyed: str) -> list[int]:
        """The numbers of the expressions that may match, in order; ``keyed`` as in ``TextView``."""
        found = self._automaton.Match(keyed.encode("utf-8", "replace"))
        if not found or self._witness not in found:
            return sorted([*self._known, *self._unknown])
        return sorted([*self._unknown, *(self._known[place] for place in found if place != self._witness)])
