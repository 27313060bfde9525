"""The encoder's output for the silence after speech, computed once and cached.

Whisper needs seconds of silence after speech: without, it does not find the end and repeats itself. The encoder's work
grows with every second of it, although its output for silence is nearly always the same. So a window is encoded with
half a second of silence, and the frames after that come from this cache: the mean over synthetic speech sounds, each
followed by silence. Silence alone does not work, because its frames differ from those of silence after speech.

Found in docs/evaluation/constants, "silence-states".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ctranslate2
import numpy as np
import numpy.typing as npt

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.whisper.features import FRAMES_PER_S, log_mel
from models.weights.store import derived

SILENCE_FILE = "silence-v1.npy"
ENCODER_FRAMES_PER_S = FRAMES_PER_S // 2
"""The encoder halves the frame rate."""

Floats = npt.NDArray[np.float32]

_LENGTH_S = 19
"""Covers the longest window of a recording, ``WindowPolicy.max_window_s``, and silence after it."""
_SETTLED_FRAMES = ENCODER_FRAMES_PER_S // 2
"""The encoder's frames in the first half second after a sound still depend on it."""
_SPEECH_S = (0.3, 0.3, 0.6, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)


def silence_file(name: str, cache: Path) -> Path:
    """The file of cached silence for placed Whisper weights, made on first use.

    Raises:
        WeightsError: The weights were not placed.
    """
    return derived(name, cache, SILENCE_FILE, build)


def build(folder: Path, target: Path) -> None:
    """Write the frames, shape (frames from the window's start, width); 0 where none of the sounds has ended."""
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=1)
    frames = _LENGTH_S * FRAMES_PER_S
    total, count = np.zeros(1), np.zeros((frames // 2, 1))
    for samples in synthetic_speech():
        features = ctranslate2.StorageView.from_array(log_mel(samples, frames, model.n_mels)[np.newaxis])
        encoded = np.array(model.encode(features, to_cpu=True))[0]
        silent_from = len(samples) * ENCODER_FRAMES_PER_S // SAMPLE_RATE_HZ + _SETTLED_FRAMES
        is_silence = np.arange(len(encoded))[:, np.newaxis] >= silent_from
        total = total + encoded * is_silence
        count += is_silence
    np.save(target, (total / np.maximum(count, 1)).astype(np.float32))


def synthetic_speech() -> Iterator[Samples]:
    """Sounds like speech, of different lengths: syllables of a buzz or a hiss in three formants. Always the same."""
    random = np.random.RandomState(0)  # the only generator whose numbers NumPy keeps the same in all versions
    for length_s in _SPEECH_S:
        samples, at = np.zeros(int(length_s * SAMPLE_RATE_HZ), np.float32), 0
        while at < len(samples):
            syllable = _syllable(random)[: len(samples) - at]
            samples[at : at + len(syllable)] += syllable
            at += max(1, int(len(syllable) * random.uniform(0.8, 1.1)))
        yield 0.3 * samples / np.abs(samples).max()


def _syllable(random: np.random.RandomState) -> Samples:
    length_s = random.uniform(0.08, 0.3)
    times = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    formants = random.uniform((300, 900, 2400), (800, 2300, 3200))
    voiced = random.random_sample() < 0.75
    pitch = random.uniform(90, 250)
    tones = np.arange(pitch, 4000, pitch) if voiced else random.uniform(1500, 7000, 60)
    loudness = np.exp(-(((tones[:, np.newaxis] - formants) / 150) ** 2)).max(axis=1) + 0.02 if voiced else np.ones(60)
    phases = random.uniform(0, 2 * np.pi, (len(tones), 1))
    waves = np.sin(2 * np.pi * tones[:, np.newaxis] * times + phases)
    return np.asarray((loudness @ waves) * np.hanning(len(times)), np.float32)
