"""Recognises a clip that holds one spoken digit.

Whisper was trained on 30 s and writes "Bye." for a short "five". The probabilities of the first token still show the
digit. They move when nothing but the edges of a clip changes, so where they do not decide, changed copies of the clip
are decoded too, and the means count. Found in docs/evaluation/constants, "single-digits".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.whisper.hypothesis import Hypothesis
from models.text import RecognizedWord

Probabilities = npt.NDArray[np.float32]
"""Of the first token of a transcript, shape (vocabulary,)."""

ONE_WORD_S = 0.8
"""A clip of at most this length holds one word, whatever the hypothesis says."""
MAX_DIGIT_S = 1.5
"""Longer clips are left alone. Up to this length the hypothesis must be one word."""
MIN_DIGIT_PROBABILITY = 0.02
"""Least probability that the first token is a digit."""
MIN_MEAN_PROBABILITY = 0.007
"""The same for the mean over a clip and its copies."""
_UNDECIDED = (0.0015, 0.05)
"""Between these probabilities of a digit, copies are decoded too."""

_FADE_SAMPLES = 15 * SAMPLE_RATE_HZ // 1000
_NOISE_SAMPLES = (3 * SAMPLE_RATE_HZ // 10, SAMPLE_RATE_HZ // 2)
"""Before and after the clip."""
_NOISE_LEVEL = 10 ** (-35 / 20)
"""Of the clip's own level."""

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
    """Tokens that a transcript of one digit may start with.

    Attributes:
        of: For each digit from 0 to 9.
        words: The digit of each lower-case word or figure.
    """

    of: tuple[tuple[int, ...], ...]
    words: dict[str, str]

    @classmethod
    def of_language(cls, language: str, ids: Callable[[str], list[int]]) -> DigitTokens:
        """Those of a language; figures only when its words are not listed.

        Args:
            language: ISO 639-1 code.
            ids: Tokens of a text, without special ones.
        """
        names = _WORDS.get(language, "0 1 2 3 4 5 6 7 8 9").split()
        words = {name: str(n) for n, name in enumerate(names)} | {str(n): str(n) for n in range(10)}
        return cls(tuple(_single(_forms(name, n), ids) for n, name in enumerate(names)), words)

    def probabilities(self, first_token: Probabilities) -> list[float]:
        """That the first token is each digit, from 0 to 9."""
        return [float(first_token[list(of)].sum()) for of in self.of]

    def digits_in(self, text: str) -> set[str]:
        """The different digits in a text."""
        return {self.words[word] for word in _WORD.findall(text.lower()) if word in self.words}


def undecided(hypothesis: Hypothesis, length_s: float, tokens: DigitTokens) -> bool:
    """Whether ``copies`` of the clip should be decoded too.

    Args:
        hypothesis: Of the clip itself.
        length_s: Of the clip.
        tokens: Of the language of the hypothesis.
    """
    if hypothesis.first_token is None or length_s > ONE_WORD_S:
        return False
    least, most = _UNDECIDED
    return least <= sum(tokens.probabilities(hypothesis.first_token)) < most


def copies(samples: Samples) -> tuple[Samples, Samples]:
    """The clip with soft edges, and the clip between soft noise instead of digital silence. Always the same."""
    count = min(_FADE_SAMPLES, len(samples) // 2)
    fade = np.ones(len(samples), np.float32)
    fade[:count] = 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / max(count, 1))
    level = _NOISE_LEVEL * float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
    random = np.random.RandomState(0)
    before, after = (level * random.standard_normal(length).astype(np.float32) for length in _NOISE_SAMPLES)
    return samples * fade * fade[::-1], np.concatenate([before, samples, after])


def averaged(hypothesis: Hypothesis, others: Sequence[Hypothesis]) -> Hypothesis:
    """The hypothesis with the mean probabilities of its first token over hypotheses of copies."""
    found = [one.first_token for one in (hypothesis, *others) if one.first_token is not None]
    return replace(hypothesis, first_token=np.mean(found, axis=0, dtype=np.float32)) if found else hypothesis


def as_digit(
    hypothesis: Hypothesis, length_s: float, tokens: DigitTokens, least: float = MIN_DIGIT_PROBABILITY
) -> Hypothesis:
    """The hypothesis, or the digit that was said instead of it.

    Args:
        hypothesis: It is returned as it is when it has no ``first_token``.
        length_s: Of the clip.
        tokens: Of the language of the hypothesis.
        least: Probability that the first token is a digit, below which the hypothesis is returned as it is.
    """
    if hypothesis.first_token is None or length_s > MAX_DIGIT_S or len(tokens.digits_in(hypothesis.text)) > 1:
        return hypothesis
    if length_s > ONE_WORD_S and len(hypothesis.text.split()) > 1:
        return hypothesis
    probabilities = tokens.probabilities(hypothesis.first_token)
    digit = int(np.argmax(probabilities))
    if sum(probabilities) < least:
        return hypothesis
    likely = math.log(max(probabilities[digit] / sum(probabilities), 1e-6))
    rated = (RecognizedWord(0, 1, math.exp(likely)),)
    return replace(hypothesis, text=str(digit), mean_logprob=max(hypothesis.mean_logprob, likely), rated=rated)


def _forms(name: str, digit: int) -> Iterable[str]:
    for form in (name, name.capitalize(), str(digit)):
        yield form
        yield f" {form}"


def _single(forms: Iterable[str], ids: Callable[[str], list[int]]) -> tuple[int, ...]:
    """The forms that are a single token. The first token of a longer form may start other words."""
    return tuple(sorted({tokens[0] for form in forms if len(tokens := ids(form)) == 1}))
