"""Our features are openai-whisper's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.media.audio_decoder import decode
from models.speech.whisper.features import HOP_SAMPLES, log_mel, mel_filters


@pytest.mark.parametrize("frames", [800, 1_234, 3_000])
def test_features_equal_openai_whispers(data: Path, frames: int) -> None:
    import torch
    from whisper.audio import log_mel_spectrogram

    samples = decode((data / "visit.wav").read_bytes())
    ours = log_mel(samples, frames)
    padded = np.zeros(frames * HOP_SAMPLES, np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    theirs = log_mel_spectrogram(torch.from_numpy(padded)).numpy()
    assert ours.shape == theirs.shape == (80, frames)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_filters_equal_openai_whispers() -> None:
    from whisper.audio import mel_filters as theirs

    np.testing.assert_allclose(mel_filters(), theirs("cpu", 80).numpy(), atol=1e-6)


def test_silence_has_features_too() -> None:
    assert np.isfinite(log_mel(np.zeros(0, np.float32), 800)).all()
