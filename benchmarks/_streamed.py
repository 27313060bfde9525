"""Inputs and results of ``benchmarks.streaming``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks._spoken import Spoken


@dataclass(frozen=True, slots=True)
class Job:
    """A clip to be streamed, and how long to wait before."""

    clip: Spoken
    wait_s: float


@dataclass(frozen=True, slots=True)
class Streamed:
    """The result of one side for one clip.

    Attributes:
        first_s: When the first text was shown, in seconds since the first sample; None for never.
        last_s: When the last part of the final text came, in seconds since the first sample.
        text: The final text.
        pieces: Finals, or lines.
    """

    clip: Spoken
    first_s: float | None
    last_s: float | None
    text: str
    pieces: int

    @property
    def final_s(self) -> float:
        """From the last sample of speech to the last of the final text."""
        return math.inf if self.last_s is None else self.last_s - self.clip.ends_s

    @property
    def first_after_s(self) -> float:
        """From the first sample of speech to the first text."""
        return math.inf if self.first_s is None else self.first_s - self.clip.begins_s
