"""Measures how much of the speech workers the streams need."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

AUDIO_MEMORY_S: Final = 60.0
"""Audio of each stream after which an older measurement weighs 1/e of what it did."""

BUSY_MEMORY_S: Final = 20.0
"""Time after which an older measurement of the workers' use weighs 1/e of what it did."""

INITIAL_FACTOR: Final = 0.1
"""Real-time factor of each worker until one is measured. Workers share the cores of a small server, so a second worker
may add little capacity."""

INITIAL_AUDIO_S: Final = 10.0
"""Seconds of audio that the assumed factor weighs as much as."""


class SpeechLoadMeter:
    """The real-time factor: seconds of a speech worker that one second of streamed audio takes.

    It counts the time in which a worker has final work to do: what was said before a pause, and finals. Partials do not
    count, because they are left out when there is no time for them. Waiting for a busy worker counts too, so the factor
    shows a slow machine, or a recording that is read at the same time.

    A final that a worker decodes in several windows at once counts as one call, because only the worker knows of the
    windows. As soon as there are as many calls as workers, that makes no difference.

    Args:
        workers: How many windows the speech workers decode at the same time.
        clock: Seconds, monotonic.
    """

    def __init__(self, workers: int, clock: Callable[[], float]) -> None:
        self._workers = workers
        self._clock = clock
        self._audio_s = INITIAL_AUDIO_S
        self._worker_s = INITIAL_FACTOR * workers * INITIAL_AUDIO_S
        self._calls = 0
        self._busy = 0.0
        self._settled_at = clock()

    @property
    def factor(self) -> float:
        """Worker seconds for each second of audio."""
        return self._worked_s() / self._audio_s

    @property
    def busy(self) -> float:
        """Recent share of all workers with final work to do, in [0, 1]. It also shows audio that comes fast."""
        kept = math.exp(-(self._clock() - self._settled_at) / BUSY_MEMORY_S)
        return self._busy * kept + min(self._calls, self._workers) / self._workers * (1 - kept)

    def share(self, streams: int) -> float:
        """Share of all workers that so many streams need when audio comes as fast as it is spoken; may exceed 1."""
        return self.factor * streams / self._workers

    def share_with_one_more(self, streams: int) -> float:
        """Share needed with one more stream: by the number of streams or by the recent use, whichever is larger."""
        return max(self.share(streams + 1), self.busy + self.share(1))

    def audio_received(self, audio_s: float, streams: int = 1) -> None:
        """Count new audio of one of so many streams, in seconds."""
        self._settle()
        kept = math.exp(-audio_s / (AUDIO_MEMORY_S * max(1, streams)))
        self._worker_s *= kept
        self._audio_s = self._audio_s * kept + audio_s

    @contextmanager
    def working(self) -> Iterator[None]:
        """Held while final (not partial) work is running or queued."""
        self._settle()
        self._calls += 1
        try:
            yield
        finally:
            self._settle()
            self._calls -= 1

    def _settle(self) -> None:
        self._busy = self.busy
        self._worker_s, self._settled_at = self._worked_s(), self._clock()

    def _worked_s(self) -> float:
        return self._worker_s + min(self._calls, self._workers) * (self._clock() - self._settled_at)
