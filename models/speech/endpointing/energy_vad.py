"""Finds frames without audible sound by their level.

The neural VAD still reports speech for 0.1 to 0.3 s after the last sound. The level tells at once, in a quiet room: a
frame is silent when it is near the noise floor of the last seconds and far below the speech. In a loud room no frame
is silent, and the neural VAD alone decides.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from models.media.samples import Samples
from models.speech.endpointing.policy import EnergyPolicy
from models.speech.endpointing.silero_vad import FRAME_S, FRAME_SAMPLES


class FrameEnergy(NamedTuple):
    """Level of a frame of 512 samples.

    Attributes:
        near_floor: At the level of the noise floor.
        silent: Near the floor, and far below the speech.
    """

    near_floor: bool
    silent: bool


class EnergyVadStream:
    """Classifies the frames of one stream. The size of the pieces fed does not matter."""

    def __init__(self, policy: EnergyPolicy) -> None:
        self._policy = policy
        self._waiting: Samples = np.zeros(0, np.float32)
        self._levels_db: deque[float] = deque(maxlen=round(policy.memory_s / FRAME_S))

    def feed(self, samples: Samples) -> list[FrameEnergy]:
        """One for each frame that these samples complete."""
        ready = np.concatenate([self._waiting, samples])
        whole = len(ready) - len(ready) % FRAME_SAMPLES
        self._waiting = ready[whole:].copy()
        power = np.mean(np.square(ready[:whole].reshape(-1, FRAME_SAMPLES)), axis=1)
        levels_db = np.maximum(10 * np.log10(power + 1e-12), self._policy.floor_db)
        return [self._classify(float(level)) for level in levels_db]

    def _classify(self, level_db: float) -> FrameEnergy:
        self._levels_db.append(level_db)
        near_floor = level_db <= min(self._levels_db) + self._policy.above_floor_db
        return FrameEnergy(near_floor, near_floor and level_db <= max(self._levels_db) - self._policy.below_speech_db)
