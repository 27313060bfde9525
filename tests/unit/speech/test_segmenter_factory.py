"""What a client may ask for about where utterances end."""

from __future__ import annotations

import numpy as np
import pytest

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.marks import EndpointCandidate, SpeechMark, UtteranceEnded
from models.speech.endpointing.policy import DEFAULT_POLICY
from models.speech.endpointing.segmenter import segmenter_factory
from tests.fakes.speech import ScriptedVad

SERVERS_BOUND_S = 20.0


def script(*parts: tuple[float, float]) -> Samples:
    """Samples of (seconds, probability of speech) parts."""
    return np.concatenate([np.full(int(s * SAMPLE_RATE_HZ), p, np.float32) for s, p in parts])


def ends_s(samples: Samples, end_silence_s: float | None = None, max_utterance_s: float | None = None) -> list[float]:
    """Where utterances end, none of which is a whole sentence."""
    segmenter = segmenter_factory(ScriptedVad(), DEFAULT_POLICY.utterances.with_longest(SERVERS_BOUND_S))(
        0, end_silence_s, max_utterance_s
    )
    marks: list[SpeechMark] = []
    for at in range(0, len(samples), 320):
        found = segmenter.feed(samples[at : at + 320])
        while found and isinstance(found[-1], EndpointCandidate):
            marks += found
            found = segmenter.decide(False)
        marks += found
    marks += segmenter.end()
    return [round(mark.speech / SAMPLE_RATE_HZ, 1) for mark in marks if isinstance(mark, UtteranceEnded)]


@pytest.mark.parametrize(
    ("end_silence_s", "ends"), [(None, [2.0, 4.0]), (0.2, [2.0, 4.0]), (0.8, [2.0, 4.0]), (1.5, [4.0])]
)
def test_the_client_chooses_the_end_silence(end_silence_s: float | None, ends: list[float]) -> None:
    samples = script((2.0, 0.9), (1.0, 0.0), (1.0, 0.9), (2.0, 0.0))
    assert ends_s(samples, end_silence_s) == [pytest.approx(end, abs=0.11) for end in ends]


@pytest.mark.parametrize(
    ("max_utterance_s", "longest_s"), [(None, SERVERS_BOUND_S), (5.0, 5.0), (12.0, 12.0), (28.0, SERVERS_BOUND_S)]
)
def test_the_client_chooses_the_longest_utterance_within_the_servers_bound(
    max_utterance_s: float | None, longest_s: float
) -> None:
    ends = ends_s(script((45.0, 0.9)), max_utterance_s=max_utterance_s)
    lengths = np.diff([0.0, *ends])
    assert lengths.max() == pytest.approx(longest_s, abs=0.6)
    assert len(ends) == np.ceil(45.0 / longest_s)


def test_a_short_utterance_bound_still_cuts_at_a_pause() -> None:
    samples = script((4.2, 0.9), (0.3, 0.0), (4.0, 0.9), (2.0, 0.0))
    assert ends_s(samples, max_utterance_s=5.0)[0] == pytest.approx(4.2, abs=0.15)
