"""Where a recording is cut before it is recognised: pure functions from probabilities of speech to windows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from models.speech.endpointing.silero_vad import FRAME_S, FRAME_SAMPLES, Probabilities
from models.speech.types import SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of samples, ``start`` inclusive, ``end`` exclusive."""

    start: int
    end: int

    @property
    def length_s(self) -> float:
        """Its duration in seconds."""
        return (self.end - self.start) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class ChunkingRules:
    """How to cut.

    Attributes:
        begin_at: Speech begins at a frame with at least this probability.
        end_below: It goes on until the probability stays below this one.
        min_pause_s: Shorter dips do not end it.
        padding_s: Kept before and after speech: the detector hears soft consonants late.
        max_window_s: Longer speech is cut at a pause, or where it is least likely to be a word. Whisper would take
            30 s, but attention costs the square of that, and several windows can be heard at once: 13 clips of 20 to
            60 s in four languages took 23 s instead of 31 with two at once, and had 0.099 and 0.151 instead of 0.097
            and 0.166 of their words wrong, by halves. With 14 s 0.099 and 0.156, with 18 s 0.094 and 0.161.
        drop_pause_s: A longer silence ends a window, so that no time is spent on it.
    """

    begin_at: float = 0.35
    end_below: float = 0.20
    min_pause_s: float = 0.20
    padding_s: float = 0.40
    max_window_s: float = 16.0
    drop_pause_s: float = 4.0


DEFAULT_RULES = ChunkingRules()


_EVERYWHERE = 0.65
"""Speech for the rules above, and for the judgement of what was heard."""


def everywhere(probabilities: Probabilities) -> Probabilities:
    """For a clip of which everything is to be heard: all of it counts as speech, and pauses remain where it is cut."""
    return np.maximum(probabilities, np.float32(_EVERYWHERE))


def speech_spans(probabilities: Probabilities, rules: ChunkingRules = DEFAULT_RULES) -> list[Span]:
    """Find speech, with hysteresis. Spans are whole frames, sorted, apart by at least ``min_pause_s``."""
    pause_frames = max(1, round(rules.min_pause_s / FRAME_S))
    spans: list[Span] = []
    begun: int | None = None
    last = 0
    for at, probability in enumerate(probabilities):
        if probability >= rules.begin_at and begun is None:
            begun = at
        if begun is not None and probability >= rules.end_below:
            last = at + 1
        if begun is not None and at + 1 - last >= pause_frames:
            spans.append(Span(begun * FRAME_SAMPLES, last * FRAME_SAMPLES))
            begun = None
    if begun is not None:
        spans.append(Span(begun * FRAME_SAMPLES, last * FRAME_SAMPLES))
    return spans


def plan_windows(probabilities: Probabilities, total: int, rules: ChunkingRules = DEFAULT_RULES) -> list[Span]:
    """Cut a recording of ``total`` samples into windows that hold all of its speech, in order, without overlap.

    Returns:
        Windows of at most ``max_window_s``; none when nobody speaks.
    """
    padding = int(rules.padding_s * SAMPLE_RATE_HZ)
    pieces = [piece for span in speech_spans(probabilities, rules) for piece in _split(span, probabilities, rules)]
    groups: list[Span] = []
    for piece in pieces:
        if groups and _fits(groups[-1], piece, rules):
            groups[-1] = Span(groups[-1].start, piece.end)
        else:
            groups.append(piece)
    return _padded(groups, padding, total)


def _fits(group: Span, piece: Span, rules: ChunkingRules) -> bool:
    whole_s = Span(group.start, piece.end).length_s + 2 * rules.padding_s
    return whole_s <= rules.max_window_s and Span(group.end, piece.start).length_s < rules.drop_pause_s


def _split(span: Span, probabilities: Probabilities, rules: ChunkingRules) -> list[Span]:
    """Cut one that is too long where speech is least likely, in the last third of each window."""
    longest = int((rules.max_window_s - 2 * rules.padding_s) / FRAME_S)
    first, end = span.start // FRAME_SAMPLES, span.end // FRAME_SAMPLES
    cuts = [first]
    while end - cuts[-1] > longest:
        search_from = cuts[-1] + 2 * longest // 3
        cuts.append(search_from + int(np.argmin(probabilities[search_from : cuts[-1] + longest])))
    cuts.append(end)
    return [Span(a * FRAME_SAMPLES, b * FRAME_SAMPLES) for a, b in itertools.pairwise(cuts)]


def _padded(groups: list[Span], padding: int, total: int) -> list[Span]:
    """Give each its padding; where two would meet, the pause between them is shared."""
    padded = []
    for n, group in enumerate(groups):
        earliest = (groups[n - 1].end + group.start) // 2 if n else 0
        latest = (group.end + groups[n + 1].start) // 2 if n + 1 < len(groups) else total
        padded.append(Span(max(group.start - padding, earliest), min(group.end + padding, latest)))
    return padded
