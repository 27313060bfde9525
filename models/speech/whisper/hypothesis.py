"""What to make of a hypothesis: does it repeat itself, is it worth a second look, did anybody speak at all."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.speech.types import Word


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One window as a model heard it. Raw text: it stays inside the engine.

    Attributes:
        text: The hypothesis.
        language: ISO 639-1 code, as given or as detected.
        language_probability: Of the detection; 1 when it was given.
        mean_logprob: Mean log-probability of its tokens.
        no_speech: The model's probability that nobody speaks; may be 0 where ``may_be_silent`` is false.
        words: With times in seconds from the window's start, when they were asked for.
        first_token: Probabilities of the first token, shape (vocabulary,), when they were asked for.
    """

    text: str
    language: str
    mean_logprob: float
    no_speech: float
    words: tuple[Word, ...] = ()
    language_probability: float = 1.0
    first_token: npt.NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        return f"Heard(<{len(self.text)} characters>, {self.language}, {self.mean_logprob:.2f}, {self.no_speech:.2f})"


@dataclass(frozen=True, slots=True)
class HypothesisThresholds:
    """Thresholds.

    Attributes:
        compression: Text that zlib makes smaller by more than this repeats itself. Whisper itself uses 2.4 on 30 s.
        mean_logprob: Below it, a hypothesis is worth a second look. Whisper itself uses -1, with which 39 clips of
            learners took a third more time and had no fewer words wrong.
        silent_no_speech: Nobody speaks when the model says so with at least this probability ...
        silent_logprob: ... and its hypothesis is below this; both are Whisper's.
        faint_vad: In a window that the detector doubts all along (no frame above this) ...
        faint_logprob: ... a hypothesis has to be better than this to be believed.
    """

    compression: float = 2.0
    mean_logprob: float = -1.3
    silent_no_speech: float = 0.6
    silent_logprob: float = -1.0
    faint_vad: float = 0.6
    faint_logprob: float = -0.9


DEFAULT_THRESHOLDS = HypothesisThresholds()


def compression_ratio(text: str) -> float:
    """Characters of the text over bytes that zlib makes of it; 0 for none.

    One byte stands for each: of the three that UTF-8 has for a letter of Devanagari two are nearly always the same, and
    any text in it would look like a loop.
    """
    raw = bytes(ord(character) & 0xFF for character in text)
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def repeats(heard: Hypothesis, rules: HypothesisThresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether the model ran into a loop."""
    return compression_ratio(heard.text) > rules.compression


def doubtful(heard: Hypothesis, rules: HypothesisThresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether a second decode with more effort is worth its time."""
    return repeats(heard, rules) or heard.mean_logprob < rules.mean_logprob


def better(first: Hypothesis, second: Hypothesis, rules: HypothesisThresholds = DEFAULT_THRESHOLDS) -> Hypothesis:
    """The one that does not repeat itself, else the likelier one."""

    def rank(heard: Hypothesis) -> tuple[bool, float]:
        return not repeats(heard, rules), heard.mean_logprob

    return max(first, second, key=rank)


def may_be_silent(mean_logprob: float, rules: HypothesisThresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether the model's probability that nobody speaks matters."""
    return mean_logprob < rules.silent_logprob


def silent(heard: Hypothesis, loudest: float, rules: HypothesisThresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether a hypothesis is about nothing.

    Args:
        heard: The hypothesis.
        loudest: The highest probability of speech in the window, as the detector gives it.
        rules: Thresholds.
    """
    if not any(c.isalnum() for c in heard.text):
        return True
    if may_be_silent(heard.mean_logprob, rules) and heard.no_speech >= rules.silent_no_speech:
        return True
    return loudest < rules.faint_vad and heard.mean_logprob < rules.faint_logprob


# A phone number may hold the same digit four times, and somebody may say "no, no, no, no"; nobody says it eight times.
_REPEATED_WORD = re.compile(r"(?P<word>\b\w+\b)(?:[^\w]+(?P=word)\b){7,}", re.IGNORECASE)
_REPEATED_PHRASE = re.compile(r"(?P<phrase>\b\w+(?:[^\w]+\w+){1,11}?)\b(?:[^\w]+(?P=phrase)\b){5,}", re.IGNORECASE)
_REPEATED_CHARACTERS = re.compile(r"(?P<part>\S{1,8}?)(?P=part){11,}")


def cut_loops(text: str) -> str:
    """Keep one turn of what a model repeats without end."""
    text = _REPEATED_WORD.sub(lambda m: m["word"], text)
    text = _REPEATED_PHRASE.sub(lambda m: m["phrase"], text)
    return _REPEATED_CHARACTERS.sub(lambda m: m["part"], text).strip()
