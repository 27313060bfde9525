"""Makes clean recordings sound as calls do: telephone, room, noise, other people, speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.media.samples import SAMPLE_RATE_HZ, Samples

CONDITIONS = ("clean", "telephone", "reverb", "white", "babble", "fast", "slow")
"""What ``degraded`` can do to a clip."""

_MOST_BABBLERS = 5


def degraded(samples: Samples, condition: str, others: Sequence[Samples], noise: np.random.Generator) -> Samples:
    """The clip under one of ``CONDITIONS``; ``others`` are clips of which babble is mixed."""
    if condition == "telephone":
        return _telephone(samples)
    if condition == "reverb":
        return _reverberant(samples, noise)
    if condition == "white":
        return _mixed(samples, noise.standard_normal(len(samples)).astype(np.float32), noise.uniform(6, 20))
    if condition == "babble" and others:
        return _mixed(samples, _babble(len(samples), others, noise), noise.uniform(6, 18))
    if condition in ("fast", "slow"):
        low, high = (1.08, 1.25) if condition == "fast" else (0.8, 0.93)
        return _resampled(samples, noise.uniform(low, high))
    return samples


def _telephone(samples: Samples) -> Samples:
    """300 to 3400 Hz, 8 bits with the mu-law."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    narrow = np.clip(np.fft.irfft(spectrum, len(samples)), -1, 1)
    coded = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    return _normal(np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255)


def _reverberant(samples: Samples, noise: np.random.Generator) -> Samples:
    decay_s = noise.uniform(0.15, 0.6)
    at_s = np.arange(int(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = noise.standard_normal(len(at_s)) * np.exp(-6.9 * at_s / decay_s) * 0.08
    tail[0] = 1.0
    size = len(samples) + len(tail)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    return _normal(wet)


def _babble(length: int, others: Sequence[Samples], noise: np.random.Generator) -> Samples:
    chosen = noise.choice(len(others), min(_MOST_BABBLERS, len(others)), replace=False)
    return np.asarray(sum(np.resize(others[int(number)], length) for number in chosen), np.float32)


def _mixed(samples: Samples, other: Samples, ratio_db: float) -> Samples:
    gain = np.sqrt(np.mean(samples**2) / (np.mean(other**2) + 1e-9)) * 10 ** (-ratio_db / 20)
    return _normal(samples + gain * other)


def _resampled(samples: Samples, speed: float) -> Samples:
    at = np.arange(0, len(samples) - 1, speed)
    return np.asarray(np.interp(at, np.arange(len(samples)), samples), np.float32)


def _normal(samples: npt.NDArray[np.floating[Any]]) -> Samples:
    peak = float(np.max(np.abs(samples)))
    return np.asarray(samples * (0.9 / peak if peak > 0.9 else 1.0), np.float32)
