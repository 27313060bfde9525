"""What the flow of a session says itself: words that name nobody, and codes of things."""

from __future__ import annotations

from dataclasses import dataclass


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
