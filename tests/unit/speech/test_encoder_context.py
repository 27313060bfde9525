from __future__ import annotations

import numpy as np
import pytest

from models.speech.whisper.encoder_context import batch_frames, encoder_frames
from models.speech.whisper.onnx_decoder import BLOCK_FRAMES

SILENCE = 950
FULL = 1500


@pytest.mark.parametrize("length_s", [2.0, 3.1, 9.0, 16.0, 18.5])
def test_only_the_speech_of_a_window_is_encoded_when_silence_is_cached(length_s: float) -> None:
    encoded, context = encoder_frames(length_s, SILENCE, decoding_pass=0)
    assert context == SILENCE
    assert length_s + 0.5 <= encoded / 50 <= length_s + 0.7


@pytest.mark.parametrize("length_s", [0.02, 0.3, 1.0, 1.9])
def test_a_short_clip_is_encoded_with_its_silence_except_in_a_quick_call(length_s: float) -> None:
    assert encoder_frames(length_s, SILENCE, decoding_pass=0) == (450, 450)
    encoded, context = encoder_frames(length_s, SILENCE, decoding_pass=0, quick=True)
    assert (encoded < 150, context) == (True, SILENCE)


@pytest.mark.parametrize(("length_s", "states"), [(0.02, 450), (3.0, 450), (16.0, 930), (18.6, 1060), (29.0, 1500)])
def test_the_second_pass_encodes_the_silence(length_s: float, states: int) -> None:
    assert encoder_frames(length_s, SILENCE, decoding_pass=1) == (states, states)


def test_without_cached_silence_the_first_pass_is_short_and_the_second_full() -> None:
    assert encoder_frames(3.0, 0, decoding_pass=0) == (450, 450)
    assert encoder_frames(3.0, 0, decoding_pass=1) == (FULL, FULL)


def test_a_window_longer_than_the_cached_silence_is_encoded_in_full() -> None:
    assert encoder_frames(18.6, SILENCE, decoding_pass=0) == (1060, 1060)
    assert encoder_frames(30.0, SILENCE, decoding_pass=0) == (FULL, FULL)


def test_few_different_lengths_are_encoded() -> None:
    for decoding_pass in (0, 1):
        lengths = {encoder_frames(float(s), SILENCE, decoding_pass)[0] for s in np.arange(0.02, 30, 0.01)}
        assert len(lengths) <= FULL // BLOCK_FRAMES


@pytest.mark.parametrize(
    ("length_s", "frames"), [(0.02, 500), (3.0, 500), (7.4, 500), (7.6, 750), (16.0, 1000), (29.0, 1500), (30.0, 1500)]
)
def test_windows_of_a_batch_get_the_context_of_the_next_longer_step(length_s: float, frames: int) -> None:
    assert batch_frames(length_s, decoding_pass=0) == frames
    assert batch_frames(length_s, decoding_pass=1) == FULL
