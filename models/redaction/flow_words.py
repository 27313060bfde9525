"""What the flow of a session says itself: words that name nobody, and codes of things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CODE_MARKS: Final = ("-", "/", ".", " ")
"""Marks in codes."""

_BOUND: Final = re.compile(r"(?<=[A-Z])(?=\d)|(?<=\d)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class FlowWords:
    """The words and the codes of a flow. They hold whatever was asked, as long as the session lasts.

    Attributes:
        phrases: For each language of the flow, its labels, options, units and expected words, the first language first.
            A word that stands in such a phrase is no name because the classifier says so.
        code_formats: Regular expressions for codes of things, in capitals. Each asks for a letter and a digit.
    """

    phrases: tuple[tuple[str, frozenset[str]], ...] = ()
    code_formats: tuple[str, ...] = ()

    def phrases_in(self, language: str) -> frozenset[str]:
        """The phrases in a language; those of the first language where the flow does not have it.

        Args:
            language: ISO 639-1 code; a region is ignored.
        """
        by_language = dict(self.phrases)
        first = self.phrases[0][1] if self.phrases else frozenset[str]()
        return by_language.get(language[:2].lower(), first)


NO_FLOW_WORDS = FlowWords()


def spellings(code: str) -> Iterator[str]:
    """A code without marks in every way in which it may be written: with a mark between letters and digits, between two
    digits, or both. Recognition takes a pause for a mark, and leaves out marks that were not said.

    Args:
        code: Letters and digits.
    """
    for mark in ("", *CODE_MARKS):
        bounded = _BOUND.sub(mark, code)
        yield bounded
        for between in (mark,) if mark else CODE_MARKS:
            yield from (f"{bounded[:at]}{between}{bounded[at:]}" for at in _between_digits(bounded))


def _between_digits(code: str) -> Iterator[int]:
    return (at for at in range(1, len(code)) if code[at - 1].isdecimal() and code[at].isdecimal())
