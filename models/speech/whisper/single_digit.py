"""A single spoken digit, which Whisper alone hears badly: it was trained on half minutes, and hears "Bye." for "five".

What the model thinks of the first token decides. Of 98 spoken digits of 0.2 to 0.7 s at 8 kHz, the likeliest digit is
right in 96, and 92 give at least a fiftieth of that token to the digits; of 164 other words cut out of sentences none
gives them more than a sixtieth. Free decoding gets 70 of the 98.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.speech.whisper.hypothesis import Hypothesis

Probabilities = npt.NDArray[np.float32]
"""Of the first token of a transcript, shape (vocabulary,)."""

SHORT_S = 0.8
"""A clip that is no longer holds one word, whatever was heard: no room for padding and two words."""
LONGEST_S = 1.5
"""A longer one is not looked at; up to here the hypothesis must be one word."""
LEAST_SHARE = 0.02
"""Of the first token that must go to the digits."""

_WORDS = {
    "en": "zero one two three four five six seven eight nine",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "pt": "zero um dois três quatro cinco seis sete oito nove",
    "hi": "शून्य एक दो तीन चार पांच छह सात आठ नौ",
}
_WORD = re.compile(r"\d|[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class DigitTokens:
    """Tokens that a transcript of one digit may begin with.

    Attributes:
        of: For each digit from 0 to 9.
        words: The digit that a lower-case word or a figure stands for.
    """

    of: tuple[tuple[int, ...], ...]
    words: dict[str, str]

    @classmethod
    def of_language(cls, language: str, ids: Callable[[str], list[int]]) -> DigitTokens:
        """Those of a language; without a list of its words the figures alone.

        Args:
            language: ISO 639-1 code.
            ids: Tokens of a text, without special ones.
        """
        names = _WORDS.get(language, "0 1 2 3 4 5 6 7 8 9").split()
        words = {name: str(n) for n, name in enumerate(names)} | {str(n): str(n) for n in range(10)}
        return cls(tuple(_single(_forms(name, n), ids) for n, name in enumerate(names)), words)

    def heard(self, text: str) -> set[str]:
        """Digits in a hypothesis."""
        return {self.words[word] for word in _WORD.findall(text.lower()) if word in self.words}


def as_digit(heard: Hypothesis, length_s: float, tokens: DigitTokens) -> Hypothesis:
    """The hypothesis, or the one digit that was said instead of it.

    Args:
        heard: With ``first_token``; without, it is given back.
        length_s: Of the clip.
        tokens: Of the language that was heard.
    """
    if heard.first_token is None or length_s > LONGEST_S or len(tokens.heard(heard.text)) > 1:
        return heard
    if length_s > SHORT_S and len(heard.text.split()) > 1:
        return heard
    shares = [float(heard.first_token[list(of)].sum()) for of in tokens.of]
    digit = int(np.argmax(shares))
    if sum(shares) < LEAST_SHARE:
        return heard
    likely = math.log(max(shares[digit] / sum(shares), 1e-6))
    return replace(heard, text=str(digit), mean_logprob=max(heard.mean_logprob, likely))


def _forms(name: str, digit: int) -> Iterable[str]:
    for form in (name, name.capitalize(), str(digit)):
        yield form
        yield f" {form}"


def _single(forms: Iterable[str], ids: Callable[[str], list[int]]) -> tuple[int, ...]:
    """Forms that are one token; others share theirs with words that are no digits."""
    return tuple(sorted({tokens[0] for form in forms if len(tokens := ids(form)) == 1}))
