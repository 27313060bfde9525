"""What both engines share, with windows that a test wrote down."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from models.cancellation import Cancellation, Cancelled
from models.errors import NoSpeech
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.policy import WindowPolicy
from models.speech.types import SpeechOptions
from models.speech.whisper.chunked_engine import ChunkedEngine, DecodingRequest
from models.speech.whisper.hypothesis import Hypothesis
from tests.fakes.speech import ScriptedVad

LOOP = "you know " * 40
DETECT = SpeechOptions()
WINDOW_S = 4.0


def clip(*values: float) -> Samples:
    """One window for each value, with silence after it that is too long to be bridged."""
    parts = [np.concatenate([np.full(3 * SAMPLE_RATE_HZ, v), np.zeros(5 * SAMPLE_RATE_HZ)]) for v in values]
    return np.concatenate(parts).astype(np.float32)


class Scripted(ChunkedEngine):
    """Transcribes by the loudest sample of a window."""

    decoding_passes = 3
    name = "scripted"
    device = "cpu"
    languages = frozenset({"en", "de"})

    def __init__(self, texts: dict[float, tuple[str, str]], at_once: int = 2) -> None:
        super().__init__(ScriptedVad(), WindowPolicy(max_window_s=WINDOW_S), at_once)
        self._texts = texts
        self.requests: list[DecodingRequest] = []
        self.together = threading.Barrier(2)
        self.meets = False

    def _decode(self, samples: Samples, request: DecodingRequest) -> Hypothesis:
        request.check_cancelled()
        self.requests.append(request)
        if self.meets and request.language is not None:
            self.together.wait(timeout=60.0)
        text, language = self._texts[round(float(samples.max()), 1)]
        return Hypothesis(text, request.language or language, -0.2 if text else -1.2, 0.9, language_probability=0.95)

    def _ids(self, text: str) -> list[int]:
        return list(text.encode())


def test_the_first_window_with_words_sets_the_language_of_the_rest() -> None:
    engine = Scripted({0.9: ("", "en"), 0.8: ("eins", "de"), 0.7: ("two", "en"), 0.6: ("three", "en")})
    engine.meets = True  # the last two wait for each other
    transcript = engine.transcribe(clip(0.9, 0.8, 0.7, 0.6), DETECT)
    assert [s.text.reveal() for s in transcript.segments] == ["eins", "two", "three"]
    assert (transcript.language, transcript.language_probability) == ("de", 0.95)
    assert {request.language for request in engine.requests[-2:]} == {"de"}


@pytest.mark.parametrize(("quick", "passes"), [(True, 1), (False, 3)])
def test_a_quick_call_decodes_once(quick: bool, passes: int) -> None:
    engine = Scripted({0.9: (LOOP, "en")})
    engine.transcribe(clip(0.9), SpeechOptions(language="en", quick=quick))
    assert len(engine.requests) == passes


def test_a_quick_call_uses_one_slot() -> None:
    engine = Scripted({0.9: ("one", "en"), 0.8: ("two", "en")})
    caller = threading.get_ident()
    seen: list[int] = []
    decode = engine._decode

    def noted(samples: Samples, request: DecodingRequest) -> Hypothesis:
        seen.append(threading.get_ident())
        return decode(samples, request)

    engine._decode = noted  # type: ignore[method-assign]
    engine.transcribe(clip(0.9, 0.8), SpeechOptions(language="en", quick=True))
    assert seen == [caller, caller]


def test_a_cancelled_call_ends_between_windows() -> None:
    cancellation = Cancellation()
    engine = Scripted({0.9: ("one", "en"), 0.8: ("two", "en")}, at_once=1)
    decode = engine._decode

    def stopping(samples: Samples, request: DecodingRequest) -> Hypothesis:
        found = decode(samples, request)
        cancellation.cancel()
        return found

    engine._decode = stopping  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        engine.transcribe(clip(0.9, 0.8), SpeechOptions(language="en", cancellation=cancellation))
    assert len(engine.requests) == 1


def test_silence_in_every_window_raises_no_speech() -> None:
    with pytest.raises(NoSpeech):
        Scripted({0.9: ("", "en"), 0.8: ("", "en"), 0.7: ("", "en")}).transcribe(clip(0.9, 0.8, 0.7), DETECT)


def test_a_text_that_another_pass_gave_is_an_alternative() -> None:
    engine = Scripted({0.9: (LOOP, "en")})
    decode = engine._decode

    def rereading(samples: Samples, request: DecodingRequest) -> Hypothesis:
        found = decode(samples, request)
        return replace(found, text="a state", mean_logprob=-0.9) if request.decoding_pass == 1 else found

    engine._decode = rereading  # type: ignore[method-assign]
    text = engine.transcribe(clip(0.9), SpeechOptions(language="en")).text
    assert text.reveal() == "a state"
    assert [other.reveal() for other in text.recognition.alternatives] == ["you know"]


@pytest.mark.parametrize(
    ("values", "quick", "passes"),
    [((0.9,), False, [0, 2]), ((0.9,), True, [0]), ((0.9, 0.8), False, [0, 0]), ((0.8,), False, [0])],
    ids=["spelled", "partial", "recording, which has a beam already", "sentence"],
)
def test_a_doubtful_spelling_is_decoded_again_with_most_effort(
    values: tuple[float, ...], quick: bool, passes: list[int]
) -> None:
    engine = Scripted({0.9: ("J-E-F", "en"), 0.8: ("We live in a state.", "en")})
    engine.recording_beam = 5
    decode = engine._decode

    def unsure(samples: Samples, request: DecodingRequest) -> Hypothesis:
        found = replace(decode(samples, request), mean_logprob=-0.5)
        return replace(found, text="J-E-F-F", mean_logprob=-0.3) if request.decoding_pass else found

    engine._decode = unsure  # type: ignore[method-assign]
    text = engine.transcribe(clip(*values), SpeechOptions(language="en", quick=quick)).text
    assert sorted(request.decoding_pass for request in engine.requests) == passes
    assert ("J-E-F-F" in text.reveal()) is (2 in passes)
    assert len(text.recognition.alternatives) == passes.count(2)


@pytest.mark.parametrize(
    ("windows", "options", "beams"),
    [
        ((0.9, 0.8), SpeechOptions(language="en"), [5, 5]),
        ((0.9,), SpeechOptions(language="en"), [1]),
        ((0.9, 0.8), SpeechOptions(language="en", quick=True), [1, 1]),
        ((0.9, 0.8), SpeechOptions(language="en", beam_size=7), [7, 7]),
        ((0.9, 0.8), DETECT, [5, 5]),
    ],
    ids=["recording", "one window", "quick", "larger beam", "detected language"],
)
def test_windows_of_a_recording_get_a_beam(
    windows: tuple[float, ...], options: SpeechOptions, beams: list[int]
) -> None:
    engine = Scripted({0.9: ("one", "en"), 0.8: ("two", "en")})
    engine.recording_beam = 5
    engine.transcribe(clip(*windows), options)
    assert [request.options.beam_size for request in engine.requests] == beams


def test_a_short_window_of_a_recording_is_decoded_greedily() -> None:
    engine = Scripted({0.9: ("one", "en"), 0.8: ("two", "en")})
    engine.recording_beam = 5
    word = np.concatenate([np.full(SAMPLE_RATE_HZ // 2, 0.8), np.zeros(5 * SAMPLE_RATE_HZ)]).astype(np.float32)
    engine.transcribe(np.concatenate([clip(0.9), word]), SpeechOptions(language="en"))
    assert [request.options.beam_size for request in engine.requests] == [5, 1]


@pytest.mark.parametrize(
    ("digit", "quick", "decodes", "text"),
    [(0.004, False, 3, "5"), (0.004, True, 1, "Bye."), (0.0005, False, 1, "Bye."), (0.3, False, 1, "5")],
    ids=["doubtful", "quick", "no digit", "certain"],
)
def test_copies_of_a_short_clip_tell_a_digit_that_one_decode_leaves_open(
    digit: float, quick: bool, decodes: int, text: str
) -> None:
    engine = Scripted({0.9: ("Bye.", "en")})
    decode = engine._decode

    def with_probabilities(samples: Samples, request: DecodingRequest) -> Hypothesis:
        first = np.zeros(256, np.float32)
        first[ord("5")] = digit if len(engine.requests) == 0 else 0.02
        return replace(decode(samples, request), first_token=first if request.first_token else None)

    engine._decode = with_probabilities  # type: ignore[method-assign]
    said = np.full(SAMPLE_RATE_HZ // 2, 0.9, np.float32)
    transcript = engine.transcribe(said, SpeechOptions(language="en", quick=quick))
    assert transcript.text.reveal() == text
    assert len(engine.requests) == decodes
