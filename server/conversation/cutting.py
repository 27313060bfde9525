"""Fits ``models.speech.segmenter`` to the ears of a stream."""

from __future__ import annotations

from dataclasses import replace

from models.speech.segmenter import DEFAULT_SEGMENTER_RULES, Segmenter, SpeechBegan, SpeechMark, lead_before
from models.speech.types import Samples
from models.speech.vad import Vad
from server.conversation.ears import Began, Ended
from server.conversation.streams import MakeCutter


class SpeechCutter:
    """A segmenter that counts samples from the beginning of the stream, also when it was resumed later.

    Args:
        start: Sample of the stream at which the audio that is fed begins, lead-in included.
    """

    def __init__(self, segmenter: Segmenter, start: int) -> None:
        self._segmenter = segmenter
        self._start = start

    @property
    def start(self) -> int:
        """Sample of the stream from which on it listens."""
        return self._start

    def feed(self, samples: Samples) -> list[Began | Ended]:
        """Listen on."""
        return [self._moved(mark) for mark in self._segmenter.feed(samples)]

    def end(self) -> list[Began | Ended]:
        """Close a running utterance."""
        return [self._moved(mark) for mark in self._segmenter.end()]

    def _moved(self, mark: SpeechMark) -> Began | Ended:
        if isinstance(mark, SpeechBegan):
            return Began(mark.start + self._start, mark.speech + self._start)
        return Ended(mark.end + self._start, mark.speech + self._start)


def cutter_maker(vad: Vad, max_utterance_s: float) -> MakeCutter:
    """Make cutters that share one detector; it is safe for concurrent calls, and each cutter has its own state."""

    def make(start: int, end_silence_s: float | None) -> SpeechCutter:
        rules = replace(DEFAULT_SEGMENTER_RULES, max_utterance_s=max_utterance_s)
        if end_silence_s is not None:
            rules = replace(rules, silence_s=end_silence_s, tail_s=min(rules.tail_s, end_silence_s))
        lead = lead_before(start)
        return SpeechCutter(Segmenter(vad, rules, lead), start - lead)

    return make
