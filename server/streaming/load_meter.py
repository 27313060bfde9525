"""Measures how much of the speech workers the streams need: the real-time factor, as it is and not as it was hoped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope
from models.text import RawText
from models.vision.types import RedactedPage
from ray_tasks.types import EngineInfo, Gateway, RecordingResult, SpeechStep, SpeechWindow

MEMORY_AUDIO_S: Final = 60.0
"""Of streamed audio, for each stream that speaks; what came before counts for a third, and so on."""

MEMORY_S: Final = 20.0
"""Of how busy the workers are."""

GUESSED_FACTOR: Final = 0.1
"""Until something was heard, for each worker: they share the cores of a small server, so that a second one may help
little. Ten seconds of audio outweigh it."""

GUESS_WEIGHS_AUDIO_S: Final = 10.0


class SpeechLoadMeter:
    """The real-time factor: seconds of a speech worker that one second of streamed audio takes.

    What counts is the time in which a worker has something to do that cannot be left out: what was said before a pause,
    and finals. Partials are left out when there is no time for them. Waiting for a busy worker counts, whoever keeps it
    busy, so a recording that is read at the same time, or a slow machine, shows.

    A final that a worker hears in several windows at once counts as one call. How it was cut, and for how long each
    window took a place, only the worker knows; once there are as many calls as places the difference is gone.

    Args:
        workers: How many windows the speech workers recognise at the same time.
        clock: Seconds, monotonic.
    """

    def __init__(self, workers: int, clock: Callable[[], float]) -> None:
        self._workers = workers
        self._clock = clock
        self._audio_s = GUESS_WEIGHS_AUDIO_S
        self._worker_s = GUESSED_FACTOR * workers * GUESS_WEIGHS_AUDIO_S
        self._calls = 0
        self._busy = 0.0
        self._at = clock()

    @property
    def factor(self) -> float:
        """Worker seconds for each second of audio."""
        return self._worked_s() / self._audio_s

    @property
    def busy(self) -> float:
        """Share of all workers that had something to do lately, in [0, 1]; audio that comes fast shows here alone."""
        kept = math.exp(-(self._clock() - self._at) / MEMORY_S)
        return self._busy * kept + min(self._calls, self._workers) / self._workers * (1 - kept)

    def share(self, streams: int) -> float:
        """Share of all workers that so many streams need at the pace of speech; above 1 they are too many."""
        return self.factor * streams / self._workers

    def share_with_one_more(self, streams: int) -> float:
        """Share that is needed when one more speaks: by the number of streams, or by how busy the workers are."""
        return max(self.share(streams + 1), self.busy + self.share(1))

    def heard(self, audio_s: float, streams: int = 1) -> None:
        """So much new audio came on one of the streams that speak."""
        self._settle()
        kept = math.exp(-audio_s / (MEMORY_AUDIO_S * max(1, streams)))
        self._worker_s *= kept
        self._audio_s = self._audio_s * kept + audio_s

    @contextmanager
    def working(self) -> Iterator[None]:
        """Something is done, or waits to be done, that cannot be left out."""
        self._settle()
        self._calls += 1
        try:
            yield
        finally:
            self._settle()
            self._calls -= 1

    def _settle(self) -> None:
        self._busy = self.busy
        self._worker_s, self._at = self._worked_s(), self._clock()

    def _worked_s(self) -> float:
        return self._worker_s + min(self._calls, self._workers) * (self._clock() - self._at)


class MeasuredGateway:
    """A ``Gateway`` whose finals of streams are measured.

    Args:
        gateway: Does the work.
        load: Is told how long it took.
    """

    def __init__(self, gateway: Gateway, load: SpeechLoadMeter) -> None:
        self._gateway = gateway
        self._load = load

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """See ``Gateway``."""
        if not window.final:
            return await self._gateway.speech_step(window, timeout_s=timeout_s)
        with self._load.working():
            return await self._gateway.speech_step(window, timeout_s=timeout_s)

    async def read_recording(
        self,
        data: bytes,
        *,
        language: str,
        timeout_s: float,
        scope: RedactionScope = NO_SCOPE,
        keep_redacted: bool = False,
    ) -> RecordingResult:
        """See ``Gateway``."""
        return await self._gateway.read_recording(
            data, language=language, timeout_s=timeout_s, scope=scope, keep_redacted=keep_redacted
        )

    async def read_picture(
        self, data: bytes, *, document_type: str, timeout_s: float, scope: RedactionScope = NO_SCOPE
    ) -> RedactedPage:
        """See ``Gateway``."""
        return await self._gateway.read_picture(data, document_type=document_type, timeout_s=timeout_s, scope=scope)

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``Gateway``."""
        return await self._gateway.redact(texts, context, timeout_s=timeout_s)

    async def engines(self) -> list[EngineInfo]:
        """See ``Gateway``."""
        return await self._gateway.engines()
