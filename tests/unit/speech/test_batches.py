"""Both engines as on a GPU, with real weights: what several callers say, in one batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.engines import CTRANSLATE2, ENGINES, build_vad
from models.speech.types import SpeechOptions, Transcript
from models.speech.whisper.chunked_engine import ChunkedEngine
from models.speech.whisper.ctranslate2_batches import CTranslate2BatchEngine
from models.speech.whisper.openai_checkpoint import whisper_checkpoint
from models.speech.whisper.openai_engine import OpenAiWhisperEngine
from models.weights.store import locate

pytestmark = pytest.mark.models

TINY, BASE = "whisper-tiny.en", "whisper-base"
ENGLISH = SpeechOptions(language="en", quick=True)  # one pass, so that each clip is decoded once
AT_ONCE = 6
WAIT_S = 300.0

Build = Callable[[str, Callable[[int], None]], ChunkedEngine]


@pytest.fixture(scope="module", params=ENGINES)
def build(request: pytest.FixtureRequest, weights_cache: Path) -> Build:
    """Builds an engine for batches with these weights."""

    def of(weights: str, on_batch: Callable[[int], None]) -> ChunkedEngine:
        vad = build_vad(weights_cache)
        if request.param == CTRANSLATE2:
            folder = locate(weights, weights_cache)
            return CTranslate2BatchEngine(folder, vad, "cpu", AT_ONCE, on_batch=on_batch)
        checkpoint = whisper_checkpoint(weights, weights_cache)
        return OpenAiWhisperEngine(checkpoint, vad, "cpu", at_once=AT_ONCE, on_batch=on_batch)

    return of


@pytest.fixture(scope="module")
def clips(data: Path) -> list[Samples]:
    """The first seconds of some voices, each of another length."""
    names = ("courier", "driver", "gardener", "inspector", "tenant")
    voices = [decode((data / f"{name}.ogg").read_bytes()) for name in names]
    return [voice[: (3 + number) * SAMPLE_RATE_HZ] for number, voice in enumerate(voices)]


def together(
    build: Build, weights: str, calls: Sequence[tuple[Samples, SpeechOptions]]
) -> tuple[list[Transcript], int]:
    """Transcripts of calls that wait while another clip is decoded, and the size of the largest batch."""
    begun, waiting, sizes = threading.Event(), threading.Event(), list[int]()

    def on_batch(windows: int) -> None:
        sizes.append(windows)
        begun.set()
        assert waiting.wait(WAIT_S)

    engine = build(weights, on_batch)
    queue = engine._decode_windows._waiting  # type: ignore[attr-defined]
    with ThreadPoolExecutor(AT_ONCE) as callers:
        first = callers.submit(engine.transcribe, calls[0][0], calls[0][1])
        assert begun.wait(WAIT_S)
        results = [callers.submit(engine.transcribe, *call) for call in calls]
        while len(queue) < len(calls):
            assert not any(result.done() for result in results)
        waiting.set()
        first.result()
        return [result.result() for result in results], max(sizes)


def words(transcript: Transcript) -> str:
    return transcript.text.reveal()


def test_what_is_decoded_in_a_batch_is_as_if_it_were_decoded_alone(build: Build, clips: list[Samples]) -> None:
    calls = [(clip, ENGLISH) for clip in clips[:3]]
    found, largest = together(build, TINY, calls)
    assert largest == len(calls)
    alone = build(TINY, lambda windows: None)
    expected = [alone.transcribe(*call) for call in calls]
    assert [words(one) for one in found] == [words(one) for one in expected]
    for one, other in zip(found, expected, strict=True):
        for ours, theirs in zip(one.segments, other.segments, strict=True):
            assert ours.confidence == pytest.approx(theirs.confidence, abs=0.02)
            assert len(ours.text.recognition.words) == len(theirs.text.recognition.words)


def test_languages_are_detected_and_words_timed_in_a_batch(build: Build, clips: list[Samples]) -> None:
    detect = SpeechOptions(quick=True, word_times=True)
    calls = [(clip, detect) for clip in clips[3:]]
    found, largest = together(build, BASE, calls)
    assert largest == len(calls)
    alone = build(BASE, lambda windows: None)
    for one, (clip, options) in zip(found, calls, strict=True):
        expected = alone.transcribe(clip, options)
        assert (one.language, words(one)) == ("en", words(expected))
        assert one.language_probability == pytest.approx(expected.language_probability, abs=0.02)
        times, alone_times = ([w.start_s for s in each.segments for w in s.words] for each in (one, expected))
        assert len(times) > 3
        assert times == pytest.approx(alone_times, abs=0.1)


def test_expected_words_help_only_whom_they_were_given_for(build: Build, data: Path) -> None:
    greeting = decode((data / "visit.webm").read_bytes())
    calls = [(greeting, replace(ENGLISH, vocabulary=("Jon Carter",))), (greeting, ENGLISH)]
    (with_words, without), _ = together(build, BASE, calls)
    assert "name is Jon Carter" in words(with_words)
    assert "name is John Carter" in words(without)
