"""Input and output of a speech engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from models.cancellation import NEVER, Cancellation
from models.text import RawText, RedactedText

if TYPE_CHECKING:
    from models.media.samples import Samples  # with NumPy, which a process that only reads the ledger needs not


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How to transcribe one clip.

    Attributes:
        language: ISO 639-1 code, or None to detect it.
        vocabulary: Expected words, such as the names of sites.
        word_times: Whether to return the times of words.
        beam_size: 1 is greedy.
        everything: Transcribe all of the clip, also where the VAD finds no speech.
        quick: One decoding pass only, for a partial that is soon replaced.
        cancellation: Of the call.
    """

    language: str | None = None
    vocabulary: tuple[str, ...] = ()
    word_times: bool = False
    beam_size: int = 1
    everything: bool = False
    quick: bool = False
    cancellation: Cancellation = NEVER


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its time in seconds from the clip's start, and the engine's confidence in [0, 1]."""

    text: RawText
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class RedactedWord:
    """A word, or everything that one tag covers.

    Attributes:
        text: With its punctuation.
        start_s: Seconds from the transcript's start.
        end_s: Likewise; never before ``start_s``.
        confidence: 0 to 1; a tag has the lowest of its words.
    """

    text: RedactedText
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech with times in seconds from the clip's start.

    Attributes:
        text: With the confidences of its words.
        confidence: exp of the mean log-probability of its tokens, in [0, 1].
    """

    text: RawText
    start_s: float
    end_s: float
    confidence: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of one clip.

    Attributes:
        audio_s: Length of the clip.
        compute_s: Time of the engine, without loading of weights and decoding of the container.
        language_probability: Of the detected language; 1 when it was given.
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
        return RawText.join([s.text.stripped() for s in self.segments]).stripped()


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
        """Most calls at the same time."""
        ...

    def transcribe(self, samples: Samples, options: SpeechOptions) -> Transcript:
        """Transcribe one clip of any length.

        Raises:
            NoSpeech: Nobody speaks in it.
            Cancelled, DeadlineExceeded: As ``options.cancellation`` says.
        """
        ...
