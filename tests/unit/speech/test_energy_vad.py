"""What counts as silent, by loudness."""

from __future__ import annotations

import numpy as np
import pytest

from models.media.samples import Samples
from models.speech.endpointing.energy_vad import EnergyVadStream
from models.speech.endpointing.policy import EnergyPolicy
from models.speech.endpointing.silero_vad import FRAME_SAMPLES


def noise(frames: int, level_db: float) -> Samples:
    chance = np.random.default_rng(3)
    return chance.normal(0, 10 ** (level_db / 20), frames * FRAME_SAMPLES).astype(np.float32)


@pytest.mark.parametrize(
    ("room_db", "speech_db", "silent"),
    [(-60, -20, True), (-45, -20, True), (-35, -20, False), (-90, -20, True), (-60, -50, False)],
    ids=["a silent room", "a fan", "a loud room tells nothing", "no room at all", "who whispers is not cut off"],
)
def test_the_room_is_silent_when_it_is_far_below_the_speech(room_db: float, speech_db: float, silent: bool) -> None:
    samples = np.concatenate([noise(20, room_db), noise(20, speech_db), noise(10, room_db)])
    energies = EnergyVadStream(EnergyPolicy()).feed(samples)
    assert [e.silent for e in energies[-10:]] == [silent] * 10
    assert not any(e.silent for e in energies[20:40])


def test_the_chunk_size_does_not_change_the_result() -> None:
    samples = np.concatenate([noise(5, -60), noise(5, -20), noise(5, -60)])
    stream = EnergyVadStream(EnergyPolicy())
    assert [e for at in range(0, len(samples), 300) for e in stream.feed(samples[at : at + 300])] == EnergyVadStream(
        EnergyPolicy()
    ).feed(samples)
