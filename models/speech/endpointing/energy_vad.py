"""Tells which frames hold no sound worth hearing, by their loudness.

The detector of speech goes on for 0.1 to 0.3 s behind the last sound. Loudness knows at once, where the room is quiet
enough to know: a frame is quiet when it is as faint as the faintest of the last seconds and far below the speech. In a
loud room no frame is, and the detector alone decides.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.speech.endpointing.silero_vad import FRAME_S, FRAME_SAMPLES
from models.speech.types import Samples


class EnergyVad(NamedTuple):
    """How a frame of 512 samples sounds.

    Attributes:
        faint: As faint as the room.
        quiet: That, and far below the speech.
    """

    faint: bool
    quiet: bool


@dataclass(frozen=True, slots=True)
class EnergyVadRules:
    """What is quiet.

    Attributes:
        memory_s: How far back loud and faint frames are remembered.
        above_floor_db: A faint frame is at most so far above the faintest one.
        below_speech_db: A quiet one is also at least so far below the loudest one.
        floor_db: Nothing counts as fainter, of full scale: what a microphone hears in a silent room.
    """

    memory_s: float = 6.0
    above_floor_db: float = 6.0
    below_speech_db: float = 20.0
    floor_db: float = -70.0


DEFAULT_QUIET_RULES = EnergyVadRules()


class EnergyVadStream:
    """Listens to one stream; the size of the pieces that it is fed does not matter."""

    def __init__(self, rules: EnergyVadRules = DEFAULT_QUIET_RULES) -> None:
        self._rules = rules
        self._waiting: Samples = np.zeros(0, np.float32)
        self._levels_db: deque[float] = deque(maxlen=round(rules.memory_s / FRAME_S))

    def feed(self, samples: Samples) -> list[EnergyVad]:
        """One for each frame that these samples complete."""
        ready = np.concatenate([self._waiting, samples])
        whole = len(ready) - len(ready) % FRAME_SAMPLES
        self._waiting = ready[whole:].copy()
        power = np.mean(np.square(ready[:whole].reshape(-1, FRAME_SAMPLES)), axis=1)
        levels_db = np.maximum(10 * np.log10(power + 1e-12), self._rules.floor_db)
        return [self._hush(float(level)) for level in levels_db]

    def _hush(self, level_db: float) -> EnergyVad:
        self._levels_db.append(level_db)
        faint = level_db <= min(self._levels_db) + self._rules.above_floor_db
        return EnergyVad(faint, faint and level_db <= max(self._levels_db) - self._rules.below_speech_db)
