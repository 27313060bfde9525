"""Cuts a recording into windows before it is transcribed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.cancellation import NEVER, Cancellation
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.policy import DEFAULT_POLICY, WindowPolicy
from models.speech.endpointing.silero_vad import FRAME_S, FRAME_SAMPLES, WORD_SAMPLES, Probabilities, Vad


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
class Window:
    """What is transcribed in one piece.

    Attributes:
        span: Where it is in the recording.
        speech_probability: The highest of its frames.
    """

    span: Span
    speech_probability: float


def cut_windows(
    vad: Vad,
    samples: Samples,
    *,
    everything: bool = False,
    policy: WindowPolicy = DEFAULT_POLICY.windows,
    cancellation: Cancellation = NEVER,
) -> list[Window]:
    """Cut a recording into the windows that are transcribed.

    Args:
        vad: Tells where speech is.
        samples: The recording.
        everything: Keep all of it, also where the VAD finds no speech; pauses still say where to cut.
        policy: How to cut.
        cancellation: Of the call.

    Raises:
        Cancelled, DeadlineExceeded: As ``cancellation`` says.
    """
    probabilities = vad.probabilities(samples, cancellation)
    return _windows(probabilities, len(samples), policy, everything=everything)


def cut_pieces(
    vad: Vad,
    pieces: Iterable[Samples],
    *,
    everything: bool = False,
    policy: WindowPolicy = DEFAULT_POLICY.windows,
    cancellation: Cancellation = NEVER,
) -> tuple[list[Window], int]:
    """As ``cut_windows``, for a recording of which only a piece is in memory at a time.

    Returns:
        The windows, and the number of samples of the whole recording.
    """
    stream, found, total = vad.stream(), [], 0
    begin: list[Samples] = []
    for piece in pieces:
        cancellation.check()
        if total < WORD_SAMPLES:
            begin.append(piece)
        total += len(piece)
        found.append(stream.feed(piece))
    if total < WORD_SAMPLES:
        return cut_windows(vad, np.concatenate(begin), everything=everything, policy=policy), total
    found.append(stream.feed(np.zeros(-total % FRAME_SAMPLES, np.float32)))
    return _windows(np.concatenate(found), total, policy, everything=everything), total


def _windows(probabilities: Probabilities, total: int, policy: WindowPolicy, *, everything: bool) -> list[Window]:
    if everything:
        probabilities = np.maximum(probabilities, np.float32(policy.everything))

    def window(span: Span) -> Window:
        frames = probabilities[span.start // FRAME_SAMPLES : -(-span.end // FRAME_SAMPLES)]
        return Window(span, float(frames.max(initial=0.0)))

    return [window(span) for span in plan_windows(probabilities, total, policy)]


def speech_spans(probabilities: Probabilities, policy: WindowPolicy = DEFAULT_POLICY.windows) -> list[Span]:
    """Find speech, with hysteresis. Spans are whole frames, sorted, apart by at least ``min_pause_s``."""
    pause_frames = max(1, round(policy.min_pause_s / FRAME_S))
    spans: list[Span] = []
    first: int | None = None
    last = 0
    for at, probability in enumerate(probabilities):
        if probability >= policy.onset and first is None:
            first = at
        if first is not None and probability >= policy.offset:
            last = at + 1
        if first is not None and at + 1 - last >= pause_frames:
            spans.append(Span(first * FRAME_SAMPLES, last * FRAME_SAMPLES))
            first = None
    if first is not None:
        spans.append(Span(first * FRAME_SAMPLES, last * FRAME_SAMPLES))
    return spans


def plan_windows(probabilities: Probabilities, total: int, policy: WindowPolicy = DEFAULT_POLICY.windows) -> list[Span]:
    """Cut a recording of ``total`` samples into windows that hold all of its speech, in order, without overlap.

    Returns:
        Windows of at most ``max_window_s``; none when nobody speaks.
    """
    padding = int(policy.padding_s * SAMPLE_RATE_HZ)
    pieces = [piece for span in speech_spans(probabilities, policy) for piece in _split(span, probabilities, policy)]
    groups: list[Span] = []
    for piece in pieces:
        if groups and _fits(groups[-1], piece, policy):
            groups[-1] = Span(groups[-1].start, piece.end)
        else:
            groups.append(piece)
    return _padded(groups, padding, total)


def _fits(group: Span, piece: Span, policy: WindowPolicy) -> bool:
    whole_s = Span(group.start, piece.end).length_s + 2 * policy.padding_s
    return whole_s <= policy.max_window_s and Span(group.end, piece.start).length_s < policy.drop_pause_s


def _split(span: Span, probabilities: Probabilities, policy: WindowPolicy) -> list[Span]:
    """Cut a span that is too long where speech is least likely, in the last third of each window."""
    longest = int((policy.max_window_s - 2 * policy.padding_s) / FRAME_S)
    first, end = span.start // FRAME_SAMPLES, span.end // FRAME_SAMPLES
    cuts = [first]
    while end - cuts[-1] > longest:
        search_from = cuts[-1] + 2 * longest // 3
        cuts.append(search_from + int(np.argmin(probabilities[search_from : cuts[-1] + longest])))
    cuts.append(end)
    return [Span(a * FRAME_SAMPLES, b * FRAME_SAMPLES) for a, b in itertools.pairwise(cuts)]


def _padded(groups: Sequence[Span], padding: int, total: int) -> list[Span]:
    """Add padding to each window; where two would overlap, they share the pause between them."""
    padded = []
    for n, group in enumerate(groups):
        earliest = (groups[n - 1].end + group.start) // 2 if n else 0
        latest = (group.end + groups[n + 1].start) // 2 if n + 1 < len(groups) else total
        padded.append(Span(max(group.start - padding, earliest), min(group.end + padding, latest)))
    return padded
