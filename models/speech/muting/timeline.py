"""Finds the intervals of a recording in which personal words are said, and mutes them.

Times of words are estimates. They are mostly wrong by 0.1 or 0.2 s, and sometimes by more. So intervals are padded,
audio between two muted words is muted too, and more is muted where a word or its time is uncertain.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import av
import numpy as np

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.types import Segment
from models.text import Entity, RawText

Interval = tuple[float, float]
"""Start and end in seconds from the start of the recording."""

MEDIA_TYPE = "audio/flac"

_SEPARATOR = " "
_FADE_SAMPLES = SAMPLE_RATE_HZ // 100
_GAP_SAMPLES = SAMPLE_RATE_HZ // 2
_FULL_SCALE = 32767
_TOKEN = re.compile(r"\w+")
_MIN_DISTINCTIVE = 3
"""Characters of the shortest word that identifies something alone: "at" and "o" do not."""


@dataclass(frozen=True, slots=True)
class MutePolicy:
    """How much to mute around a word.

    Attributes:
        before_s: Muted before a word, because its first consonant is often timed late.
        after_s: Muted after a word, but at most ``into_next_s`` of the next word: the time of a word includes the pause
            after it.
        into_next_s: See ``after_s``.
        join_s: A shorter gap between two muted intervals is muted too.
        min_word_s: A shorter word has an uncertain time.
        max_word_s: A longer word has an uncertain time.
        min_confidence: A word with less confidence has an uncertain time.
    """

    before_s: float = 0.15
    after_s: float = 0.25
    into_next_s: float = 0.05
    join_s: float = 0.6
    min_word_s: float = 0.04
    max_word_s: float = 1.6
    min_confidence: float = 0.2


DEFAULT_MUTE_POLICY = MutePolicy()


@dataclass(frozen=True, slots=True)
class _TimedSpan:
    """A word, or a segment whose words do not fit its text: characters of the text, and when it was said."""

    start: int
    end: int
    time: Interval
    text: str
    next_s: float = math.inf
    """Start of the next word."""


class MuteTimeline:
    """A transcript as one text, and when each of its characters was said.

    Args:
        segments: Of the transcript, with words, in order.
        policy: How much to mute around a word.
    """

    def __init__(self, segments: Sequence[Segment], policy: MutePolicy = DEFAULT_MUTE_POLICY) -> None:
        self._policy = policy
        self.raw = RawText.join([segment.text for segment in segments], _SEPARATOR)
        self.text = self.raw.reveal()
        self._segments: list[_TimedSpan] = []
        self._words: list[_TimedSpan] = []
        offset = 0
        for segment in segments:
            text = segment.text.reveal()
            span = _TimedSpan(offset, offset + len(text), (segment.start_s, segment.end_s), text)
            self._segments.append(span)
            self._words += self._timed_words(segment, span) or [span]
            offset += len(text) + len(_SEPARATOR)

    def word_intervals(self, entities: Iterable[Entity]) -> list[Interval]:
        """When the words of the entities were said, with padding."""
        return [self._padded(spans) for entity in entities if (spans := self._spans_of(entity, self._words))]

    def segment_intervals(self, entities: Iterable[Entity]) -> list[Interval]:
        """When the segments that hold the entities were said, with padding."""
        return [self._padded(spans) for entity in entities if (spans := self._spans_of(entity, self._segments))]

    def distinctive_words(self, entities: Sequence[Entity]) -> frozenset[str]:
        """Words that were said in an entity and nowhere else."""
        personal: set[str] = set()
        others: set[str] = set()
        for match in _TOKEN.finditer(self.text):
            inside = any(e.start < match.end() and match.start() < e.end for e in entities)
            (personal if inside else others).add(match.group().casefold())
        return frozenset(word for word in personal - others if len(word) >= _MIN_DISTINCTIVE)

    def occurrences(self, words: frozenset[str]) -> list[Entity]:
        """Where any of these words was said, or a part of a number among them."""
        digits = [word for word in words if word.isdecimal()]

        def matches(token: str) -> bool:
            return token in words or (
                token.isdecimal() and len(token) >= _MIN_DISTINCTIVE and any(token in number for number in digits)
            )

        found = (m for m in _TOKEN.finditer(self.text) if matches(m.group().casefold()))
        return [Entity("UNREADABLE", m.start(), m.end(), 1.0, "second-transcript") for m in found]

    def _timed_words(self, segment: Segment, whole: _TimedSpan) -> list[_TimedSpan]:
        """The words of a segment; empty when they do not fit its text."""
        spans: list[_TimedSpan] = []
        text, at = whole.text, 0
        for number, word in enumerate(segment.words):
            spelled = word.text.reveal()
            found = text.find(spelled, at)
            if found < 0 or text[at:found].strip():
                return []
            time = (word.start_s, word.end_s)
            next_s = segment.words[number + 1].start_s if number + 1 < len(segment.words) else math.inf
            if self._is_uncertain(segment, number):
                next_s = math.inf
                before, after = segment.words[max(0, number - 1)], segment.words[number + 1 : number + 2]
                time = (min(before.start_s, word.start_s), max(w.end_s for w in (word, *after)))
            at = found + len(spelled)
            spans.append(_TimedSpan(whole.start + found, whole.start + at, time, spelled, next_s))
        return [] if text[at:].strip() else spans

    def _is_uncertain(self, segment: Segment, number: int) -> bool:
        """Whether the time of a word is uncertain."""
        word, policy = segment.words[number], self._policy
        length_s = word.end_s - word.start_s
        goes_back = number > 0 and word.start_s < segment.words[number - 1].start_s
        return (
            goes_back
            or not policy.min_word_s <= length_s <= policy.max_word_s
            or word.confidence < policy.min_confidence
        )

    def _spans_of(self, entity: Entity, among: Sequence[_TimedSpan]) -> list[_TimedSpan]:
        """The spans that an entity overlaps; for an entity between two spans, both of them."""
        inside = [span for span in among if span.start < entity.end and entity.start < span.end]
        if inside:
            return inside
        before = [span for span in among if span.end <= entity.start][-1:]
        return before + [span for span in among if span.start >= entity.end][:1]

    def _padded(self, spans: Sequence[_TimedSpan]) -> Interval:
        begin = min(span.time[0] for span in spans) - self._policy.before_s
        last_s = max(span.time[1] for span in spans)
        end = min(last_s + self._policy.after_s, max(last_s, spans[-1].next_s + self._policy.into_next_s))
        return max(0.0, begin), end


def merge_intervals(intervals: Iterable[Interval], join_s: float) -> list[Interval]:
    """Sort intervals, and join those that are less than ``join_s`` apart."""
    result: list[Interval] = []
    for begin, end in sorted(intervals):
        if result and begin - result[-1][1] < join_s:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return result


def mute(samples: Samples, intervals: Iterable[Interval]) -> Samples:
    """The recording with silence in these intervals, and a fade of 10 ms on both sides of each."""
    result = samples.copy()
    fade = np.linspace(1.0, 0.0, _FADE_SAMPLES, dtype=np.float32)
    for begin, end in intervals:
        first, last = max(0, int(begin * SAMPLE_RATE_HZ)), min(len(result), int(np.ceil(end * SAMPLE_RATE_HZ)))
        result[first:last] = 0.0
        before, after = result[max(0, first - _FADE_SAMPLES) : first], result[last : last + _FADE_SAMPLES]
        before *= fade[len(fade) - len(before) :]
        after *= fade[::-1][: len(after)]
    return result


class UnmutedAudio:
    """A recording whose muted intervals are shortened to half a second each.

    Whisper may stop at a long silence, so that it would miss what comes after it.

    Args:
        samples: The whole recording.
        muted: Sorted, not overlapping.
    """

    def __init__(self, samples: Samples, muted: Sequence[Interval]) -> None:
        length_s = len(samples) / SAMPLE_RATE_HZ
        edges = [0.0, *(min(t, length_s) for interval in muted for t in interval), length_s]
        self._pieces: list[tuple[float, float, float]] = []
        """Start in ``samples``, start and end in the recording, in seconds."""
        parts = [np.zeros(0, dtype=np.float32)]
        at = 0
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            part = samples[int(begin * SAMPLE_RATE_HZ) : int(end * SAMPLE_RATE_HZ)]
            self._pieces.append((at / SAMPLE_RATE_HZ, begin, end))
            parts += [part, np.zeros(_GAP_SAMPLES, dtype=np.float32)]
            at += len(part) + _GAP_SAMPLES
        self.samples: Samples = np.concatenate(parts)

    def to_recording(self, segment: Segment) -> Segment:
        """A segment of ``samples``, with its times in the recording."""
        words = tuple(
            replace(word, start_s=self._original_s(word.start_s), end_s=self._original_s(word.end_s))
            for word in segment.words
        )
        start_s, end_s = self._original_s(segment.start_s), self._original_s(segment.end_s)
        return replace(segment, start_s=start_s, end_s=end_s, words=words)

    def _original_s(self, time_s: float) -> float:
        piece = max((p for p in self._pieces if p[0] <= time_s), default=self._pieces[0])
        return min(piece[2], piece[1] + max(0.0, time_s - piece[0]))


def encode_flac(samples: Samples) -> bytes:
    """A FLAC file of 16-bit mono, without metadata."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        stream.codec_context.format = "s16"
        pcm = np.round(np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype(np.int16)[None, :]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
