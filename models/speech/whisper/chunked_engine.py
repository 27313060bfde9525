"""The common part of both Whisper engines: cut a clip into windows, decode each, and decode doubtful ones again."""

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
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.reasons import Reason
from models.speech.endpointing.chunking import Span, Window, cut_windows
from models.speech.endpointing.policy import DEFAULT_POLICY, WindowPolicy
from models.speech.endpointing.silero_vad import Vad
from models.speech.types import Segment, SpeechOptions, Transcript, Word
from models.speech.whisper.hypothesis import (
    Hypothesis,
    better,
    doubtful,
    doubtful_spelling,
    recognized,
    repeats,
    silent,
)
from models.speech.whisper.single_digit import (
    MAX_DIGIT_S,
    MIN_DIGIT_PROBABILITY,
    MIN_MEAN_PROBABILITY,
    DigitTokens,
    as_digit,
    averaged,
    copies,
    undecided,
)

_SHORT_SAMPLES = 2 * SAMPLE_RATE_HZ
"""A shorter window holds a word or two. Further decoding passes make it worse, unless the hypothesis is a loop.

Found in docs/evaluation/constants, "short-windows".
"""

_LEAD_SAMPLES = 3 * SAMPLE_RATE_HZ // 10
"""Silence put before short windows."""


@dataclass(frozen=True, slots=True)
class DecodingRequest:
    """How to decode one window.

    Attributes:
        options: What the caller wants.
        language: ISO 639-1 code, or None to detect it.
        decoding_pass: 0 for the first pass; each further one takes more effort.
        first_token: Whether to return the probabilities of the first token.
    """

    options: SpeechOptions
    language: str | None
    decoding_pass: int = 0
    first_token: bool = False

    def check_cancelled(self) -> None:
        """Call this between the steps of decoding.

        Raises:
            Cancelled, DeadlineExceeded: The caller does not wait any more.
        """
        self.options.cancellation.check()


class ChunkedEngine(abc.ABC):
    """A Whisper engine for clips of any length. Subclasses decode one window of at most 30 s.

    Args:
        vad: Tells where speech is.
        policy: How recordings are cut.
        at_once: How many windows are decoded at the same time, and how many calls there may be at once.
        clock: Seconds, monotonic.
    """

    decoding_passes: int = 1
    """How many passes a subclass offers, each with more effort than the one before."""

    recording_beam: int = 1
    """Number of hypotheses for the windows of a recording that has several; see docs/evaluation/constants,
    "recording-beam".
    """

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
        self._slots = threading.BoundedSemaphore(at_once)
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="window") if at_once > 1 else None
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
        """Most calls at the same time."""
        return self._at_once

    @property
    @abc.abstractmethod
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that the weights know."""

    @abc.abstractmethod
    def _decode(self, samples: Samples, request: DecodingRequest) -> Hypothesis:
        """Decode one window of at most 30 s."""

    @abc.abstractmethod
    def _ids(self, text: str) -> list[int]:
        """Tokens of a text, without special ones."""

    def transcribe(self, samples: Samples, options: SpeechOptions) -> Transcript:
        """Transcribe one clip of any length.

        Raises:
            NoSpeech: Nobody speaks in it.
            InvalidInput: The weights do not know the language.
            Cancelled, DeadlineExceeded: As ``options.cancellation`` says.
        """
        if options.language is not None and options.language not in self.languages:
            raise InvalidInput("The speech model does not know that language.", reason=Reason.UNKNOWN_LANGUAGE)
        began = self._clock()
        windows = deque(
            cut_windows(
                self._vad,
                samples,
                everything=options.everything,
                policy=self._policy,
                cancellation=options.cancellation,
            )
        )
        results: list[tuple[Span, Hypothesis]] = []
        beam_size = max(options.beam_size, self.recording_beam if len(windows) > 1 and not options.quick else 1)

        def decode(window: Window) -> tuple[Span, Hypothesis] | None:
            span = window.span
            short = span.end - span.start < _SHORT_SAMPLES
            request = DecodingRequest(options if short else replace(options, beam_size=beam_size), language)
            hypothesis = self._decode_until_confident(samples[span.start : span.end], request)
            return None if silent(hypothesis, window.speech_probability) else (span, hypothesis)

        language, language_probability = options.language, 1.0
        while windows and language is None:
            if first := decode(windows.popleft()):
                language, language_probability = first[1].language, first[1].language_probability
                results.append(first)
        map_windows = map if self._pool is None or len(windows) < 2 or options.quick else self._pool.map
        results += [result for result in map_windows(decode, windows) if result is not None]
        if not results:
            raise NoSpeech("Nobody speaks in the recording.")
        return Transcript(
            segments=tuple(_segment(hypothesis, span) for span, hypothesis in results),
            language=language or "en",
            audio_s=len(samples) / SAMPLE_RATE_HZ,
            compute_s=self._clock() - began,
            language_probability=language_probability,
        )

    def _decode_until_confident(self, samples: Samples, request: DecodingRequest) -> Hypothesis:
        length_s = len(samples) / SAMPLE_RATE_HZ
        short = len(samples) < _SHORT_SAMPLES
        request = replace(request, first_token=length_s <= MAX_DIGIT_S)
        plain = samples
        if short:
            samples = np.concatenate([np.zeros(_LEAD_SAMPLES, np.float32), samples])
        first = self._decode_in_slot(samples, request)
        best = self._as_digit(first, plain, request)
        texts = [best.text]
        decoding_pass = 0
        while decoding_pass := self._next_pass(decoding_pass, best, request.options, short):
            again = replace(request, decoding_pass=decoding_pass, language=request.language or best.language)
            second = self._decode_in_slot(samples, again)
            texts.append(second.text)
            best = better(best, second)
        # Later passes were given the language, so its probability is that of the first pass.
        others = tuple(dict.fromkeys(text for text in texts if text and text != best.text))
        best = replace(best, language_probability=first.language_probability, first_token=None, others=others)
        return _shift_words(best, -_LEAD_SAMPLES / SAMPLE_RATE_HZ) if short else best

    def _next_pass(self, done: int, best: Hypothesis, options: SpeechOptions, short: bool) -> int:
        """The decoding pass after ``done``; 0 for none."""
        last = 0 if options.quick else self.decoding_passes - 1
        if done >= last:
            return 0
        if repeats(best) if short else doubtful(best):
            return done + 1
        return last if options.beam_size == 1 and doubtful_spelling(best) else 0

    def _as_digit(self, hypothesis: Hypothesis, samples: Samples, request: DecodingRequest) -> Hypothesis:
        """The hypothesis, or the digit that was said instead of it."""
        length_s, tokens = len(samples) / SAMPLE_RATE_HZ, self._digits(hypothesis.language)
        least = MIN_DIGIT_PROBABILITY
        if not request.options.quick and undecided(hypothesis, length_s, tokens):
            lead, again = np.zeros(_LEAD_SAMPLES, np.float32), replace(request, language=hypothesis.language)
            faded, noisy = copies(samples)
            others = [self._decode_in_slot(clip, again) for clip in (np.concatenate([lead, faded]), noisy)]
            hypothesis, least = averaged(hypothesis, others), MIN_MEAN_PROBABILITY
        return as_digit(hypothesis, length_s, tokens, least)

    def _decode_in_slot(self, samples: Samples, request: DecodingRequest) -> Hypothesis:
        with self._slots:  # all clips together decode at most ``at_once`` windows
            return self._decode(samples, request)

    def _digits(self, language: str) -> DigitTokens:
        if language not in self._digit_tokens:
            self._digit_tokens[language] = DigitTokens.of_language(language, self._ids)
        return self._digit_tokens[language]


def _shift_words(hypothesis: Hypothesis, by_s: float) -> Hypothesis:
    """The hypothesis with the times of its words shifted, but none before 0."""
    words = tuple(
        Word(w.text, max(0.0, w.start_s + by_s), max(0.0, w.end_s + by_s), w.confidence) for w in hypothesis.words
    )
    return replace(hypothesis, words=words)


def _segment(hypothesis: Hypothesis, span: Span) -> Segment:
    start_s = span.start / SAMPLE_RATE_HZ
    text = recognized(hypothesis)
    return Segment(
        text=text,
        start_s=start_s,
        end_s=span.end / SAMPLE_RATE_HZ,
        confidence=text.recognition.confidence,
        words=_shift_words(hypothesis, start_s).words,
    )
