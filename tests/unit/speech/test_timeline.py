"""From words to silent stretches, and the silence itself."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ
from models.speech.muting.timeline import (
    Interval,
    MutePolicy,
    MuteTimeline,
    UnmutedAudio,
    encode_flac,
    merge_intervals,
    mute,
)
from models.speech.types import Segment, Word
from models.text import Entity, RawText

RULES = MutePolicy(before_s=0.1, after_s=0.2, join_s=0.5, into_next_s=0.05)


def segment(text: str, start_s: float = 0.0, word_s: float = 0.5, **changes: tuple[float, float, float]) -> Segment:
    """Words of half a second each; ``changes`` give one another begin, end and confidence."""
    words = [
        Word(RawText(word), *changes.get(word, (start_s + n * word_s, start_s + (n + 1) * word_s, 0.9)))
        for n, word in enumerate(text.split())
    ]
    return Segment(RawText(text), start_s, start_s + len(words) * word_s, 0.9, tuple(words))


def entities(text: str, *values: str) -> list[Entity]:
    return [Entity("NAME", text.index(v), text.index(v) + len(v), 1.0) for v in values]


@pytest.mark.parametrize(
    ("segments", "value", "expected"),
    [
        ([segment("I am Ana here")], "Ana", (0.9, 1.55)),  # up to the next word
        ([segment("I am Ana")], "Ana", (0.9, 1.7)),
        ([segment("Ana")], "Ana", (0.0, 0.7)),
        ([segment("it is Ana-Maria, yes")], "Maria", (0.9, 1.55)),  # a part of a word takes the word
        ([segment("I am Ana"), segment("Lee speaking", 5.0)], "Ana Lee", (0.9, 5.55)),  # over two segments
        ([segment("so I am Ana here", Ana=(1.5, 1.5, 0.9))], "Ana", (0.9, 2.7)),  # no length: the neighbours too
        ([segment("so I am Ana here", Ana=(1.5, 4.0, 0.9))], "Ana", (0.9, 4.2)),  # far too long
        ([segment("so I am Ana here", Ana=(1.5, 2.0, 0.1))], "Ana", (0.9, 2.7)),  # hardly heard
        ([segment("so I am Ana here", Ana=(0.2, 2.0, 0.9))], "Ana", (0.1, 2.7)),  # before the word before
    ],
)
def test_words_of_an_entity_are_muted(segments: list[Segment], value: str, expected: Interval) -> None:
    timeline = MuteTimeline(segments, RULES)
    assert timeline.word_intervals(entities(timeline.text, value)) == [pytest.approx(expected)]


@pytest.mark.parametrize("words", [("I", "was", "Ana"), ("I", "am"), ("am", "Ana"), ()])
def test_words_that_do_not_fit_the_text_mute_the_segment(words: tuple[str, ...]) -> None:
    timed = tuple(Word(RawText(w), 3.0 + n, 4.0 + n, 0.9) for n, w in enumerate(words))
    timeline = MuteTimeline([Segment(RawText("I am Ana"), 3.0, 9.0, 0.9, timed)], RULES)
    assert timeline.word_intervals(entities(timeline.text, "Ana")) == [pytest.approx((2.9, 9.2))]


def test_an_entity_between_words_takes_both_neighbours() -> None:
    timeline = MuteTimeline([segment("one two")], RULES)
    assert timeline.word_intervals([Entity("ID", 3, 4, 1.0)]) == [pytest.approx((0.0, 1.2))]


def test_words_of_entities_are_distinctive_unless_said_elsewhere() -> None:
    timeline = MuteTimeline([segment("call Ana on 4155550132 at five or at the five example")])
    telling = timeline.distinctive_words(entities(timeline.text, "Ana", "4155550132 at five"))
    assert telling == {"ana", "4155550132"}
    again = MuteTimeline([segment("ANA said 0132 and 41 banana")])
    assert [again.text[e.start : e.end] for e in again.occurrences(telling)] == ["ANA", "0132"]


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ([], []),
        ([(3.0, 4.0), (1.0, 2.0)], [(1.0, 2.0), (3.0, 4.0)]),
        ([(1.0, 2.0), (2.4, 3.0)], [(1.0, 3.0)]),
        ([(1.0, 5.0), (2.0, 3.0)], [(1.0, 5.0)]),
    ],
)
def test_near_stretches_are_joined(stretches: list[Interval], expected: list[Interval]) -> None:
    assert merge_intervals(stretches, 0.5) == expected


@pytest.mark.parametrize("stretch", [(0.5, 1.0), (0.0, 0.5), (1.5, 9.0), (0.0, 9.0), (-1.0, 0.2)])
def test_a_muted_span_is_digital_silence(stretch: Interval) -> None:
    loud = np.ones(2 * SAMPLE_RATE_HZ, dtype=np.float32)
    quiet = mute(loud, [stretch])
    times = np.arange(len(loud)) / SAMPLE_RATE_HZ
    assert not quiet[(times >= stretch[0]) & (times < stretch[1])].any()
    kept = quiet[(times < stretch[0] - 0.02) | (times > stretch[1] + 0.02)]
    assert np.array_equal(kept, np.ones_like(kept))
    assert loud.all()


def test_the_file_is_lossless_and_has_no_metadata() -> None:
    sound = (np.round(np.sin(np.arange(SAMPLE_RATE_HZ) / 20) * 20_000) / 32_767).astype(np.float32)
    data = encode_flac(sound)
    assert np.allclose(decode(data), sound, atol=1e-4)
    with av.open(io.BytesIO(data)) as container:
        assert not container.metadata
        assert not container.streams.audio[0].metadata


def test_transcribing_without_the_muted_spans_keeps_the_original_times() -> None:
    audible = UnmutedAudio(np.ones(10 * SAMPLE_RATE_HZ, dtype=np.float32), [(2.0, 6.0), (8.0, 9.0)])
    assert len(audible.samples) / SAMPLE_RATE_HZ == pytest.approx(2.0 + 2.0 + 1.0 + 3 * 0.5)
    placed = audible.to_recording(segment("a b c d e f", word_s=1.0))
    assert [word.start_s for word in placed.words] == pytest.approx([0.0, 1.0, 2.0, 6.5, 7.5, 9.0])
    assert placed.end_s == pytest.approx(10.0)


def test_a_fully_muted_recording_has_no_speech() -> None:
    audible = UnmutedAudio(np.ones(SAMPLE_RATE_HZ, dtype=np.float32), [(0.0, 5.0)])
    assert not audible.samples.any()
