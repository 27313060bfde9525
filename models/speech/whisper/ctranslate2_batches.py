"""Whisper on CTranslate2, on a GPU: windows of several calls are decoded in one batch.

All windows of a batch have one length: each is filled up with silence to 10, 15, 20, 25 or 30 s, and may have as many
tokens as that length allows. What a window gets does not depend on those beside it. But numbers are rounded in another
way in a batch, so a word of which the model is unsure may come out otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.policy import DEFAULT_POLICY, WindowPolicy
from models.speech.endpointing.silero_vad import Vad
from models.speech.whisper.batcher import Batcher, BatchWindow
from models.speech.whisper.chunked_engine import ChunkedEngine, DecodingRequest
from models.speech.whisper.ctranslate2_model import BEAM, DECODING_PASSES, MAX_TOKENS, CTranslate2Whisper, Decoding
from models.speech.whisper.encoder_context import DEFAULT_CONTEXT, ContextPolicy, batch_frames
from models.speech.whisper.hypothesis import Hypothesis
from models.speech.whisper.silence_states import ENCODER_FRAMES_PER_S


@dataclass(frozen=True, slots=True)
class _Key:
    """What the windows of one batch have in common.

    Attributes:
        frames: Encoder frames.
        decoding: How they are decoded.
        prompt_tokens: Length of their prompts; CTranslate2 wants it to be the same.
    """

    frames: int
    decoding: Decoding
    prompt_tokens: int


class CTranslate2BatchEngine(ChunkedEngine):
    """The default engine on a GPU.

    Args:
        folder: Where Whisper weights were placed.
        vad: Tells where speech is.
        device: ``cuda``; tests take ``cpu``.
        at_once: Most calls at the same time, and most windows in a batch.
        context: How much context windows get.
        policy: How recordings are cut.
        on_batch: Gets the number of windows of each batch that is decoded.
    """

    decoding_passes = DECODING_PASSES
    recording_beam = BEAM

    def __init__(
        self,
        folder: Path,
        vad: Vad,
        device: Literal["cpu", "cuda"],
        at_once: int = 1,
        context: ContextPolicy = DEFAULT_CONTEXT,
        policy: WindowPolicy = DEFAULT_POLICY.windows,
        on_batch: Callable[[int], None] = lambda windows: None,
    ) -> None:
        super().__init__(vad, policy, at_once)
        self._device = device
        self._context = context
        self._model = CTranslate2Whisper(folder, device)
        self._detect = Batcher(self._detect_together, at_once)
        self._decode_windows = Batcher(self._decode_together, at_once, on_batch)

    @property
    def name(self) -> str:
        """Always ``ctranslate2``."""
        return "ctranslate2"

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._device

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that the weights know."""
        return frozenset(self._model.tokens.languages or {"en"})

    def _ids(self, text: str) -> list[int]:
        return self._model.tokens.ids(text)

    def _decode(self, samples: Samples, request: DecodingRequest) -> Hypothesis:
        request.check_cancelled()
        frames = batch_frames(len(samples) / SAMPLE_RATE_HZ, request.decoding_pass, self._context)
        features = self._model.features(samples, frames)
        language, probability = request.language, 1.0
        if language is None and not self._model.tokens.languages:
            language = "en"
        if language is None:
            language, probability = self._detect(BatchWindow(features, len(samples), request, frames))
        decoding, prompt = self._model.decoding(request, language), self._model.prompt(request, language)
        key = _Key(frames, decoding, len(prompt))
        hypothesis = self._decode_windows(BatchWindow(features, len(samples), request, key))
        return replace(hypothesis, language_probability=probability)

    def _detect_together(self, windows: Sequence[BatchWindow]) -> list[tuple[str, float]]:
        return self._model.detect_language(self._model.encode([window.features for window in windows]))

    def _decode_together(self, windows: Sequence[BatchWindow]) -> list[Hypothesis]:
        key = cast(_Key, windows[0].key)
        language, context_s = key.decoding.language, key.frames / ENCODER_FRAMES_PER_S
        most = min(self._context.most_tokens(context_s), MAX_TOKENS - key.prompt_tokens)
        encoded = self._model.encode([window.features for window in windows])
        prompts = [self._model.prompt(window.request, language) for window in windows]
        found = self._model.generate(encoded, prompts, most, key.decoding)
        words = self._model.align(
            encoded, language, [one.tokens for one in found], [window.samples for window in windows]
        )
        return [
            self._model.hypothesis(one, timed, window.request, language, 1.0)
            for one, timed, window in zip(found, words, windows, strict=True)
        ]
