"""What a speech engine takes and gives."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.text import RawText, RedactedText

SAMPLE_RATE_HZ = 16_000

Samples = npt.NDArray[np.float32]
"""Mono audio at ``SAMPLE_RATE_HZ``, shape (n,), values in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How to listen to one clip.

    Attributes:
        language: ISO 639-1 code, or None to detect it.
        vocabulary: Words to expect, site names and the like.
        word_times: Whether the caller needs times of single words.
        beam_size: 1 is greedy.
        everything: Listen to all of it, also where the detector thinks that nobody speaks.
        quick: One look is enough, for what is asked again in a moment.
        stop: Once it is set nobody waits for the answer any more.
    """

    language: str | None = None
    vocabulary: tuple[str, ...] = ()
    word_times: bool = False
    beam_size: int = 1
    everything: bool = False
    quick: bool = False
    stop: threading.Event | None = None


class Abandoned(Exception):
    """Nobody waits for the answer any more. Never leaves the worker, whose caller is gone."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its time in seconds from the clip's start, and the engine's confidence in [0, 1]."""

    text: RawText
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class RedactedWord:
    """A word, or all that one tag covers.

    Attributes:
        text: With the marks that stick to it.
        start_s: In seconds, from where the transcript counts.
        end_s: Likewise; never before ``start_s``.
        confidence: 0 to 1; of a tag that of its least sure word.
    """

    text: RedactedText
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech with times in seconds from the clip's start.

    Attributes:
        confidence: exp of the mean log-probability of its tokens, in [0, 1].
    """

    text: RawText
    start_s: float
    end_s: float
    confidence: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard in one clip.

    Attributes:
        audio_s: Length of the clip.
        compute_s: Time the engine spent, loading and decoding of the container excluded.
        language_probability: How sure the detection of the language was; 1 when it was given.
    """

    segments: tuple[Segment, ...]
    language: str
    audio_s: float
    compute_s: float
    notes: tuple[str, ...] = field(default=())
    language_probability: float = 1.0

    @property
    def text(self) -> RawText:
        """All segments, joined by single spaces."""
        return RawText(" ".join(s.text.reveal().strip() for s in self.segments).strip())


class SpeechEngine(Protocol):
    """Speech to text on local weights."""

    @property
    def name(self) -> str:
        """``ctranslate2`` or ``openai-whisper``."""
        ...

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        ...

    @property
    def at_once(self) -> int:
        """How many calls it works on at the same time; more must not be made."""
        ...

    def transcribe(self, samples: Samples, options: SpeechOptions) -> Transcript:
        """Recognise one clip of any length.

        Raises:
            NoSpeech: Nobody speaks in it.
            Abandoned: ``options.stop`` was set.
        """
        ...
