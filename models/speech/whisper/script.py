"""Languages that Whisper base writes in the letters of another one unless it is kept from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class ScriptRules:
    """How a language is written, and what helps the model to write it.

    Ten Hindi clips had CER 1.63 as they come and 0.74 with a hint; 0.65 when loops are judged by letters, 0.54 in
    letters of its own with a beam, 0.46 when it may not repeat itself freely. Six that none of this was tried on had
    0.82 with the hint and 0.51 in the end.

    Attributes:
        hint: Text in the language that comes before the transcript as far as the model knows.
        own: A class of characters: its letters and marks.
        beam_size: Hypotheses that are kept; greedy decoding takes the first of many likely pieces of a letter.
        repetition_penalty: Divides the odds of what was written already.
    """

    hint: str
    own: str
    beam_size: int
    repetition_penalty: float

    @cached_property
    def _own(self) -> re.Pattern[str]:
        return re.compile(f"[{self.own}]")

    def is_foreign(self, text: str) -> bool:
        """Whether a letter of another language is in the text."""
        return any(not self._own.match(letter) for letter in _LETTER.findall(text))

    def foreign_tokens(self, count: int, decode: Callable[[list[int]], str]) -> list[int]:
        """Of the first ``count`` tokens those that a transcript may not hold; pieces of letters are not among them."""
        return [token for token in range(count) if self.is_foreign(decode([token]))]

    def allows(self, vocabulary: Sequence[str]) -> bool:
        """Whether words that somebody expects can be written in it."""
        return not any(self.is_foreign(word) for word in vocabulary)


SCRIPTS = {
    "hi": ScriptRules("नमस्ते, आप कैसे हैं? मैं ठीक हूँ।", "\u0900-\u097f", beam_size=5, repetition_penalty=1.1),
}
"""By ISO 639-1 code."""


def prompt_before(language: str | None, vocabulary: tuple[str, ...]) -> str:
    """Text to pretend that was said before: a hint at the letters, and words to expect. Empty for none."""
    writing = SCRIPTS.get(language or "")
    return " ".join(part for part in (writing.hint if writing else "", ", ".join(vocabulary)) if part)
