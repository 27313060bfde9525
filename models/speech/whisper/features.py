"""The log-mel spectrogram that Whisper was trained on, in numpy.

openai-whisper's formula::

    S = mel_filters @ |STFT(x; n_fft=400, hop=160, periodic Hann, centred with reflection)|^2, last frame dropped
    L = log10(max(S, 1e-10));  L = max(L, max(L) - 8);  (L + 4) / 4

The mel filters are the Slaney ones (linear below 1 kHz, logarithmic above, each of unit area).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from models.speech.types import SAMPLE_RATE_HZ, Samples

N_FFT = 400
HOP_SAMPLES = 160
N_MELS = 80
FRAMES_PER_S = SAMPLE_RATE_HZ // HOP_SAMPLES

Features = npt.NDArray[np.float32]
"""Log-mel features, shape (80, frames), one frame each 10 ms."""


def log_mel(samples: Samples, frames: int) -> Features:
    """Features of a clip that is padded with silence, or cut, to ``frames`` frames of 10 ms, at least 3 of them.

    Returns:
        Shape (80, frames).
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
    mel = mel_filters() @ power.T
    log = np.log10(np.maximum(mel, 1e-10))
    log = np.maximum(log, log.max() - 8.0)
    return np.ascontiguousarray((log + 4.0) / 4.0, dtype=np.float32)


@cache
def _hann() -> Samples:
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(N_FFT) / N_FFT), np.float32)


@cache
def mel_filters() -> Features:
    """The filter bank, shape (80, 201)."""
    mel_edges = np.linspace(0.0, _hz_to_mel(SAMPLE_RATE_HZ / 2), N_MELS + 2)
    edges_hz = np.array([_mel_to_hz(m) for m in mel_edges])
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, N_FFT // 2 + 1)
    rising = (bins_hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    unit_area = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return np.asarray(triangles * unit_area[:, None], np.float32)


_BREAK_HZ = 1_000.0
_HZ_PER_MEL = 200.0 / 3.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _BREAK_HZ else _BREAK_MEL + float(np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: float) -> float:
    return mel * _HZ_PER_MEL if mel < _BREAK_MEL else _BREAK_HZ * float(np.exp(_LOG_STEP * (mel - _BREAK_MEL)))
