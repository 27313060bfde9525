"""Builds speech engines by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from models.errors import InvalidInput
from models.speech.endpointing.silero_vad import SileroVad, Vad
from models.speech.types import SpeechEngine
from models.weights.store import locate
from models.weights.uses import check_speech

CTRANSLATE2 = "ctranslate2"
OPENAI_WHISPER = "openai-whisper"
ENGINES = (CTRANSLATE2, OPENAI_WHISPER)
DEFAULT_WEIGHTS = "whisper-base"

Device = Literal["auto", "cpu", "cuda"]


def build_engine(
    name: str,
    cache: Path,
    device: Device = "auto",
    threads: int = 1,
    weights: str = DEFAULT_WEIGHTS,
    at_once: int = 1,
    on_batch: Callable[[int], None] = lambda windows: None,
) -> SpeechEngine:
    """Load a speech engine and its voice activity detector from placed weights.

    Args:
        name: ``ctranslate2`` or ``openai-whisper``.
        cache: Root of the weights cache.
        device: ``auto`` takes the GPU where there is one; the engine's ``device`` names the choice.
        threads: Of one decode, on the CPU.
        weights: Name of pinned or added Whisper weights.
        at_once: How many windows are decoded at the same time; on a GPU they are one batch. openai-whisper decodes one
            on the CPU.
        on_batch: Gets the number of windows of each batch on a GPU.

    Raises:
        WeightsError: The weights were not placed, or were added for something else.
        InvalidInput: There is no engine of that name.
    """
    if name not in ENGINES:
        raise InvalidInput(f"There is no speech engine of that name; known: {', '.join(ENGINES)}.")
    check_speech(weights, cache)
    vad = build_vad(cache)
    if name == CTRANSLATE2:
        return _ctranslate2(weights, cache, vad, device, threads, at_once, on_batch)
    from models.speech.whisper.openai_checkpoint import whisper_checkpoint
    from models.speech.whisper.openai_engine import OpenAiWhisperEngine

    checkpoint = whisper_checkpoint(weights, cache)
    if device == "auto":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return OpenAiWhisperEngine(checkpoint, vad, device, threads)
    return OpenAiWhisperEngine(checkpoint, vad, device, threads, at_once, on_batch)


def _ctranslate2(
    weights: str, cache: Path, vad: Vad, device: Device, threads: int, at_once: int, on_batch: Callable[[int], None]
) -> SpeechEngine:
    import ctranslate2

    from models.speech.whisper.ctranslate2_batches import CTranslate2BatchEngine
    from models.speech.whisper.ctranslate2_engine import CTranslate2Engine
    from models.speech.whisper.onnx_decoder import OnnxDecoder, TokenRules
    from models.speech.whisper.onnx_graph import decoder_files
    from models.speech.whisper.silence_states import silence_file

    folder = locate(weights, cache)
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
    if device == "cuda":
        return CTranslate2BatchEngine(folder, vad, device, at_once, on_batch=on_batch)
    silence = np.load(silence_file(weights, cache))

    def greedy(rules: TokenRules) -> OnnxDecoder:
        return OnnxDecoder(*decoder_files(weights, cache), rules, silence, threads)

    return CTranslate2Engine(folder, vad, silence, greedy, threads, at_once)


def build_vad(cache: Path) -> SileroVad:
    """Load the voice activity detector.

    Raises:
        WeightsError: Its weights were not placed.
    """
    return SileroVad(locate("silero-vad", cache))
