"""Whisper on CTranslate2: encode, detect the language, decode and align, for several windows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.whisper.chunked_engine import DecodingRequest
from models.speech.whisper.features import FRAMES_PER_S, log_mel
from models.speech.whisper.hypothesis import Hypothesis, needs_no_speech
from models.speech.whisper.onnx_decoder import DecodedTokens, Floats, softmax
from models.speech.whisper.script import SCRIPTS, initial_prompt
from models.speech.whisper.silence_states import ENCODER_FRAMES_PER_S
from models.speech.whisper.tokenizer import WhisperTokens
from models.speech.whisper.word_timestamps import TimedTokens, group_words, rate_words

BEAM = 5
"""Number of hypotheses for long recordings, and for doubtful windows in their last decoding pass."""

DECODING_PASSES = 3

BEAM_PASS = 2
"""The first decoding pass of a doubtful window with ``BEAM``."""

MAX_TOKENS = 448
"""Length of Whisper's text context, prompt included. CTranslate2 uses half of ``max_length`` for a transcript."""

_DEFAULT_SUPPRESSED = -1
"""Stands for the weights' own list of suppressed tokens."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How windows of one batch are decoded.

    Attributes:
        language: ISO 639-1 code.
        beam_size: 1 is greedy.
        first_token: Whether to return the probabilities of the first token.
        suppressed: Tokens that a transcript must not hold, beside those of the weights.
    """

    language: str
    beam_size: int
    first_token: bool
    suppressed: tuple[int, ...]


class CTranslate2Whisper:
    """The weights, loaded.

    Args:
        folder: Where Whisper weights were placed.
        device: ``cpu`` or ``cuda``.
        threads: Of one call, on the CPU.
        at_once: Calls at the same time. They share the weights.

    Attributes:
        tokens: Its tokens.
    """

    def __init__(self, folder: Path, device: str, threads: int = 1, at_once: int = 1) -> None:
        self._model = ctranslate2.models.Whisper(
            str(folder),
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            intra_threads=threads,
            inter_threads=at_once,
        )
        self.tokens = WhisperTokens(folder, self._model.is_multilingual)

    def decoding(self, request: DecodingRequest, language: str) -> Decoding:
        """How to decode a window whose language is known."""
        beam_size = max(request.options.beam_size, BEAM if request.decoding_pass >= BEAM_PASS else 1)
        first_token = request.first_token and beam_size == 1  # with a beam CTranslate2 returns empty arrays
        script = SCRIPTS.get(language)
        if script and not first_token:
            beam_size = max(beam_size, script.beam_size)
        suppressed = self.tokens.foreign(language, request.options.vocabulary)
        return Decoding(language, beam_size, first_token, tuple(suppressed))

    def prompt(self, request: DecodingRequest, language: str) -> list[int]:
        """Tokens before the transcript: expected words, and its start."""
        expected = self.tokens.prompt(initial_prompt(language, request.options.vocabulary))
        return [*expected, *self.tokens.start(language)]

    def features(self, samples: Samples, frames: int) -> Floats:
        """Input of the encoder for so many frames of its output, shape (mels, 2 * frames)."""
        return log_mel(samples, 2 * frames, self._model.n_mels)

    def encode(self, windows: Sequence[Floats]) -> ctranslate2.StorageView:
        """Encoder output for windows of one length, shape (windows, frames, width)."""
        return self._model.encode(ctranslate2.StorageView.from_array(np.stack(windows)), to_cpu=False)

    def detect_language(self, encoded: ctranslate2.StorageView) -> list[tuple[str, float]]:
        """The likeliest language of each window, and its probability."""
        found = [languages[0] for languages in self._model.detect_language(encoded)]
        return [(str(token).strip("<|>"), float(probability)) for token, probability in found]

    def generate(
        self, encoded: ctranslate2.StorageView, prompts: Sequence[list[int]], max_tokens: int, decoding: Decoding
    ) -> list[DecodedTokens]:
        """Decode windows, without probabilities of their tokens.

        Args:
            encoded: Of ``encode``.
            prompts: One for each window, all of one length.
            max_tokens: Of one transcript.
            decoding: How.
        """
        script = SCRIPTS.get(decoding.language)
        length = len(prompts[0])
        results = self._model.generate(
            encoded,
            list(prompts),
            beam_size=decoding.beam_size,
            max_length=min(MAX_TOKENS, max(2 * max_tokens, length + max_tokens)),
            return_scores=True,
            suppress_blank=True,
            suppress_tokens=[_DEFAULT_SUPPRESSED, *decoding.suppressed],
            repetition_penalty=script.repetition_penalty if script else 1.0,
            return_logits_vocab=decoding.first_token,
        )
        tokens = [list(result.sequences_ids[0]) for result in results]
        # The score is a sum with the end token, divided by a count without it.
        means = [r.scores[0] * len(each) / (len(each) + 1) for r, each in zip(results, tokens, strict=True)]
        silent = self._no_speech(encoded, prompts) if any(map(needs_no_speech, means)) else [0.0] * len(means)
        return [
            DecodedTokens(
                tokens=each,
                mean_logprob=mean,
                no_speech=no_speech if needs_no_speech(mean) else 0.0,
                probabilities=(),
                first_token=softmax(on_cpu(r.logits[0][0])) if decoding.first_token and r.logits[0] else None,
            )
            for r, each, mean, no_speech in zip(results, tokens, means, silent, strict=True)
        ]

    def _no_speech(self, encoded: ctranslate2.StorageView, prompts: Sequence[list[int]]) -> list[float]:
        """Probabilities of no speech. They cost a step of the decoder, and few windows need theirs."""
        max_length = len(prompts[0]) + 1  # two tokens
        results = self._model.generate(
            encoded, list(prompts), beam_size=1, max_length=max_length, return_no_speech_prob=True
        )
        return [float(result.no_speech_prob) for result in results]

    def align(
        self, encoded: ctranslate2.StorageView, language: str, tokens: Sequence[list[int]], samples: Sequence[int]
    ) -> list[TimedTokens]:
        """The tokens of each window with times and probabilities.

        It costs one pass of the decoder over all tokens at once.

        Args:
            encoded: Of ``encode``.
            language: Of all windows.
            tokens: Their transcripts; one may be empty.
            samples: Their lengths.
        """
        if not any(tokens):
            return [() for _ in tokens]
        frames = [max(2, length * FRAMES_PER_S // SAMPLE_RATE_HZ) for length in samples]
        some = next(filter(None, tokens))[:1]  # stands for the tokens of an empty transcript
        aligned = self._model.align(encoded, self.tokens.start(language)[:-1], [t or some for t in tokens], frames)
        return [
            _timed(each, found, length) if each else ()
            for each, found, length in zip(tokens, aligned, samples, strict=True)
        ]

    def hypothesis(
        self, decoded: DecodedTokens, words: TimedTokens, request: DecodingRequest, language: str, probability: float
    ) -> Hypothesis:
        """What was decoded in one window.

        Args:
            decoded: Of ``generate``, or of another decoder.
            words: Its tokens with times; needed for the times of words, or where ``decoded`` lacks probabilities.
            request: How it was decoded.
            language: ISO 639-1 code.
            probability: Of the language; 1 if it was given.
        """
        text = self.tokens.text(decoded.tokens)
        probabilities = decoded.probabilities or [probability for *_, probability in words]
        return Hypothesis(
            text=text,
            language=language,
            mean_logprob=decoded.mean_logprob,
            no_speech=decoded.no_speech,
            words=group_words(words, self.tokens.tokenizer) if request.options.word_times else (),
            rated=rate_words(decoded.tokens, probabilities, self.tokens.tokenizer, text),
            language_probability=probability,
            first_token=decoded.first_token if request.first_token else None,
        )


def on_cpu(numbers: ctranslate2.StorageView) -> Floats:
    """Numbers that may be on a GPU, and in half precision."""
    return np.array(numbers.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32))


def _timed(tokens: list[int], aligned: ctranslate2.models.WhisperAlignmentResult, samples: int) -> TimedTokens:
    begins: dict[int, int] = {}
    for token, time in aligned.alignments:
        begins.setdefault(token, time)
    times = [begins.get(n, 0) / ENCODER_FRAMES_PER_S for n in range(len(tokens))] + [samples / SAMPLE_RATE_HZ]
    last = max((time for _, time in aligned.alignments), default=0) / ENCODER_FRAMES_PER_S
    times[-1] = min(times[-1], max(last, times[-2]))
    return tuple(zip(tokens, times[:-1], times[1:], aligned.text_token_probs, strict=True))
