"""Scores a hypothesis: whether it is a loop, whether it needs another decoding pass, whether it is silence."""

from __future__ import annotations

import itertools
import math
import re
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.speech.types import Word
from models.text import RawText, Recognition, RecognizedWord


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a model decoded in one window. Its text is raw, so it stays inside the engine.

    Attributes:
        text: The hypothesis.
        language: ISO 639-1 code, as given or as detected.
        language_probability: Of the detection; 1 when it was given.
        mean_logprob: Mean log-probability of its tokens.
        no_speech: The model's probability that nobody speaks; may be 0 where ``needs_no_speech`` is false.
        words: With times in seconds from the window's start, if requested.
        rated: The words of the text with their confidences.
        others: Texts of other decoding passes.
        first_token: Probabilities of the first token, shape (vocabulary,), if requested.
    """

    text: str
    language: str
    mean_logprob: float
    no_speech: float
    words: tuple[Word, ...] = ()
    rated: tuple[RecognizedWord, ...] = ()
    others: tuple[str, ...] = ()
    language_probability: float = 1.0
    first_token: npt.NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        return (
            f"Hypothesis(<{len(self.text)} characters>, {self.language}, {self.mean_logprob:.2f}, {self.no_speech:.2f})"
        )


@dataclass(frozen=True, slots=True)
class HypothesisThresholds:
    """Thresholds.

    Attributes:
        compression: A text with a higher compression ratio is a loop. Whisper uses 2.4 on 30 s.
        mean_logprob: A hypothesis below it gets another decoding pass. Whisper uses -1; see docs/evaluation/constants,
            "doubtful-hypotheses".
        spelled_logprob: One in which every character counts, as in a spelled name, gets another pass already below
            this; see docs/evaluation/constants, "spelled-names".
        silent_no_speech: A hypothesis is silence when the model's probability of no speech is at least this ...
        silent_logprob: ... and its mean log-probability is below this. Both are Whisper's.
        sure_speech: When a frame of the window has at least this probability of speech, ...
        sure_speech_logprob: ... the mean log-probability must be below this instead; see docs/evaluation/constants,
            "sure-speech".
        low_speech: A hypothesis is also silence when no frame of the window has a higher probability of speech ...
        low_speech_logprob: ... and its mean log-probability is below this.
    """

    compression: float = 2.0
    mean_logprob: float = -1.3
    spelled_logprob: float = -0.4
    silent_no_speech: float = 0.6
    silent_logprob: float = -1.0
    sure_speech: float = 0.85
    sure_speech_logprob: float = -1.3
    low_speech: float = 0.6
    low_speech_logprob: float = -0.9


DEFAULT_THRESHOLDS = HypothesisThresholds()

_FEW_FIGURES = 2
"""Many a sentence has so many figures, as an age or an hour has."""


def compression_ratio(text: str) -> float:
    """Characters of the text divided by its bytes after zlib; 0 for an empty text.

    Each character counts as one byte. In UTF-8 two of the three bytes of a Devanagari letter are nearly always the
    same, so that any Hindi text would look like a loop.
    """
    raw = bytes(ord(character) & 0xFF for character in text)
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def repeats(hypothesis: Hypothesis, thresholds: HypothesisThresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether the text is a loop."""
    return compression_ratio(hypothesis.text) > thresholds.compression


def doubtful(hypothesis: Hypothesis, thresholds: HypothesisThresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether it needs another decoding pass."""
    return repeats(hypothesis, thresholds) or hypothesis.mean_logprob < thresholds.mean_logprob


def doubtful_spelling(hypothesis: Hypothesis, thresholds: HypothesisThresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether it is a spelled word or a number, and not certain.

    A wrong letter of a sentence is often harmless, but not one of a spelled name.
    """
    text = hypothesis.text
    # "J-E-F", "KU and TZ" and "SWARTZ", but neither "Jeff" nor a sentence with "I" or "I'm".
    capitals = {
        letter
        for letter, after in itertools.pairwise(f"{text} ")
        if letter.isupper() and not after.islower() and after not in "'\u2019"
    }
    spelled = len(capitals) > 1 or sum(character.isdecimal() for character in text) > _FEW_FIGURES
    return spelled and hypothesis.mean_logprob < thresholds.spelled_logprob


def better(first: Hypothesis, second: Hypothesis, thresholds: HypothesisThresholds = DEFAULT_THRESHOLDS) -> Hypothesis:
    """The one that is no loop, else the more probable one."""

    def rank(one: Hypothesis) -> tuple[bool, float]:
        return not repeats(one, thresholds), one.mean_logprob

    return max(first, second, key=rank)


def needs_no_speech(mean_logprob: float, thresholds: HypothesisThresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether the model's probability of no speech can make a hypothesis silence."""
    return mean_logprob < thresholds.silent_logprob


def silent(
    hypothesis: Hypothesis, speech_probability: float, thresholds: HypothesisThresholds = DEFAULT_THRESHOLDS
) -> bool:
    """Whether nobody speaks in the window, so that the hypothesis is to be dropped.

    Args:
        hypothesis: Of the window.
        speech_probability: The VAD's highest probability of speech in the window.
        thresholds: Thresholds.
    """
    if not any(c.isalnum() for c in hypothesis.text):
        return True
    sure = speech_probability >= thresholds.sure_speech
    silent_below = thresholds.sure_speech_logprob if sure else thresholds.silent_logprob
    if hypothesis.mean_logprob < silent_below and hypothesis.no_speech >= thresholds.silent_no_speech:
        return True
    return speech_probability < thresholds.low_speech and hypothesis.mean_logprob < thresholds.low_speech_logprob


# A phone number may repeat a digit four times, and somebody may say "no, no, no, no", but not eight times.
_REPEATED_WORD = re.compile(r"(?P<word>\b\w+\b)(?:[^\w]+(?P=word)\b){7,}", re.IGNORECASE)
_REPEATED_PHRASE = re.compile(r"(?P<phrase>\b\w+(?:[^\w]+\w+){1,11}?)\b(?:[^\w]+(?P=phrase)\b){5,}", re.IGNORECASE)
_REPEATED_CHARACTERS = re.compile(r"(?P<part>\S{1,8}?)(?P=part){11,}")


def cut_loops(text: str) -> str:
    """Keep one copy of what a model repeats without end."""
    text = _REPEATED_WORD.sub(lambda m: m["word"], text)
    text = _REPEATED_PHRASE.sub(lambda m: m["phrase"], text)
    return _REPEATED_CHARACTERS.sub(lambda m: m["part"], text).strip()


def recognized(hypothesis: Hypothesis) -> RawText:
    """The text without loops, with the confidences of its words and the texts of the other passes.

    Where a loop was cut, the words after it have no confidence.
    """
    text = cut_loops(hypothesis.text)
    words = tuple(w for w in hypothesis.rated if text[: w.end] == hypothesis.text[: w.end])
    others = tuple(RawText(cut_loops(other)) for other in hypothesis.others)
    return RawText(text, Recognition(words, others, math.exp(min(0.0, hypothesis.mean_logprob))))
