"""Clips that are streamed at their own pace: where speech begins and ends in them, and the silence that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.speech import Clip
from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ, Samples

SILENCE_S = 3.0
"""Seconds of faint noise after the clip, as a microphone sends it."""

_FRAME = SAMPLE_RATE_HZ // 100
_BELOW_LOUD_DB = 35.0
_ABOVE_FLOOR_DB = 6.0
_LEAST_DB = 20.0
_RUN_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Spoken:
    """A clip as it is sent.

    Attributes:
        pcm: 16-bit little-endian mono at 16 kHz: the clip up to the end of its speech, then faint noise.
        begins_s: Start of the speech, in seconds of ``pcm``.
        ends_s: End of the speech, in seconds of ``pcm``.
        text: What is said.
    """

    name: str
    pcm: bytes
    begins_s: float
    ends_s: float
    text: str


def spoken(clips: Sequence[Clip], least_s: float, most_s: float, limit: int) -> list[Spoken]:
    """The first clips of a suitable length, ready to be sent."""
    ready: list[Spoken] = []
    for clip in clips:
        samples = decode(clip.audio.read_bytes())
        if least_s <= len(samples) / SAMPLE_RATE_HZ <= most_s and len(ready) < limit:
            ready.append(_prepared(clip, samples))
    return ready


def speech_bounds(samples: Samples) -> tuple[int, int]:
    """First sample of speech and one past the last. Only loudness decides, so that neither side's detector is used.

    A frame of 10 ms is speech when it is at most 35 dB below the loud ones (the 95th percentile) and at least 6 dB
    above the quiet ones (the 5th), or at most 20 dB below the loud ones where the clip is noisy; three such frames in a
    row count, a click does not.
    """
    frames = samples[: len(samples) - len(samples) % _FRAME].reshape(-1, _FRAME)
    level_db = 10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-10)
    floor_db, loud_db = np.percentile(level_db, [5, 95])
    least_db = min(max(loud_db - _BELOW_LOUD_DB, floor_db + _ABOVE_FLOOR_DB), loud_db - _LEAST_DB)
    runs = np.convolve(level_db >= least_db, np.ones(_RUN_FRAMES), "valid") == _RUN_FRAMES
    at = np.flatnonzero(runs)
    return int(at[0]) * _FRAME, (int(at[-1]) + _RUN_FRAMES) * _FRAME


def _prepared(clip: Clip, samples: Samples) -> Spoken:
    begin, end = speech_bounds(samples)
    sent = np.concatenate([samples[:end], _faint_noise(samples)])
    pcm = (np.clip(sent, -1, 1) * 32767).astype("<i2").tobytes()
    return Spoken(clip.audio.name, pcm, begin / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ, clip.text)


def _faint_noise(samples: Samples) -> npt.NDArray[np.float32]:
    """Noise as loud as the quietest tenth of the clip, between -75 and -50 dB of full scale."""
    frames = samples[: len(samples) - len(samples) % _FRAME].reshape(-1, _FRAME)
    quiet = float(np.percentile(np.sqrt(np.mean(np.square(frames), axis=1)), 10))
    level = min(max(quiet, 10 ** (-75 / 20)), 10 ** (-50 / 20))
    noise = np.random.default_rng(7).normal(0, level, int(SILENCE_S * SAMPLE_RATE_HZ))
    return noise.astype(np.float32)
