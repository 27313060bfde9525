"""Whisper on CTranslate2, on the CPU.

Whisper was trained on windows of 30 s, and its encoder costs the same for a word as for 30 s. CTranslate2 accepts
shorter features, but too short a context makes the model repeat itself. So only the speech is encoded, and
``silence_states`` supplies the encoder's output for the silence after it.

Further decoding passes of a doubtful hypothesis encode the silence too, or all 30 s, and then use a beam. Recordings of
several windows use a beam from the start. An ``OnnxDecoder`` decodes greedily in place of CTranslate2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import ctranslate2
import numpy as np

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.policy import DEFAULT_POLICY, WindowPolicy
from models.speech.endpointing.silero_vad import Vad
from models.speech.whisper.chunked_engine import ChunkedEngine, DecodingRequest
from models.speech.whisper.ctranslate2_model import BEAM, BEAM_PASS, DECODING_PASSES, MAX_TOKENS, CTranslate2Whisper
from models.speech.whisper.encoder_context import DEFAULT_CONTEXT, ContextPolicy, encoder_frames
from models.speech.whisper.hypothesis import Hypothesis
from models.speech.whisper.onnx_decoder import DecodingState, Floats, OnnxDecoder, TokenRules
from models.speech.whisper.script import SCRIPTS
from models.speech.whisper.word_timestamps import TimedTokens


class CTranslate2Engine(ChunkedEngine):
    """The default engine on the CPU.

    Args:
        folder: Where Whisper weights were placed.
        vad: Tells where speech is.
        silence: Encoder output for silence, of ``silence_states.silence_file``, shape (n, width).
        greedy: Makes the decoder for greedy decoding.
        threads: Of one decode.
        at_once: How many windows are decoded at the same time. They share the weights.
        context: How much context short windows get.
        policy: How recordings are cut.
    """

    decoding_passes = DECODING_PASSES
    recording_beam = BEAM

    def __init__(
        self,
        folder: Path,
        vad: Vad,
        silence: Floats,
        greedy: Callable[[TokenRules], OnnxDecoder],
        threads: int = 1,
        at_once: int = 1,
        context: ContextPolicy = DEFAULT_CONTEXT,
        policy: WindowPolicy = DEFAULT_POLICY.windows,
    ) -> None:
        super().__init__(vad, policy, at_once)
        self._context = context
        self._model = CTranslate2Whisper(folder, "cpu", threads, at_once)
        self._tokens = self._model.tokens
        self._silence = silence
        self._greedy = greedy(self._tokens.rules)

    @property
    def name(self) -> str:
        """Always ``ctranslate2``."""
        return "ctranslate2"

    @property
    def device(self) -> str:
        """Always ``cpu``."""
        return "cpu"

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that the weights know."""
        return frozenset(self._tokens.languages or {"en"})

    def _ids(self, text: str) -> list[int]:
        return self._tokens.ids(text)

    def _decode(self, samples: Samples, request: DecodingRequest) -> Hypothesis:
        request.check_cancelled()
        length_s = len(samples) / SAMPLE_RATE_HZ
        frames, context = encoder_frames(
            length_s, len(self._silence), request.decoding_pass, self._context, quick=request.options.quick
        )
        states = self._model.encode([self._model.features(samples, frames)])
        request.check_cancelled()
        greedily = (
            request.decoding_pass < BEAM_PASS and request.options.beam_size == 1 and request.language not in SCRIPTS
        )
        window = self._greedy.start_window(np.array(states)[0], context) if greedily else None

        @cache
        def encoded() -> ctranslate2.StorageView:  # most windows do without
            return self._with_silence(states, context)

        language, probability = (request.language, 1.0) if request.language else self._detect_language(encoded, window)
        prompt = self._model.prompt(request, language)
        max_tokens = min(self._context.most_tokens(length_s), MAX_TOKENS - len(prompt))
        if window is not None and language not in SCRIPTS:
            start = len(prompt) - len(self._tokens.start(language))
            decoded = window.decode(prompt, start, max_tokens, request.check_cancelled)
        else:
            (decoded,) = self._model.generate(encoded(), [prompt], max_tokens, self._model.decoding(request, language))
        words: TimedTokens = ()
        if decoded.tokens and (request.options.word_times or not decoded.probabilities):
            (words,) = self._model.align(encoded(), language, [decoded.tokens], [len(samples)])
        return self._model.hypothesis(decoded, words, request, language, probability)

    def _with_silence(self, states: ctranslate2.StorageView, context: int) -> ctranslate2.StorageView:
        encoded = states.shape[1]
        if encoded == context:
            return states
        tail = self._silence[np.newaxis, encoded:context]
        return ctranslate2.StorageView.from_array(np.concatenate([np.array(states), tail], axis=1))

    def _detect_language(
        self, encoded: Callable[[], ctranslate2.StorageView], window: DecodingState | None
    ) -> tuple[str, float]:
        """The likeliest language, and its probability."""
        if not self._tokens.languages:
            return "en", 1.0
        if window is not None:
            start = self._tokens.special("<|startoftranscript|>")
            number, probability = window.most_likely(start, list(self._tokens.languages.values()))
            return list(self._tokens.languages)[number], probability
        return self._model.detect_language(encoded())[0]
