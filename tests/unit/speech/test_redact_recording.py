"""A recording is kept muted, or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.errors import NoSpeech
from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.redaction.redactor import build_redactor
from models.redaction.types import RedactionContext
from models.speech.engines import build_engine
from models.speech.muting.redact_recording import RedactedRecording, redact_recording
from models.speech.types import Segment, SpeechOptions, Transcript, Word
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import patterns_only
from tests.unit.speech.test_speech_contract import word_error

SPOKEN = RedactionContext(TextSource.SPEECH, "en")
NUMBER = "415-555-0132"
LENGTH_S = 10.0


def segment(text: str, start_s: float = 1.0) -> Segment:
    """A second a word."""
    words = tuple(Word(RawText(w), start_s + n, start_s + n + 1, 0.9) for n, w in enumerate(text.split()))
    return Segment(RawText(text), start_s, words[-1].end_s, 0.9, words)


class ScriptedTranscripts:
    """Gives one transcript after the other; None is no speech."""

    def __init__(self, *texts: str | None) -> None:
        self._texts = list(texts)
        self.options: list[SpeechOptions] = []
        self.unmuted_s: list[float] = []

    def __call__(self, samples: Samples, options: SpeechOptions) -> Transcript:
        self.options.append(options)
        self.unmuted_s.append(np.count_nonzero(samples) / SAMPLE_RATE_HZ)
        text = self._texts.pop(0)
        if text is None:
            raise NoSpeech("Nobody speaks in the recording.")
        return Transcript((segment(text),), "en", len(samples) / SAMPLE_RATE_HZ, 0.1)


def muted(transcripts: ScriptedTranscripts, text: str = f"call me on {NUMBER} now") -> RedactedRecording | None:
    loud = np.full(int(LENGTH_S * SAMPLE_RATE_HZ), 0.5, dtype=np.float32)
    return redact_recording(loud, [segment(text)], patterns_only(), SPOKEN, transcripts)


def sound_in(recording: RedactedRecording, begin_s: float, end_s: float) -> bool:
    samples = decode(recording.data)
    return bool(samples[int(begin_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)].any())


def test_a_number_is_muted_and_the_rest_is_kept() -> None:
    transcripts = ScriptedTranscripts("call me on now")
    recording = muted(transcripts)
    assert recording is not None
    assert list(recording.muted) == [pytest.approx((3.85, 5.05))]
    assert not sound_in(recording, 3.86, 5.04)
    assert sound_in(recording, 3.0, 3.8)
    assert sound_in(recording, 5.1, 6.0)
    assert (recording.media_type, recording.audio_s) == ("audio/flac", LENGTH_S)
    assert transcripts.options == [SpeechOptions("en", word_times=True, beam_size=3, everything=True)]


def test_the_second_transcript_is_of_the_muted_file() -> None:
    transcripts = ScriptedTranscripts("call me on now")
    muted(transcripts)
    assert transcripts.unmuted_s == [pytest.approx(LENGTH_S - 1.2, abs=0.05)]


@pytest.mark.parametrize(
    "left", [f"or on {NUMBER}", "it is 0132", "my mail is ana@example.com"], ids=["again", "a part", "something else"]
)
def test_remaining_values_are_muted_more_widely_and_transcribed_again(left: str) -> None:
    transcripts = ScriptedTranscripts(left, "call me on")
    recording = muted(transcripts)
    assert recording is not None
    assert len(transcripts.options) == 2
    assert transcripts.unmuted_s[1] < transcripts.unmuted_s[0] - 1.0


def test_a_value_that_remains_mutes_its_whole_stretch_of_speech() -> None:
    transcripts = ScriptedTranscripts("mail ana@example.com", "or write to bo@example.com soon", None)
    recording = muted(transcripts)
    assert recording is not None
    assert transcripts.unmuted_s[2] < transcripts.unmuted_s[1] - 2.0


def test_a_recording_that_cannot_be_made_safe_is_not_kept() -> None:
    transcripts = ScriptedTranscripts(*[f"call {NUMBER}"] * 3)
    assert muted(transcripts) is None
    assert len(transcripts.options) == 3


def test_a_recording_without_values_is_unmuted_and_still_verified() -> None:
    transcripts = ScriptedTranscripts("the pump is loud")
    recording = muted(transcripts, "the pump is loud")
    assert recording is not None
    assert recording.muted == ()
    assert len(transcripts.options) == 1


@pytest.mark.models
def test_the_demo_visit_is_muted_and_still_understood(weights_cache: Path, data: Path) -> None:
    """What identifies is gone for two recognitions of other settings, and what is left is still understood."""
    facts = json.loads((data / "visit.json").read_text(encoding="utf-8"))
    samples = decode((data / "visit.wav").read_bytes())
    engine = build_engine("ctranslate2", weights_cache)
    transcript = engine.transcribe(samples, SpeechOptions("en", word_times=True))
    redactor = build_redactor(weights_cache)
    recording = redact_recording(samples, transcript.segments, redactor, SPOKEN, engine.transcribe)
    assert recording is not None
    sound = decode(recording.data)
    assert len(sound) == len(samples)
    assert sum(end - begin for begin, end in recording.muted) < 0.6 * recording.audio_s
    for name, options in (("ctranslate2", SpeechOptions("en")), ("openai-whisper", SpeechOptions("en", beam_size=2))):
        said = _transcribe_pieces(build_engine(name, weights_cache).transcribe, sound, recording, options)
        assert not re.search(r"john|carter|example|555|0132|four one five", said, re.IGNORECASE)
        assert not redactor.redact(RawText(said), SPOKEN).entities
        left = "Hello, my name is. I am at the Riverside site to read the water meter. You can call me."
        assert word_error(f"{left} The meter reads {facts['reading']['value']} cubic meters.", said) <= 0.2


def _transcribe_pieces(
    transcribe: Callable[[Samples, SpeechOptions], Transcript],
    sound: Samples,
    recording: RedactedRecording,
    options: SpeechOptions,
) -> str:
    """Whisper gives up at a long silence, so every unmuted piece is transcribed alone."""
    edges = [0.0, *(t for interval in recording.muted for t in interval), recording.audio_s]
    pieces = zip(edges[::2], edges[1::2], strict=True)
    cut = [sound[int(begin * SAMPLE_RATE_HZ) : int(end * SAMPLE_RATE_HZ)] for begin, end in pieces]
    return " ".join(transcribe(piece, options).text.reveal() for piece in cut if len(piece) > SAMPLE_RATE_HZ)
