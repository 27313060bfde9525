"""Fakes of a decoder, an audio log and a segmenter.

Real side: ``models.media.audio_decoder.StreamDecoder``, ``server.uploads.audio_log.AudioLogFile`` and
``models.speech.endpointing.segmenter.Segmenter``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.media.samples import Samples
from models.speech.endpointing.marks import (
    EndpointCandidate,
    SpeechMark,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)


class PcmDecoder:
    """16-bit PCM at 16 kHz."""

    def feed(self, data: bytes) -> Samples:
        return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0

    def finish(self) -> Samples:
        return np.zeros(0, np.float32)

    def close(self) -> None:
        """Nothing to free."""


@dataclass
class MemoryLog:
    """An audio log that remembers how much of it was synced."""

    data: bytearray = field(default_factory=bytearray)
    marks: list[int] = field(default_factory=list)
    synced_bytes: int = 0
    closed: bool = False

    def append(self, data: bytes) -> None:
        self.data += data

    def mark(self) -> None:
        self.marks.append(len(self.data))

    def sync(self) -> None:
        self.synced_bytes = len(self.data)

    def close(self) -> None:
        self.closed = True


class LoudnessSegmenter:
    """Speech is what is not zero; an utterance ends with the first zero sample."""

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self._at = start
        self._speaking = False

    def feed(self, samples: Samples) -> list[SpeechMark]:
        marks: list[SpeechMark] = []
        loud = samples != 0
        for index in np.flatnonzero(np.diff(np.concatenate([[self._speaking], loud]).astype(int))):
            at = self._at + int(index)
            marks.append(UtteranceEnded(at, at) if self._speaking else UtteranceStarted(at, at))
            self._speaking = not self._speaking
        self._at += samples.size
        return marks

    def decide(self, over: bool) -> list[SpeechMark]:
        raise AssertionError("It never asks.")

    def end(self) -> list[SpeechMark]:
        if not self._speaking:
            return []
        self._speaking = False
        return [UtteranceEnded(self._at, self._at)]


class AskingSegmenter(LoudnessSegmenter):
    """Asks at every silence whether the utterance ends. The end of the stream always ends it."""

    def __init__(self, start: int = 0) -> None:
        super().__init__(start)
        self._begun = False
        self._held: list[SpeechMark] = []
        self._paused_at = 0

    def feed(self, samples: Samples) -> list[SpeechMark]:
        self._held += super().feed(samples)
        return self._next()

    def decide(self, over: bool) -> list[SpeechMark]:
        self._begun = not over
        ended: list[SpeechMark] = [UtteranceEnded(self._paused_at, self._paused_at)] if over else []
        return ended + self._next()

    def end(self) -> list[SpeechMark]:
        ended, self._begun = self._begun, False
        return [UtteranceEnded(self._at, self._at)] if ended else []

    def _next(self) -> list[SpeechMark]:
        marks: list[SpeechMark] = []
        while self._held:
            mark = self._held.pop(0)
            if isinstance(mark, UtteranceEnded):
                self._paused_at = mark.end
                return [*marks, SpeechPaused(mark.end), EndpointCandidate()]
            marks.append(SpeechResumed() if self._begun else mark)
            self._begun = True
        return marks
