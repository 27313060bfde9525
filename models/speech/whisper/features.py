"""The log-mel spectrogram that Whisper was trained on, in numpy.

openai-whisper's formula::

    S = mel_filters @ |STFT(x; n_fft=400, hop=160, periodic Hann, centred with reflection)|^2, last frame dropped
    L = log10(max(S, 1e-10));  L = max(L, max(L) - 8);  (L + 4) / 4
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import WeightsError
from models.media.samples import SAMPLE_RATE_HZ, Samples

N_FFT = 400
HOP_SAMPLES = 160
N_MELS = 80
FRAMES_PER_S = SAMPLE_RATE_HZ // HOP_SAMPLES

Features = npt.NDArray[np.float32]
"""Log-mel features, shape (80 or 128, frames), one frame each 10 ms."""


def log_mel(samples: Samples, frames: int, bands: int = N_MELS) -> Features:
    """Features of a clip that is padded with silence, or cut, to ``frames`` frames of 10 ms, at least 3 of them.

    Args:
        samples: The clip.
        frames: Number of frames.
        bands: Of the filter bank: 80, or 128 for the weights from large-v3 on.

    Returns:
        Shape (bands, frames).
    """
    wanted = frames * HOP_SAMPLES
    padded = np.zeros(wanted + N_FFT, np.float32)
    half = N_FFT // 2
    kept = samples[:wanted]
    padded[half : half + len(kept)] = kept
    padded[:half] = padded[half + 1 : N_FFT + 1][::-1]
    padded[half + wanted :] = padded[wanted - 1 : half + wanted - 1][::-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_SAMPLES][:frames]
    spectrum = np.fft.rfft(windows * _hann(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel = mel_filters(bands) @ power.T
    log = np.log10(np.maximum(mel, 1e-10))
    log = np.maximum(log, log.max() - 8.0)
    return np.ascontiguousarray((log + 4.0) / 4.0, dtype=np.float32)


@cache
def _hann() -> Samples:
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(N_FFT) / N_FFT), np.float32)


@cache
def mel_filters(bands: int = N_MELS) -> Features:
    """openai-whisper's filter bank, shape (bands, 201), read without ``import whisper``, which would load torch.

    Raises:
        WeightsError: The file is missing from the package.
    """
    package = importlib.util.find_spec("whisper")
    file = Path((package and package.origin) or "").parent / "assets" / "mel_filters.npz"
    if not file.is_file():
        raise WeightsError("The openai-whisper package lacks its mel filters.", hint="Install openai-whisper again.")
    with np.load(file) as banks:
        return np.asarray(banks[f"mel_{bands}"], np.float32)
