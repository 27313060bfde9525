"""What every speech engine must do, on real weights. The texts are judged by their words, not letter by letter.

The weights are those that ``VESTIBULE_SPEECH__WEIGHTS`` names, as for the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from models.cancellation import Cancellation, Cancelled
from models.errors import InvalidInput, NoSpeech, WeightsError
from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.policy import WindowPolicy
from models.speech.engines import CTRANSLATE2, ENGINES, OPENAI_WHISPER, build_engine, build_vad
from models.speech.types import SpeechEngine, SpeechOptions, Transcript
from models.speech.whisper.ctranslate2_batches import CTranslate2BatchEngine
from models.weights.store import locate
from server.settings import Settings

pytestmark = pytest.mark.models

ENGLISH = SpeechOptions(language="en")


SILENCE_S = 2.0

TINY = "whisper-tiny.en"
"""Weights that need a third of the time, for what does not depend on the weights."""

GPU_WAY = "ctranslate2, as on a GPU"
"""Decodes windows of several calls in one batch, here on the CPU."""


@pytest.fixture(scope="module")
def built(weights_cache: Path) -> Callable[[str], SpeechEngine]:
    """Loads an engine with the chosen weights, at most once."""
    chosen = Settings().speech.weights
    return cache(lambda name: _build(name, weights_cache, chosen))


@pytest.fixture(scope="module")
def tiny_built(weights_cache: Path) -> Callable[[str], SpeechEngine]:
    """The same with ``TINY``."""
    return cache(lambda name: _build(name, weights_cache, TINY))


def _build(name: str, weights_cache: Path, weights: str, at_once: int = 1) -> SpeechEngine:
    if name == GPU_WAY:
        return CTranslate2BatchEngine(locate(weights, weights_cache), build_vad(weights_cache), "cpu", at_once)
    return build_engine(name, weights_cache, device="cpu", threads=1, weights=weights, at_once=at_once)


@pytest.fixture(scope="module", params=[*ENGINES, GPU_WAY])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engine(built: Callable[[str], SpeechEngine], name: str) -> SpeechEngine:
    return built(name)


@pytest.fixture(scope="module")
def tiny(tiny_built: Callable[[str], SpeechEngine], name: str) -> SpeechEngine:
    return tiny_built(name)


@pytest.fixture(scope="module")
def visit(data: Path) -> Samples:
    return decode((data / "visit.wav").read_bytes())


@pytest.fixture(scope="module")
def greeting(data: Path) -> Samples:
    return decode((data / "visit.webm").read_bytes())


@pytest.fixture(scope="module")
def long_clip(visit: Samples, greeting: Samples) -> Samples:
    """Longer than a window: the visit, the greeting, and the visit again as far as the number to call."""
    clip = np.concatenate([visit, greeting, visit[: 10 * SAMPLE_RATE_HZ]])
    assert len(clip) > 32 * SAMPLE_RATE_HZ
    return clip


@pytest.fixture(scope="module")
def long_by(built: Callable[[str], SpeechEngine], long_clip: Samples) -> Callable[[str], Transcript]:
    """The long clip as an engine hears it. It takes seconds, so tests share it."""
    return cache(lambda name: built(name).transcribe(long_clip, ENGLISH))


@pytest.fixture(scope="module")
def greeting_by(built: Callable[[str], SpeechEngine], greeting: Samples) -> Callable[[str], Transcript]:
    """The same of the short clip."""
    return cache(lambda name: built(name).transcribe(greeting, ENGLISH))


@pytest.fixture(scope="module")
def heard_long(long_by: Callable[[str], Transcript], name: str) -> Transcript:
    return long_by(name)


@pytest.fixture(scope="module")
def heard_greeting(greeting_by: Callable[[str], Transcript], name: str) -> Transcript:
    return greeting_by(name)


@pytest.fixture(scope="module")
def timed_by(built: Callable[[str], SpeechEngine], visit: Samples) -> Callable[[str], Transcript]:
    """The begin of the visit after some silence, with the times of its words."""
    silence = np.zeros(int(SILENCE_S * SAMPLE_RATE_HZ), np.float32)
    clip = np.concatenate([silence, visit[: 5 * SAMPLE_RATE_HZ]])
    return cache(lambda name: built(name).transcribe(clip, replace(ENGLISH, word_times=True)))


@pytest.fixture(scope="module")
def heard_with_times(timed_by: Callable[[str], Transcript], name: str) -> Transcript:
    return timed_by(name)


@pytest.fixture(scope="module")
def said(data: Path) -> dict[str, str]:
    facts: dict[str, str] = json.loads((data / "visit.json").read_text(encoding="utf-8"))
    return facts


def word_error(truth: str, transcript: str) -> float:
    """Words wrong over words said; the digits of a number may be written in groups."""
    a, b = (re.findall(r"\w+", re.sub(r"(?<=\d)-(?=\d)", "", text.lower())) for text in (truth, transcript))
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1] / len(a)


def test_a_word_is_recognized_with_a_beam_and_without_vad(engine: SpeechEngine, greeting: Samples) -> None:
    second = greeting[:SAMPLE_RATE_HZ]
    heard = engine.transcribe(second, replace(ENGLISH, beam_size=3, everything=True, word_times=True))
    assert "hello" in heard.text.reveal().lower()
    assert heard.segments[0].words


def test_a_short_clip_is_recognized(heard_greeting: Transcript, greeting: Samples, said: dict[str, str]) -> None:
    heard = heard_greeting
    assert word_error(said["short_say"], heard.text.reveal()) <= 0.2
    assert heard.language == "en"
    assert heard.audio_s == pytest.approx(len(greeting) / SAMPLE_RATE_HZ)
    assert heard.compute_s > 0
    (segment,) = heard.segments
    assert 0.5 < segment.confidence <= 1


def test_every_sentence_of_a_longer_clip_is_recognized(heard_long: Transcript) -> None:
    heard = heard_long.text.reveal().lower()
    for words in ("john carter", "riverside", "water meter", "call me", "example", "cubic"):
        assert words in heard
    assert "48217" in re.sub(r"\D", "", heard)


def test_a_clip_longer_than_a_window_is_recognized_without_gap_or_repetition(heard_long: Transcript) -> None:
    heard = heard_long
    text = heard.text.reveal().lower()
    counts = {"my name is": 3, "riverside": 2, "call me": 2, "meter reads": 1, "cubic": 1}
    assert {words: text.count(words) for words in counts} == counts
    assert len(heard.segments) > 2
    assert all(s.end_s - s.start_s <= 30 for s in heard.segments)
    assert all(a.end_s <= b.start_s for a, b in pairwise(heard.segments))
    assert heard.segments[-1].end_s <= heard.audio_s


def test_a_long_silence_between_words_is_skipped(tiny: SpeechEngine, greeting: Samples) -> None:
    silence = np.zeros(20 * SAMPLE_RATE_HZ, np.float32)
    heard = tiny.transcribe(np.concatenate([greeting, silence, greeting]), ENGLISH)
    first, second = heard.segments
    assert first.end_s < 4
    assert second.start_s > 22
    assert heard.text.reveal().lower().count("john carter") == 2


def noise(level: float) -> Samples:
    return np.random.default_rng(3).normal(0, level, 4 * SAMPLE_RATE_HZ).astype(np.float32)


NOBODY = {
    "nothing": np.zeros(0, np.float32),
    "a blink": np.zeros(100, np.float32),
    "silence": np.zeros(4 * SAMPLE_RATE_HZ, np.float32),
    "faint noise": noise(0.001),
    "loud noise": noise(0.2),
    "hum": (0.3 * np.sin(2 * np.pi * 50 * np.arange(4 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)).astype(np.float32),
}


@pytest.mark.parametrize("clip", NOBODY.values(), ids=NOBODY.keys())
def test_clips_without_speech_raise_no_speech(engine: SpeechEngine, clip: Samples) -> None:
    with pytest.raises(NoSpeech):
        engine.transcribe(clip, ENGLISH)


def test_a_detected_language_gives_the_same_text_as_a_given_one(
    engine: SpeechEngine, greeting: Samples, heard_greeting: Transcript
) -> None:
    """So does the same clip, each time."""
    heard = engine.transcribe(greeting, SpeechOptions())
    assert heard.language == "en"
    assert heard.text.reveal() == heard_greeting.text.reveal()


@pytest.mark.parametrize("language", ["xx", "english", ""])
def test_an_unknown_language_is_refused(engine: SpeechEngine, greeting: Samples, language: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        engine.transcribe(greeting, SpeechOptions(language=language))
    assert refused.value.reason == "UNKNOWN_LANGUAGE"


def test_word_times_follow_the_speech(heard_with_times: Transcript) -> None:
    heard = heard_with_times
    words = [w for s in heard.segments for w in s.words]
    assert " ".join(w.text.reveal() for w in words) == heard.text.reveal()
    assert all(a.start_s <= b.start_s for a, b in pairwise(words))
    assert all(SILENCE_S - 0.5 <= w.start_s <= w.end_s <= heard.audio_s + 0.1 for w in words)
    (name,) = [w for w in words if "john" in w.text.reveal().lower()]
    assert name.start_s == pytest.approx(SILENCE_S + 1.6, abs=0.5)


def test_word_times_leave_the_number_of_threads(timed_by: Callable[[str], Transcript]) -> None:
    """What finds the times of words takes all cores, and would leave it so for all later decoding."""
    timed_by(OPENAI_WHISPER)
    assert torch.get_num_threads() == 1


def test_every_word_is_rated_with_and_without_times(heard_long: Transcript, heard_with_times: Transcript) -> None:
    for text in (heard_long.text, heard_with_times.text):
        raw, words = text.reveal(), text.recognition.words
        assert [raw[w.start : w.end] for w in words] == raw.split()
        assert all(0 < w.confidence <= 1 for w in words)
        assert min(w.confidence for w in words) < text.recognition.confidence


def test_words_under_noise_are_less_sure(engine: SpeechEngine, greeting: Samples, heard_greeting: Transcript) -> None:
    """The noise is twice as loud as the speech. Each engine's median falls by 0.06 or more."""

    def median(heard: Transcript) -> float:
        return float(np.median([w.confidence for w in heard.text.recognition.words]))

    rng = np.random.default_rng(5)
    noisy = greeting + rng.normal(0, 2 * float(np.abs(greeting).std()), len(greeting)).astype(np.float32)
    assert median(engine.transcribe(noisy, ENGLISH)) < median(heard_greeting)


def test_both_engines_rate_the_same_words_alike(greeting_by: Callable[[str], Transcript]) -> None:
    texts = [greeting_by(name).text for name in ENGINES]
    ours, theirs = ({text.reveal()[w.start : w.end]: w.confidence for w in text.recognition.words} for text in texts)
    shared = ours.keys() & theirs.keys()
    assert len(shared) >= 5
    assert np.mean([abs(ours[word] - theirs[word]) for word in shared]) < 0.15


def test_speech_is_recognized_with_a_vocabulary(engine: SpeechEngine, greeting: Samples) -> None:
    """Without it, every engine writes "John"."""
    options = replace(ENGLISH, vocabulary=("Jon Carter",))
    assert "name is jon carter" in engine.transcribe(greeting, options).text.reveal().lower()


def test_the_longest_vocabulary_leaves_room_for_the_transcript(tiny: SpeechEngine, greeting: Samples) -> None:
    options = replace(ENGLISH, vocabulary=tuple(f"Riverside Lane {number}" for number in range(200)), quick=True)
    assert tiny.transcribe(greeting, options).text.reveal()


def test_both_engines_give_the_same_words(long_by: Callable[[str], Transcript]) -> None:
    texts = [long_by(name).text.reveal() for name in ENGINES]
    assert word_error(texts[0], texts[1]) <= 0.1


def test_the_english_model_refuses_other_languages(tiny: SpeechEngine, greeting: Samples) -> None:
    assert "john" in tiny.transcribe(greeting, SpeechOptions()).text.reveal().lower()
    with pytest.raises(InvalidInput):
        tiny.transcribe(greeting, SpeechOptions(language="de"))


def test_an_unknown_engine_and_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="ctranslate2"):
        build_engine("whisper.cpp", tmp_path)
    with pytest.raises(WeightsError):
        build_engine("ctranslate2", tmp_path)


@pytest.mark.parametrize("name", [CTRANSLATE2, GPU_WAY])
def test_windows_are_recognized_concurrently_and_returned_in_order(
    name: str, weights_cache: Path, visit: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (_build(name, weights_cache, TINY, at_once) for at_once in (1, 2))
    assert (one.at_once, two.at_once) == (1, 2)
    for each in (one, two):
        monkeypatch.setattr(each, "_policy", WindowPolicy(max_window_s=6.0))
    alone, together = one.transcribe(visit, ENGLISH), two.transcribe(visit, ENGLISH)
    assert len(together.segments) > 2
    assert [(s.start_s, s.text.reveal()) for s in together.segments] == [
        (s.start_s, s.text.reveal()) for s in alone.segments
    ]


def test_a_cancelled_call_ends_early(engine: SpeechEngine, greeting: Samples) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        engine.transcribe(greeting, replace(ENGLISH, cancellation=cancellation))
