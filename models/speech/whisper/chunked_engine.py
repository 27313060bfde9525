"""What both Whisper engines share: cut at pauses, listen to each window, look twice at doubtful ones, judge."""

from __future__ import annotations

import abc
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from models.errors import InvalidInput, NoSpeech
from models.reasons import Reason
from models.speech.endpointing.chunking import Span, Window, cut_windows
from models.speech.endpointing.policy import DEFAULT_POLICY, WindowPolicy
from models.speech.endpointing.silero_vad import Vad
from models.speech.types import SAMPLE_RATE_HZ, Abandoned, Samples, Segment, SpeechOptions, Transcript, Word
from models.speech.whisper.hypothesis import Hypothesis, better, cut_loops, doubtful, repeats, silent
from models.speech.whisper.single_digit import LONGEST_S, DigitTokens, as_digit
from models.text import RawText

_SHORT_SAMPLES = 2 * SAMPLE_RATE_HZ
"""A window of a word or two. More effort makes these worse, unless they repeat themselves: 100 spoken digits had CER
1.73 at the first look and 2.57 with a context of 30 s, where Whisper hears "Thank you." in the silence."""

_LEAD_SAMPLES = 3 * SAMPLE_RATE_HZ // 10
"""Silence put before short windows; it took the same digits from CER 1.73 to 1.50."""


@dataclass(frozen=True, slots=True)
class DecodingRequest:
    """How to listen to one window.

    Attributes:
        options: What the caller wants.
        language: Known by now, or None.
        effort: 0 for the first look, more for each further one.
        first_token: Whether the probabilities of the first token are wanted.
    """

    options: SpeechOptions
    language: str | None
    effort: int = 0
    first_token: bool = False

    def go_on(self) -> None:
        """Called between the parts of the work.

        Raises:
            Abandoned: Nobody waits for the answer any more.
        """
        if self.options.stop is not None and self.options.stop.is_set():
            raise Abandoned


class ChunkedEngine(abc.ABC):
    """A Whisper engine for clips of any length. Subclasses hear one window of at most 30 s.

    Args:
        vad: Tells where somebody speaks.
        policy: How recordings are cut.
        at_once: How many windows of one clip are heard at the same time, and how many calls there may be at once.
        clock: Seconds, monotonic.
    """

    efforts: int = 1
    """How many different looks a subclass offers."""

    def __init__(
        self,
        vad: Vad,
        policy: WindowPolicy = DEFAULT_POLICY.windows,
        at_once: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._vad = vad
        self._policy = policy
        self._at_once = at_once
        self._places = threading.BoundedSemaphore(at_once)
        self._others = ThreadPoolExecutor(at_once, thread_name_prefix="window") if at_once > 1 else None
        self._clock = clock
        self._digit_tokens: dict[str, DigitTokens] = {}

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """``ctranslate2`` or ``openai-whisper``."""

    @property
    @abc.abstractmethod
    def device(self) -> str:
        """``cpu`` or ``cuda``."""

    @property
    def at_once(self) -> int:
        """How many calls it works on at the same time; more must not be made."""
        return self._at_once

    @property
    @abc.abstractmethod
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that the weights know."""

    @abc.abstractmethod
    def _hear(self, samples: Samples, ask: DecodingRequest) -> Hypothesis:
        """Recognise one window of at most 30 s."""

    @abc.abstractmethod
    def _ids(self, text: str) -> list[int]:
        """Tokens of a text, special ones left out."""

    def transcribe(self, samples: Samples, options: SpeechOptions) -> Transcript:
        """Recognise one clip of any length.

        Raises:
            NoSpeech: Nobody speaks in it.
            InvalidInput: The weights do not know the language.
            Abandoned: ``options.stop`` was set.
        """
        if options.language is not None and options.language not in self.languages:
            raise InvalidInput("The speech model does not know that language.", reason=Reason.UNKNOWN_LANGUAGE)
        began = self._clock()
        windows = deque(cut_windows(self._vad, samples, everything=options.everything, policy=self._policy))
        heard: list[tuple[Span, Hypothesis]] = []

        def look(window: Window) -> tuple[Span, Hypothesis] | None:
            span = window.span
            found = self._look_until_sure(samples[span.start : span.end], DecodingRequest(options, language))
            return None if silent(found, window.speech_probability) else (span, found)

        language, sure = options.language, 1.0
        while windows and language is None:
            if first := look(windows.popleft()):
                language, sure = first[1].language, first[1].language_probability
                heard.append(first)
        several = map if self._others is None or len(windows) < 2 or options.quick else self._others.map
        heard += [one for one in several(look, windows) if one is not None]
        if not heard:
            raise NoSpeech("Nobody speaks in the recording.")
        return Transcript(
            segments=tuple(_segment(one, window) for window, one in heard),
            language=language or "en",
            audio_s=len(samples) / SAMPLE_RATE_HZ,
            compute_s=self._clock() - began,
            language_probability=sure,
        )

    def _look_until_sure(self, samples: Samples, ask: DecodingRequest) -> Hypothesis:
        length_s = len(samples) / SAMPLE_RATE_HZ
        short = len(samples) < _SHORT_SAMPLES
        ask = replace(ask, first_token=length_s <= LONGEST_S)
        if short:
            samples = np.concatenate([np.zeros(_LEAD_SAMPLES, np.float32), samples])
        first = self._heard(samples, ask)
        best = as_digit(first, length_s, self._digits(first.language))
        for effort in range(1, 1 if ask.options.quick else self.efforts):
            if not (repeats(best) if short else doubtful(best)):
                break
            best = better(
                best, self._heard(samples, replace(ask, effort=effort, language=ask.language or best.language))
            )
        # Later looks were given the language; the probabilities of a token are many, and of no more use.
        best = replace(best, language_probability=first.language_probability, first_token=None)
        return _earlier(best, _LEAD_SAMPLES / SAMPLE_RATE_HZ) if short else best

    def _heard(self, samples: Samples, ask: DecodingRequest) -> Hypothesis:
        with self._places:  # several windows of one clip, and of another, must not be more than there are cores
            return self._hear(samples, ask)

    def _digits(self, language: str) -> DigitTokens:
        if language not in self._digit_tokens:
            self._digit_tokens[language] = DigitTokens.of_language(language, self._ids)
        return self._digit_tokens[language]


def _earlier(heard: Hypothesis, by_s: float) -> Hypothesis:
    """Take the silence that was put before a window off its times."""
    words = tuple(Word(w.text, max(0.0, w.start_s - by_s), max(0.0, w.end_s - by_s), w.confidence) for w in heard.words)
    return replace(heard, words=words)


def _segment(heard: Hypothesis, window: Span) -> Segment:
    start_s = window.start / SAMPLE_RATE_HZ
    words = tuple(Word(w.text, w.start_s + start_s, w.end_s + start_s, w.confidence) for w in heard.words)
    return Segment(
        text=RawText(cut_loops(heard.text)),
        start_s=start_s,
        end_s=window.end / SAMPLE_RATE_HZ,
        confidence=float(np.exp(min(0.0, heard.mean_logprob))),
        words=words,
    )
