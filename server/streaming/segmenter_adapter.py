"""Fits ``models.speech.endpointing.segmenter`` to the ears of a stream."""

from __future__ import annotations

from dataclasses import replace

from models.speech.endpointing.pauses import EndpointRules, SpeechPaused, SpeechResumed
from models.speech.endpointing.segmenter import (
    DEFAULT_SEGMENTER_RULES,
    Segmenter,
    SpeechBegan,
    SpeechEnded,
    SpeechMark,
    lead_before,
)
from models.speech.endpointing.silero_vad import Vad
from models.speech.types import Samples
from server.streaming.audio_ingest import Began, Ended, EndpointCandidate, Mark, Paused, Resumed
from server.streaming.stream_manager import MakeCutter


class SegmenterAdapter:
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

    def feed(self, samples: Samples) -> list[Mark]:
        """Listen on."""
        return [self._moved(mark) for mark in self._segmenter.feed(samples)]

    def decide(self, over: bool) -> list[Mark]:
        """Answer whether the utterance is over, and listen on."""
        return [self._moved(mark) for mark in self._segmenter.decide(over)]

    def end(self) -> list[Mark]:
        """Close a running utterance."""
        return [self._moved(mark) for mark in self._segmenter.end()]

    def _moved(self, mark: SpeechMark) -> Mark:
        match mark:
            case SpeechBegan():
                return Began(mark.start + self._start, mark.speech + self._start)
            case SpeechEnded():
                return Ended(mark.end + self._start, mark.speech + self._start)
            case SpeechPaused():
                return Paused(mark.end + self._start)
            case SpeechResumed():
                return Resumed()
            case _:
                return EndpointCandidate()


def segmenter_factory(vad: Vad, max_utterance_s: float) -> MakeCutter:
    """Make cutters that share one detector.

    Args:
        vad: Safe for concurrent calls; each cutter has its own state.
        max_utterance_s: Longest utterance that any client gets.
    """

    def make(start: int, end_silence_s: float | None, longest_s: float | None) -> SegmenterAdapter:
        most_s = min(max_utterance_s, longest_s or max_utterance_s)
        # Words are hurried towards a pause in the same last part of every utterance that is cut, long or short.
        hurry_s = DEFAULT_SEGMENTER_RULES.hurry_s * most_s / DEFAULT_SEGMENTER_RULES.max_utterance_s
        rules = replace(DEFAULT_SEGMENTER_RULES, max_utterance_s=most_s, hurry_s=hurry_s, pauses=EndpointRules())
        if end_silence_s is not None:
            # The client has its own idea of an end: whole sentences wait for it too.
            tail_s, pauses = min(rules.tail_s, end_silence_s), EndpointRules(sure_s=end_silence_s)
            rules = replace(rules, silence_s=end_silence_s, tail_s=tail_s, pauses=pauses)
        lead = lead_before(start)
        return SegmenterAdapter(Segmenter(vad, rules, lead), start - lead)

    return make
