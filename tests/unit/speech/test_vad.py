"""Silero's VAD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ
from models.speech.endpointing.marks import UtteranceEnded
from models.speech.endpointing.policy import UtterancePolicy
from models.speech.endpointing.segmenter import Segmenter
from models.speech.endpointing.silero_vad import SileroVad
from models.speech.engines import build_vad

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def vad(weights_cache: Path) -> SileroVad:
    return build_vad(weights_cache)


def test_speech_is_detected_and_noise_is_not(vad: SileroVad, data: Path) -> None:
    speech = decode((data / "visit.wav").read_bytes())
    noise = np.random.default_rng(7).normal(0, 0.05, 5 * SAMPLE_RATE_HZ).astype(np.float32)
    assert vad.probabilities(speech).mean() > 0.5
    assert vad.probabilities(noise).max() < 0.35
    assert vad.probabilities(np.zeros(SAMPLE_RATE_HZ, np.float32)).max() < 0.1
    assert len(vad.probabilities(np.zeros(0, np.float32))) == 0


@pytest.mark.parametrize("step", [160, 512, 5_000])
def test_a_stream_in_pieces_equals_a_stream_at_once(vad: SileroVad, data: Path, step: int) -> None:
    samples = decode((data / "visit.wav").read_bytes())
    whole = vad.stream().feed(samples)
    stream = vad.stream()
    pieces = np.concatenate([stream.feed(samples[at : at + step]) for at in range(0, len(samples), step)])
    np.testing.assert_allclose(pieces, whole, atol=1e-4)


def test_a_stream_can_be_resumed_after_every_utterance(vad: SileroVad, data: Path) -> None:
    samples = decode((data / "visit.wav").read_bytes())
    policy = UtterancePolicy(early_end=None)
    whole = Segmenter(vad, policy)
    marks = whole.feed(samples) + whole.end()
    ends = [mark.end for mark in marks if isinstance(mark, UtteranceEnded)]
    assert len(ends) == 5
    for number, end in enumerate(ends, 1):
        again = Segmenter(vad, policy, end)
        rest = samples[again.start :]
        pieces = [rest[at : at + 1_600] for at in range(0, len(rest), 1_600)]
        found = [mark for piece in pieces for mark in again.feed(piece)] + again.end()
        left = [mark.end for mark in found if isinstance(mark, UtteranceEnded)]
        assert left == ends[number:]
