"""Languages that Whisper base would write in another script, and what prevents it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class ScriptRules:
    """The script of a language, and how to decode it. Found in docs/evaluation/constants, "scripts".

    Attributes:
        hint: Text in the language that is given to the model as the previous transcript.
        letters: A regular expression's class of characters: its letters and marks.
        beam_size: Number of hypotheses. Greedy decoding would take the first of many likely parts of a letter.
        repetition_penalty: Divides the odds of tokens that were already written.
    """

    hint: str
    letters: str
    beam_size: int
    repetition_penalty: float

    @cached_property
    def _letter(self) -> re.Pattern[str]:
        return re.compile(f"[{self.letters}]")

    def is_foreign(self, text: str) -> bool:
        """Whether the text has a letter of another script."""
        return any(not self._letter.match(letter) for letter in _LETTER.findall(text))

    def foreign_tokens(self, count: int, decode: Callable[[list[int]], str]) -> list[int]:
        """The tokens below ``count`` that have letters of another script. Parts of letters are not among them."""
        return [token for token in range(count) if self.is_foreign(decode([token]))]

    def allows(self, vocabulary: Sequence[str]) -> bool:
        """Whether the expected words can be written in this script."""
        return not any(self.is_foreign(word) for word in vocabulary)


SCRIPTS = {
    "hi": ScriptRules("नमस्ते, आप कैसे हैं? मैं ठीक हूँ।", "\u0900-\u097f", beam_size=5, repetition_penalty=1.1),
}
"""By ISO 639-1 code."""


def initial_prompt(language: str | None, vocabulary: tuple[str, ...]) -> str:
    """Text that is given to the model as the previous transcript: the hint of the script, and expected words."""
    script = SCRIPTS.get(language or "")
    return " ".join(part for part in (script.hint if script else "", ", ".join(vocabulary)) if part)
