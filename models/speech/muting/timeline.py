"""Which stretches of a recording hold the personal words of its transcript, and the recording without them.

Times of words are estimates, off by a tenth of a second or two and sometimes by far more. So there is padding, what
stands between two personal words goes with them, and where a word or its time is in doubt more is taken than needed.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import av
import numpy as np

from models.speech.types import SAMPLE_RATE_HZ, Samples, Segment
from models.text import Entity

Stretch = tuple[float, float]
"""Begin and end in seconds from the start of the recording."""

MEDIA_TYPE = "audio/flac"

_BETWEEN = " "
_FADE_SAMPLES = SAMPLE_RATE_HZ // 100
_MOMENT_SAMPLES = SAMPLE_RATE_HZ // 2
_FULL_SCALE = 32767
_TOKEN = re.compile(r"\w+")
_LEAST_TELLING = 3
"""Characters from which a word alone may tell something: "at" and "o" do not."""


@dataclass(frozen=True, slots=True)
class MuteRules:
    """How generously to mute.

    Attributes:
        before_s: Taken before a word, whose first consonant is often timed late.
        after_s: Taken after a word, but not more than ``into_next_s`` of the word that follows: the time of a word
            goes on through the pause behind it.
        into_next_s: See above.
        join_s: Shorter stretches between two muted ones are muted too.
        shortest_word_s: A word timed shorter than this has a doubtful time.
        longest_word_s: One timed longer, too.
        sure: A word heard with less confidence has a doubtful time.
    """

    before_s: float = 0.15
    after_s: float = 0.25
    into_next_s: float = 0.05
    join_s: float = 0.6
    shortest_word_s: float = 0.04
    longest_word_s: float = 1.6
    sure: float = 0.2


DEFAULT_RULES = MuteRules()


@dataclass(frozen=True, slots=True)
class _Placed:
    """A word, or a whole segment whose words cannot be placed: characters of the text, and when it was said."""

    start: int
    end: int
    time: Stretch
    word: str
    next_s: float = math.inf
    """When the next word begins."""


class MuteTimeline:
    """A transcript as one text, and when each of its characters was said.

    Args:
        segments: What was heard, with words, in order.
        rules: How generously to mute.
    """

    def __init__(self, segments: Sequence[Segment], rules: MuteRules = DEFAULT_RULES) -> None:
        self._rules = rules
        self.text = _BETWEEN.join(segment.text.reveal() for segment in segments)
        self._segments: list[_Placed] = []
        self._words: list[_Placed] = []
        offset = 0
        for segment in segments:
            whole = segment.text.reveal()
            placed = _Placed(offset, offset + len(whole), (segment.start_s, segment.end_s), whole)
            self._segments.append(placed)
            self._words += self._placed_words(segment, placed) or [placed]
            offset += len(whole) + len(_BETWEEN)

    def stretches(self, entities: Iterable[Entity]) -> list[Stretch]:
        """When the words of the entities were said, with padding."""
        return [self._padded(run) for entity in entities if (run := self._touched(entity, self._words))]

    def whole_segments(self, entities: Iterable[Entity]) -> list[Stretch]:
        """The segments that the entities lie in, with padding."""
        return [self._padded(run) for entity in entities if (run := self._touched(entity, self._segments))]

    def telling(self, entities: Sequence[Entity]) -> frozenset[str]:
        """Words that were said in an entity and nowhere else."""
        personal: set[str] = set()
        others: set[str] = set()
        for match in _TOKEN.finditer(self.text):
            inside = any(e.start < match.end() and match.start() < e.end for e in entities)
            (personal if inside else others).add(match.group().casefold())
        return frozenset(word for word in personal - others if len(word) >= _LEAST_TELLING)

    def repeats(self, words: frozenset[str]) -> list[Entity]:
        """Where any of these words was said, or a part of a number among them."""
        digits = [word for word in words if word.isdecimal()]

        def told(token: str) -> bool:
            return token in words or (
                token.isdecimal() and len(token) >= _LEAST_TELLING and any(token in number for number in digits)
            )

        found = (m for m in _TOKEN.finditer(self.text) if told(m.group().casefold()))
        return [Entity("UNREADABLE", m.start(), m.end(), 1.0, "heard-again") for m in found]

    def _placed_words(self, segment: Segment, whole: _Placed) -> list[_Placed]:
        """Its words, or nothing where the text and the words do not agree: then the segment is one word."""
        placed: list[_Placed] = []
        text, at = whole.word, 0
        for number, word in enumerate(segment.words):
            spelled = word.text.reveal()
            found = text.find(spelled, at)
            if found < 0 or text[at:found].strip():
                return []
            time = (word.start_s, word.end_s)
            next_s = segment.words[number + 1].start_s if number + 1 < len(segment.words) else math.inf
            if self._doubtful(segment, number):
                next_s = math.inf
                before, after = segment.words[max(0, number - 1)], segment.words[number + 1 : number + 2]
                time = (min(before.start_s, word.start_s), max(w.end_s for w in (word, *after)))
            at = found + len(spelled)
            placed.append(_Placed(whole.start + found, whole.start + at, time, spelled, next_s))
        return [] if text[at:].strip() else placed

    def _doubtful(self, segment: Segment, number: int) -> bool:
        """Whether the time of a word cannot be trusted."""
        word, rules = segment.words[number], self._rules
        length_s = word.end_s - word.start_s
        backwards = number > 0 and word.start_s < segment.words[number - 1].start_s
        return (
            backwards or not rules.shortest_word_s <= length_s <= rules.longest_word_s or word.confidence < rules.sure
        )

    def _touched(self, entity: Entity, among: Sequence[_Placed]) -> list[_Placed]:
        """The pieces that an entity reaches into; between two of them, their neighbours on both sides."""
        inside = [piece for piece in among if piece.start < entity.end and entity.start < piece.end]
        if inside:
            return inside
        before = [piece for piece in among if piece.end <= entity.start][-1:]
        return before + [piece for piece in among if piece.start >= entity.end][:1]

    def _padded(self, run: Sequence[_Placed]) -> Stretch:
        begin = min(piece.time[0] for piece in run) - self._rules.before_s
        last_s = max(piece.time[1] for piece in run)
        end = min(last_s + self._rules.after_s, max(last_s, run[-1].next_s + self._rules.into_next_s))
        return max(0.0, begin), end


def joined(stretches: Iterable[Stretch], join_s: float) -> list[Stretch]:
    """Sorted and apart by at least ``join_s``."""
    result: list[Stretch] = []
    for begin, end in sorted(stretches):
        if result and begin - result[-1][1] < join_s:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return result


def silenced(samples: Samples, stretches: Iterable[Stretch]) -> Samples:
    """The recording with nothing at all in these stretches; beside them it fades for a hundredth of a second."""
    result = samples.copy()
    fade = np.linspace(1.0, 0.0, _FADE_SAMPLES, dtype=np.float32)
    for begin, end in stretches:
        first, last = max(0, int(begin * SAMPLE_RATE_HZ)), min(len(result), int(np.ceil(end * SAMPLE_RATE_HZ)))
        result[first:last] = 0.0
        before, after = result[max(0, first - _FADE_SAMPLES) : first], result[last : last + _FADE_SAMPLES]
        before *= fade[len(fade) - len(before) :]
        after *= fade[::-1][: len(after)]
    return result


class Audible:
    """A recording without its silenced stretches, of each of which only a moment is left.

    Whisper stops to listen at a long silence; so that all is heard, there must be none.

    Args:
        samples: The whole recording.
        stretches: Sorted, not overlapping.
    """

    def __init__(self, samples: Samples, stretches: Sequence[Stretch]) -> None:
        length_s = len(samples) / SAMPLE_RATE_HZ
        borders = [0.0, *(min(t, length_s) for stretch in stretches for t in stretch), length_s]
        self._pieces: list[tuple[float, float, float]] = []
        """Begin in ``samples``, begin and end in the recording."""
        parts = [np.zeros(0, dtype=np.float32)]
        at = 0
        for begin, end in zip(borders[::2], borders[1::2], strict=True):
            part = samples[int(begin * SAMPLE_RATE_HZ) : int(end * SAMPLE_RATE_HZ)]
            self._pieces.append((at / SAMPLE_RATE_HZ, begin, end))
            parts += [part, np.zeros(_MOMENT_SAMPLES, dtype=np.float32)]
            at += len(part) + _MOMENT_SAMPLES
        self.samples: Samples = np.concatenate(parts)

    def placed(self, segment: Segment) -> Segment:
        """A segment that was heard in ``samples``, with the times of the recording."""
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
    """A FLAC file of 16-bit mono with no metadata but the sample rate and length."""
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
