"""Cutting recordings at pauses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.media.samples import SAMPLE_RATE_HZ
from models.speech.endpointing.chunking import Span, cut_windows, plan_windows, speech_spans
from models.speech.endpointing.policy import DEFAULT_POLICY, WindowPolicy
from models.speech.endpointing.silero_vad import FRAME_S, FRAME_SAMPLES, Probabilities
from tests.fakes.speech import ScriptedVad


def frames(*parts: tuple[float, float]) -> Probabilities:
    """Probabilities of (seconds, probability) parts."""
    return np.concatenate([np.full(round(s / FRAME_S), p, np.float32) for s, p in parts])


def in_s(spans: list[Span]) -> list[tuple[float, float]]:
    return [(s.start / SAMPLE_RATE_HZ, s.end / SAMPLE_RATE_HZ) for s in spans]


PAD = DEFAULT_POLICY.windows.padding_s
LONG = WindowPolicy(max_window_s=29.0)
CASES: list[tuple[str, Probabilities, list[tuple[float, float]]]] = [
    ("silence", frames((10, 0.05)), []),
    ("one word", frames((3, 0), (1, 0.9), (3, 0)), [(3 - PAD, 4 + PAD)]),
    ("a pause inside", frames((1, 0), (2, 0.9), (1, 0), (2, 0.9), (1, 0)), [(1 - PAD, 6 + PAD)]),
    ("a long silence is left out", frames((2, 0.9), (20, 0), (2, 0.9)), [(0, 2 + PAD), (22 - PAD, 24)]),
    (
        "long speech is cut at its pauses",
        frames((20, 0.9), (0.5, 0), (20, 0.9), (0.5, 0), (20, 0.9)),
        [(0, 20.25), (20.25, 40.75), (40.75, 61)],
    ),
]


@pytest.mark.parametrize(("probabilities", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_recordings_are_cut_into_windows(probabilities: Probabilities, expected: list[tuple[float, float]]) -> None:
    total = len(probabilities) * FRAME_SAMPLES
    assert in_s(plan_windows(probabilities, total, LONG)) == [pytest.approx(e, abs=0.1) for e in expected]


def test_speech_without_pauses_is_cut_at_its_lowest_probability() -> None:
    probabilities = frames((60, 0.9))
    quiet = round(25 / FRAME_S)
    probabilities[quiet] = 0.3
    windows = plan_windows(probabilities, len(probabilities) * FRAME_SAMPLES, LONG)
    assert windows[0].end == quiet * FRAME_SAMPLES
    assert [w.start for w in windows[1:]] == [w.end for w in windows[:-1]]


@settings(max_examples=100, deadline=None)
@given(
    parts=st.lists(st.tuples(st.floats(0.04, 40.0), st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=1, max_size=12),
    short=st.integers(0, FRAME_SAMPLES - 1),
)
def test_each_part_of_the_speech_is_in_exactly_one_window(parts: list[tuple[float, float]], short: int) -> None:
    probabilities = frames(*parts)
    total = len(probabilities) * FRAME_SAMPLES - short
    windows = plan_windows(probabilities, total)
    for before, after in pairwise(windows):
        assert before.end <= after.start
    for window in windows:
        assert 0 <= window.start < window.end <= total
        assert window.length_s <= 30.0
    covered = np.zeros(total, bool)
    for window in windows:
        covered[window.start : window.end] = True
    assert all(covered[span.start : min(span.end, total)].all() for span in speech_spans(probabilities))


def test_a_clip_that_is_transcribed_whole_is_cut_at_its_pauses() -> None:
    loudness = frames((12.8, 0.9), (0.64, 0.1), (15.0, 0.9), (4.0, 0.1))
    samples = np.repeat(loudness, FRAME_SAMPLES)
    assert sum(w.span.length_s for w in cut_windows(ScriptedVad(), samples)) < len(samples) / SAMPLE_RATE_HZ - 3.0
    first, *rest = cut_windows(ScriptedVad(), samples, everything=True)
    assert 12.8 <= first.span.end / SAMPLE_RATE_HZ <= 13.44
    assert (first.span.start, rest[-1].span.end) == (0, len(samples))


def test_a_window_knows_its_highest_probability_of_speech() -> None:
    samples = np.repeat(frames((2, 0.9), (6, 0), (2, 0.5), (2, 0)), FRAME_SAMPLES)
    assert [w.speech_probability for w in cut_windows(ScriptedVad(), samples)] == [pytest.approx(0.9), 0.5]
