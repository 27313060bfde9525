"""Both engines as on a GPU, with real weights: what several callers say, in one batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.engines import CTRANSLATE2, ENGINES, build_vad
from models.speech.types import SpeechOptions, Transcript
from models.speech.whisper.batcher import BatchWindow
from models.speech.whisper.chunked_engine import ChunkedEngine, DecodingRequest
from models.speech.whisper.ctranslate2_batches import CTranslate2BatchEngine
from models.speech.whisper.ctranslate2_model import on_cpu
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
    names = ("courier", "driver", "gardener")
    voices = [decode((data / f"{name}.ogg").read_bytes()) for name in names]
    return [voice[: (3 + number) * SAMPLE_RATE_HZ] for number, voice in enumerate(voices)]


def together(
    build: Build, weights: str, calls: Sequence[tuple[Samples, SpeechOptions]]
) -> tuple[list[Transcript], list[int]]:
    """Transcripts of calls that wait while another clip is decoded, and the sizes of the batches after it."""
    begun, waiting, sizes = threading.Event(), threading.Event(), list[int]()

    def on_batch(windows: int) -> None:
        sizes.append(windows)
        begun.set()
        assert waiting.wait(WAIT_S)

    engine = build(weights, on_batch)
    queue = engine._decode_windows._queue  # type: ignore[attr-defined]
    with ThreadPoolExecutor(AT_ONCE) as callers:
        first = callers.submit(engine.transcribe, calls[0][0], replace(calls[0][1], language="en"))
        assert begun.wait(WAIT_S)
        results = [callers.submit(engine.transcribe, *call) for call in calls]
        while len(queue) < len(calls):
            assert not any(result.done() for result in results)
            waiting.wait(0.01)
        waiting.set()
        first.result()
        return [result.result() for result in results], sizes[1:]


def words(transcript: Transcript) -> str:
    return transcript.text.reveal()


def alike(build: Build, weights: str, calls: Sequence[tuple[Samples, SpeechOptions]]) -> list[int]:
    """Compare calls in a batch with the same ones alone; returns the sizes of the batches."""
    found, sizes = together(build, weights, calls)
    alone = build(weights, lambda windows: None)
    for ours, call in zip(found, calls, strict=True):
        theirs = alone.transcribe(*call)
        assert (words(ours), ours.language) == (words(theirs), theirs.language)
        assert ours.language_probability == pytest.approx(theirs.language_probability, abs=0.02)
        assert (ours.language_probability < 1.0) == (call[1].language is None)
        for one, other in zip(ours.segments, theirs.segments, strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=0.02)
            assert len(one.text.recognition.words) == len(other.text.recognition.words)
            times = [word.start_s for word in one.words]
            assert times == pytest.approx([word.start_s for word in other.words], abs=0.1)
            assert bool(times) == call[1].word_times
    return sizes


def test_what_is_decoded_in_a_batch_is_as_if_it_were_decoded_alone(build: Build, clips: list[Samples]) -> None:
    assert alike(build, TINY, [(clip, ENGLISH) for clip in clips[:3]]) == [3]


def test_short_clips_are_decoded_in_a_batch(build: Build, clips: list[Samples]) -> None:
    calls = [(clip[: SAMPLE_RATE_HZ * 5 // 4], replace(ENGLISH, everything=True)) for clip in clips[:2]]
    assert alike(build, TINY, calls) == [2]


def test_each_window_of_a_batch_gets_the_probabilities_of_its_own_first_token(
    build: Build, clips: list[Samples]
) -> None:
    engine = build(TINY, lambda windows: None)
    windows: list[BatchWindow] = []

    def caught(window: BatchWindow) -> None:
        windows.append(window)
        raise InterruptedError

    engine._decode_windows = caught  # type: ignore[attr-defined]
    for clip in clips:
        with pytest.raises(InterruptedError):
            engine._decode(clip[:SAMPLE_RATE_HZ], DecodingRequest(ENGLISH, "en", first_token=True))
    found = engine._decode_together(windows)  # type: ignore[attr-defined]
    for ours, window in zip(found, windows, strict=True):
        [alone] = engine._decode_together([window])  # type: ignore[attr-defined]
        assert np.allclose(ours.first_token, alone.first_token, atol=0.02)
    assert not np.allclose(found[0].first_token, found[1].first_token, atol=0.02)


def test_a_beam_is_as_alone(build: Build, clips: list[Samples]) -> None:
    assert alike(build, TINY, [(clip, replace(ENGLISH, beam_size=5)) for clip in clips[:2]]) == [2]


def test_languages_are_detected_and_words_timed(build: Build, clips: list[Samples]) -> None:
    calls = [(clip, SpeechOptions(quick=True, word_times=True)) for clip in clips[:2]]
    assert alike(build, BASE, calls) == [2]


def test_each_window_of_a_batch_gets_its_own_language(weights_cache: Path, clips: list[Samples]) -> None:
    engine = CTranslate2BatchEngine(locate(BASE, weights_cache), build_vad(weights_cache), "cpu", AT_ONCE)
    request = DecodingRequest(SpeechOptions(), None)
    noise = np.random.default_rng(1).normal(0, 0.1, len(clips[0])).astype(np.float32)
    windows = [
        BatchWindow(engine._model.features(clip, 500), len(clip), request, 500) for clip in (clips[0], noise, clips[1])
    ]
    found = engine._detect_together(windows)
    alone = [engine._detect_together([window])[0] for window in windows]
    assert [language for language, _ in found] == [language for language, _ in alone]
    assert np.allclose([probability for _, probability in found], [probability for _, probability in alone], atol=0.02)
    assert found[0][1] > 0.9 > found[1][1]


@pytest.mark.parametrize("build", [CTRANSLATE2], indirect=True)
def test_expected_words_help_only_whom_they_were_given_for(build: Build, data: Path) -> None:
    greeting = decode((data / "visit.webm").read_bytes())
    calls = [(greeting, replace(ENGLISH, vocabulary=(name,))) for name in ("Jon Carter", "Joe Carter")]
    (one, other), sizes = together(build, BASE, calls)
    assert sizes == [2]
    assert "name is Jon Carter" in words(one)
    assert "name is Jon Carter" not in words(other)


def test_numbers_come_off_the_gpu_before_they_are_read() -> None:
    class OnGpu:
        moved = converted = False

        def to_device(self, device: ctranslate2.Device) -> OnGpu:
            self.moved = device == ctranslate2.Device.cpu
            return self

        def to(self, kind: ctranslate2.DataType) -> ctranslate2.StorageView:
            assert (self.moved, kind) == (True, ctranslate2.DataType.float32)
            return ctranslate2.StorageView.from_array(np.ones((2, 3), np.float32))

    assert on_cpu(OnGpu()).tolist() == [[1.0, 1.0, 1.0]] * 2
