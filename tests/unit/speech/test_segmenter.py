"""Utterances in a stream, with a detector that follows a script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.marks import (
    EndpointCandidate,
    SpeechMark,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)
from models.speech.endpointing.policy import EarlyEndPolicy, UtterancePolicy
from models.speech.endpointing.segmenter import Segmenter
from models.speech.endpointing.silero_vad import FRAME_SAMPLES
from tests.fakes.speech import ScriptedVad, StatefulVad

POLICY = UtterancePolicy(
    end_silence_s=0.6, min_speech_s=0.12, max_utterance_s=10.0, early_cut_s=3.0, short_pause_s=0.16, early_end=None
)


def script(*parts: tuple[float, float]) -> Samples:
    """Samples of (seconds, probability of speech) parts."""
    return np.concatenate([np.full(int(s * SAMPLE_RATE_HZ), p, np.float32) for s, p in parts])


def segment(samples: Samples, step: int = 320, policy: UtterancePolicy = POLICY, end: bool = True) -> list[SpeechMark]:
    segmenter = Segmenter(ScriptedVad(), policy)
    marks = [m for at in range(0, len(samples), step) for m in segmenter.feed(samples[at : at + step])]
    return marks + (segmenter.end() if end else [])


def spans_s(marks: list[SpeechMark]) -> list[tuple[float, float]]:
    """(begin, end) of the speech itself."""
    spoken = [m for m in marks if isinstance(m, (UtteranceStarted, UtteranceEnded))]
    assert [type(m) for m in spoken] == [UtteranceStarted, UtteranceEnded] * (len(spoken) // 2)
    return [
        (round(a.speech / SAMPLE_RATE_HZ, 1), round(b.speech / SAMPLE_RATE_HZ, 1))
        for a, b in zip(spoken[::2], spoken[1::2], strict=True)
    ]


CASES: list[tuple[str, list[tuple[float, float]], list[tuple[float, float]]]] = [
    ("nothing", [(3, 0.1)], []),
    ("one utterance", [(1, 0), (2, 0.9), (2, 0)], [(1.0, 3.0)]),
    ("a short pause does not end it", [(1, 0), (1, 0.9), (0.4, 0), (1, 0.9), (2, 0)], [(1.0, 3.4)]),
    ("a long one does", [(1, 0), (1, 0.9), (0.8, 0), (1, 0.9), (2, 0)], [(1.0, 2.0), (2.8, 3.8)]),
    ("a click is no speech", [(1, 0), (0.05, 0.9), (2, 0)], []),
    ("doubt goes on, but does not begin", [(1, 0.4), (1, 0.9), (1, 0.4), (2, 0)], [(1.0, 3.0)]),
    ("speech from the first sample to the last", [(2, 0.9)], [(0.0, 2.0)]),
]


@pytest.mark.parametrize("step", [100, 512, 16_000])
@pytest.mark.parametrize(("parts", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_speech_is_segmented_into_utterances(
    parts: list[tuple[float, float]], expected: list[tuple[float, float]], step: int
) -> None:
    assert spans_s(segment(script(*parts), step)) == [pytest.approx(e, abs=0.11) for e in expected]


def test_the_end_is_reported_right_after_the_end_silence() -> None:
    samples = script((1, 0), (1, 0.9), (0.65, 0))
    assert [type(m) for m in segment(samples, end=False)] == [UtteranceStarted, UtteranceEnded]
    assert [type(m) for m in segment(samples[: -int(0.2 * SAMPLE_RATE_HZ)], end=False)] == [UtteranceStarted]


def test_padding_lies_around_the_speech_and_inside_the_stream() -> None:
    began, ended = segment(script((1, 0), (1, 0.9), (2, 0)))
    assert isinstance(began, UtteranceStarted)
    assert isinstance(ended, UtteranceEnded)
    assert began.speech - began.start == int(POLICY.pre_roll_s * SAMPLE_RATE_HZ)
    assert ended.end - ended.speech == int(POLICY.tail_s * SAMPLE_RATE_HZ)
    assert segment(script((0.1, 0), (1, 0.9)))[0].start == 0  # type: ignore[union-attr]


def test_a_clients_end_mark_closes_at_once() -> None:
    segmenter = Segmenter(ScriptedVad(), POLICY)
    samples = script((0.5, 0), (1.0, 0.9))
    (began,) = segmenter.feed(samples)
    (ended,) = segmenter.end()
    assert isinstance(began, UtteranceStarted)
    assert ended == UtteranceEnded(len(samples), (len(samples) // FRAME_SAMPLES) * FRAME_SAMPLES)
    assert segmenter.end() == []
    later = segmenter.feed(script((0.2, 0), (1.0, 0.9)))
    assert isinstance(later[0], UtteranceStarted)
    assert later[0].start >= len(samples)


def test_a_word_too_short_to_begin_becomes_an_utterance_at_the_end_mark() -> None:
    marks = segment(script((0.5, 0), (0.1, 0.9)))
    assert [type(m) for m in marks] == [UtteranceStarted, UtteranceEnded]


def test_a_long_utterance_is_cut_at_a_pause_when_there_is_one() -> None:
    marks = segment(script((8, 0.9), (0.3, 0), (5, 0.9), (1, 0)))
    assert spans_s(marks) == [pytest.approx((0.0, 8.0), abs=0.1), pytest.approx((8.3, 13.3), abs=0.1)]


def test_speech_without_a_pause_is_cut_without_a_gap() -> None:
    marks = segment(script((25, 0.9), (1, 0)))
    begins, ends = marks[::2], marks[1::2]
    assert len(begins) == 3
    for ended, began in zip(ends, begins[1:], strict=False):
        assert isinstance(began, UtteranceStarted)
        assert isinstance(ended, UtteranceEnded)
        assert began.start == ended.end


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.floats(0.03, 4.0), st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0])), min_size=1, max_size=12
    ),
    step=st.sampled_from([160, 511, 4_000]),
)
def test_utterances_never_overlap_or_exceed_the_longest_length(parts: list[tuple[float, float]], step: int) -> None:
    samples = script(*parts)
    marks = segment(samples, step)
    assert marks == segment(samples, 100_000)  # the size of the pieces does not matter
    last_end = 0
    for began, ended in zip(marks[::2], marks[1::2], strict=True):
        assert isinstance(began, UtteranceStarted)
        assert isinstance(ended, UtteranceEnded)
        assert last_end <= began.start <= began.speech <= ended.end <= len(samples)
        assert (ended.end - began.start) / SAMPLE_RATE_HZ <= POLICY.max_utterance_s + 0.1
        last_end = ended.end


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.tuples(st.floats(0.03, 3.0), st.sampled_from([0.0, 0.4, 0.6, 1.0])), min_size=4, max_size=16),
    step=st.sampled_from([160, 511, 4_000]),
)
def test_a_resumed_stream_is_segmented_like_an_unbroken_one(parts: list[tuple[float, float]], step: int) -> None:
    samples = script(*parts)
    whole = Segmenter(StatefulVad(), POLICY)
    marks = whole.feed(samples) + whole.end()
    for n in range(2, len(marks), 2):
        ended = marks[n - 1]
        assert isinstance(ended, UtteranceEnded)
        again = Segmenter(StatefulVad(), POLICY, ended.end)
        rest = samples[again.start :]
        found = [m for at in range(0, len(rest), step) for m in again.feed(rest[at : at + step])] + again.end()
        assert found == marks[n:]


PAUSING = replace(POLICY, early_end=EarlyEndPolicy(transcribe_s=0.12, end_s=0.28))


def converse(segmenter: Segmenter, samples: Samples, over: Callable[[int], bool], step: int = 512) -> list[SpeechMark]:
    """Feed and answer; ``over`` is asked with the end of the pause."""
    marks: list[SpeechMark] = []
    for at in range(0, len(samples), step):
        found = segmenter.feed(samples[at : at + step])
        marks += found
        while found and isinstance(found[-1], EndpointCandidate):
            paused = next(m for m in reversed(marks) if isinstance(m, SpeechPaused))
            found = segmenter.decide(over(paused.end))
            marks += found
    return marks + segmenter.end()


PAUSE = script((0.5, 0), (1, 0.9), (0.4, 0), (1, 0.9), (2, 0))


def test_a_pause_after_a_whole_sentence_ends_the_utterance() -> None:
    marks = converse(Segmenter(ScriptedVad(), PAUSING), PAUSE, lambda _: True)
    assert spans_s(marks) == [pytest.approx((0.5, 1.5), abs=0.11), pytest.approx((1.9, 2.9), abs=0.11)]
    ends = [m.end for m in marks if isinstance(m, UtteranceEnded)]
    assert ends == [m.end for m in marks if isinstance(m, SpeechPaused)]
    assert ends[0] / SAMPLE_RATE_HZ == pytest.approx(1.5 + 0.12, abs=0.07)


def test_a_pause_inside_a_sentence_does_not_end_the_utterance_before_the_end_silence() -> None:
    marks = converse(Segmenter(ScriptedVad(), PAUSING), PAUSE, lambda _: False)
    assert spans_s(marks) == [pytest.approx((0.5, 2.9), abs=0.11)]
    assert SpeechResumed() in marks
    assert marks[-2] == SpeechPaused(marks[-1].end)  # type: ignore[union-attr]
    plain = segment(PAUSE)
    assert [m for m in marks if isinstance(m, (UtteranceStarted, UtteranceEnded))] == plain


def test_a_short_pause_is_marked_but_is_no_endpoint_candidate() -> None:
    samples = script((0.5, 0), (1, 0.9), (0.2, 0), (1, 0.9))
    marks = converse(Segmenter(ScriptedVad(), PAUSING), samples, lambda _: pytest.fail("asked"))
    assert [type(m) for m in marks] == [UtteranceStarted, SpeechPaused, SpeechResumed, UtteranceEnded]


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.tuples(st.floats(0.03, 2.0), st.sampled_from([0.0, 0.4, 0.6, 1.0])), min_size=4, max_size=16),
    step=st.sampled_from([160, 511, 4_000]),
    odd=st.booleans(),
)
def test_the_chunk_size_does_not_change_where_utterances_end(
    parts: list[tuple[float, float]], step: int, odd: bool
) -> None:
    def over(end: int) -> bool:
        return (end // FRAME_SAMPLES % 3 == 0) is odd

    samples = script(*parts)
    marks = converse(Segmenter(StatefulVad(), PAUSING), samples, over)
    assert marks == converse(Segmenter(StatefulVad(), PAUSING), samples, over, step)
    for n, ended in enumerate(marks[:-1]):
        if isinstance(ended, UtteranceEnded):
            resumed = Segmenter(StatefulVad(), PAUSING, ended.end)
            assert converse(resumed, samples[resumed.start :], over, step) == marks[n + 1 :]


@pytest.mark.parametrize("wrong", [{"offset": 0.9}, {"tail_s": 2.0}, {"max_utterance_s": 0.1}])
def test_contradictory_policies_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        UtterancePolicy(**wrong)
