"""The speech worker without Ray and without weights: what its sealed state keeps from one utterance to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from models.cancellation import Cancelled
from models.errors import UnsupportedMedia
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.sealed_state import StateSealer, load_or_create_key
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope
from models.sealed_values import Binding, SealRequest, SealTarget, open_value
from models.speech.types import SpeechOptions, Transcript
from models.text import RawText, Recognition, RecognizedWord
from ray_tasks import speech_worker
from ray_tasks.engine_info import speech_fingerprint
from ray_tasks.types import ClusterConfig, SpeechStep, SpeechWindow, WorkerConfig
from ray_tasks.worker_metrics import Recorder, WorkerMetric
from tests.fakes.classifier import WordListClassifier
from tests.fakes.speech import ScriptedSpeech, ScriptedVad
from tests.unit.vision.pictures import DATA

PCM = np.zeros(SAMPLE_RATE_HZ, "<f4").tobytes()
SCRIPTED = WorkerConfig(engine="scripted")


class Recorded:
    """A recorder that keeps which weights did which work."""

    def __init__(self) -> None:
        self.models: set[tuple[str, str]] = set()

    def record(self, metric: WorkerMetric, value: float, tags: Mapping[str, str]) -> None:
        self.models.add((tags["work"], tags["model"]))


class WorkerHarness:
    """A worker whose engine returns scripted texts, with the redactor in the same process."""

    def __init__(
        self,
        folder: Path,
        texts: Sequence[str | RawText],
        patch: pytest.MonkeyPatch,
        recorder: Recorder | None = None,
        speech: WorkerConfig = SCRIPTED,
    ) -> None:
        self.engines: dict[str, ScriptedSpeech] = {}
        self.contexts: list[RedactionContext] = []
        self.batches: list[list[RawText]] = []
        redactor = LocalRedactor(WordListClassifier({"tarn": "GIVEN_NAME"}))

        async def ask(batch: list[RawText], context: RedactionContext, _timeout_s: float) -> list[Redaction]:
            self.contexts.append(context)
            self.batches.append(batch)
            return redactor.redact_many(batch, context)

        def engine(*settings: Any) -> ScriptedSpeech:
            built = self.engines[settings[4]] = ScriptedSpeech(texts)
            return built

        def vad(*_settings: Any) -> ScriptedVad:
            return ScriptedVad()

        patch.setattr(speech_worker, "build_engine", engine)
        patch.setattr(speech_worker, "build_vad", vad)
        self.key = folder / "carry.key"
        config = ClusterConfig(
            speech,
            WorkerConfig(),
            WorkerConfig(),
            str(folder),
            str(self.key),
            "0123456789ab",
            str(folder),
        )
        self.fingerprint = speech_fingerprint(config)
        self.worker = speech_worker.SpeechWorker(config, ask, recorder)
        self.sealed_state = b""

    async def step(
        self,
        *,
        final: bool = True,
        asked_for: tuple[str, ...] = (),
        word_times: bool = False,
        scope: RedactionScope = NO_SCOPE,
    ) -> SpeechStep:
        window = self.window(final=final, asked_for=asked_for, word_times=word_times, scope=scope)
        step = await self.worker.step(self.fingerprint, 60.0, window)
        self.sealed_state = step.sealed_state
        return step

    def window(
        self,
        *,
        final: bool = True,
        asked_for: tuple[str, ...] = (),
        word_times: bool = False,
        scope: RedactionScope = NO_SCOPE,
    ) -> SpeechWindow:
        return SpeechWindow(
            PCM, final, self.sealed_state, "en", scope=scope, asked_for=asked_for, word_times=word_times
        )

    def kept(self) -> str:
        """The raw text that the sealed state holds."""
        if not self.sealed_state:
            return ""
        return str(StateSealer(load_or_create_key(self.key)).open(self.sealed_state)["tail"])


async def test_a_number_split_over_two_utterances_is_covered_in_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = "five five five oh one three two is it"
    harness = WorkerHarness(
        tmp_path, ["My number is four one five.", second, second, second, "The pump is loud."], monkeypatch
    )
    first = await harness.step()
    assert first.text.value == "My number is [REDACTED_PHONE]."
    assert harness.kept() == "My number is four one five"
    assert b"four" not in harness.sealed_state
    partials = [(await harness.step(final=False)).text.value for _ in range(2)]
    assert all("five" not in shown for shown in partials)
    assert (await harness.step()).text.value == "[REDACTED_PHONE] is it"
    assert (await harness.step()).text.value == "The pump is loud."
    assert harness.sealed_state == b""


async def test_the_redactor_gets_the_confidences_of_both_utterances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = RawText("My number is 415", Recognition((RecognizedWord(13, 16, 0.25),), confidence=0.5))
    second = RawText("555 01 yes", Recognition((RecognizedWord(4, 6, 0.125),), confidence=0.75))
    harness = WorkerHarness(tmp_path, [first, second, second, second], monkeypatch)
    await harness.step()
    assert harness.kept() == "My number is 415"
    for final in (False, False, True):
        await harness.step(final=final)
    joined = harness.batches[-1][1]
    assert joined.reveal() == "My number is 415 555 01 yes"
    rated = [(joined.reveal()[w.start : w.end], w.confidence) for w in joined.recognition.words]
    assert rated == [("415", 0.25), ("01", 0.125)]
    assert joined.recognition.confidence == 0.5
    (partial,) = harness.batches[1:-1]
    assert [text.recognition for text in partial] == [text.recognition for text in harness.batches[-1]]


async def test_noise_between_two_parts_of_a_number_does_not_separate_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = WorkerHarness(tmp_path, ["my number is", "", "nine nine three eight"], monkeypatch)
    await harness.step()
    silent = await harness.step()
    assert (silent.no_speech, silent.text.value, harness.kept()) == (True, "", "my number is")
    spoken = await harness.step()
    assert spoken.text.value == "[REDACTED_PHONE]"
    assert silent.weights == spoken.weights != "", "that a model heard nothing is compared, too"


@pytest.mark.parametrize(
    ("asked_for", "left"),
    [
        (("READING",), "48217"),
        (("PHONE",), "[REDACTED_PHONE]"),
        ((), "[REDACTED_ID]"),
    ],
)
async def test_a_bare_number_is_redacted_by_the_question_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_for: tuple[str, ...], left: str
) -> None:
    harness = WorkerHarness(tmp_path, ["48217"], monkeypatch)
    assert (await harness.step(asked_for=asked_for)).text.value == left
    assert {context.asked_for for context in harness.contexts} == {asked_for}


async def test_words_are_redacted_with_the_open_end_of_the_previous_utterance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = WorkerHarness(
        tmp_path, ["My number is four one five.", "five five five oh one three two is it"], monkeypatch
    )
    first, second = await harness.step(word_times=True), await harness.step(word_times=True)
    assert [word.text.value for word in first.words] == ["My", "number", "is", "[REDACTED_PHONE]."]
    assert [word.text.value for word in second.words] == ["[REDACTED_PHONE]", "is", "it"]


async def test_a_partial_counts_held_back_words_and_has_no_word_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = WorkerHarness(tmp_path, ["The pump", "The pump is loud"], monkeypatch)
    first, second = [await harness.step(final=False, word_times=True) for _ in range(2)]
    assert (first.text.value, first.held_back.words, first.held_back.stability) == ("", 2, 0.0)
    assert (second.held_back.words + len(second.text.value.split()), second.words) == (4, ())


async def test_partials_may_have_weights_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = replace(SCRIPTED, weights="large", partial_weights="small")
    recorded = Recorded()
    harness = WorkerHarness(tmp_path, ["The gate is open.", "It is."], monkeypatch, recorded, speech)
    for final in (False, True, False, True):
        assert (await harness.step(final=final)).weights == ("large" if final else "small")
    used = {name: [options.quick for options in engine.options] for name, engine in harness.engines.items()}
    assert used == {"small": [True, True], "large": [False, False]}
    assert recorded.models == {("partial", "small"), ("final", "large")}


async def test_one_model_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for named in ("", "large"):
        speech = replace(SCRIPTED, weights="large", partial_weights=named)
        harness = WorkerHarness(tmp_path, ["The gate is open.", "It is."], monkeypatch, speech=speech)
        await harness.step(final=False)
        await harness.step()
        assert [len(engine.options) for engine in harness.engines.values()] == [2]


async def test_the_engine_is_stopped_when_the_caller_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = WorkerHarness(tmp_path, [], monkeypatch)
    loop, begun, told = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def transcribe(_samples: Samples, options: SpeechOptions) -> Transcript:
        loop.call_soon_threadsafe(begun.set)
        assert options.cancellation.wait(60.0)
        loop.call_soon_threadsafe(told.set)
        raise Cancelled

    monkeypatch.setattr(ScriptedSpeech, "transcribe", staticmethod(transcribe))
    waiting = asyncio.create_task(harness.step(final=False))
    await begun.wait()
    waiting.cancel()
    await asyncio.wait_for(told.wait(), 60.0)
    assert (await asyncio.gather(waiting, return_exceptions=True))[0].__class__ is asyncio.CancelledError


@pytest.mark.parametrize("name", ["ogg", "wav", "m4a", "mp3", "webm", "aac"])
async def test_only_the_format_of_clean_recordings_is_decoded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = WorkerHarness(tmp_path, ["hello"], monkeypatch)
    flac, other = [np.fromfile(DATA / f"visit.{ending}", np.uint8) for ending in ("flac", name)]
    read = await harness.worker.recording(harness.fingerprint, 60.0, "en", NO_SCOPE, False, flac)
    assert read.text.value.startswith("hello")
    with pytest.raises(UnsupportedMedia):
        await harness.worker.recording(harness.fingerprint, 60.0, "en", NO_SCOPE, False, other)


async def test_finals_come_with_sealed_values_and_partials_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = X25519PrivateKey.generate()
    target = SealTarget("PHONE", "contact_phone", "crm", private.public_key().public_bytes_raw())
    scope = RedactionScope("app", "session-1", SealRequest((target,)))
    second = "five five five oh one three two is it"
    harness = WorkerHarness(tmp_path, ["My number is four one five.", second, second, "The pump is loud."], monkeypatch)

    def opened(step: SpeechStep) -> list[str]:
        binding = Binding("session-1", "contact_phone", "PHONE", "crm")
        return [open_value(value.ciphertext, private, binding).written for value in step.sealed]

    assert opened(await harness.step(scope=scope)) == ["415"]
    assert opened(await harness.step(scope=scope, final=False)) == []
    assert opened(await harness.step(scope=scope)) == ["4155550132"], "the number is whole where it ends"
    assert opened(await harness.step(scope=scope)) == []
    assert {context.scope.seal for context in harness.contexts} == {None}, "the speech worker seals, nobody else"


async def test_a_recording_comes_with_its_sealed_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = X25519PrivateKey.generate()
    target = SealTarget("PHONE", "contact_phone", "crm", private.public_key().public_bytes_raw())
    scope = RedactionScope("app", "session-1", SealRequest((target,)))
    harness = WorkerHarness(tmp_path, ["My number is 415-555-0132."], monkeypatch)
    flac = np.fromfile(DATA / "visit.flac", np.uint8)
    read = await harness.worker.recording(harness.fingerprint, 60.0, "en", scope, False, flac)
    binding = Binding("session-1", "contact_phone", "PHONE", "crm")
    assert {open_value(value.ciphertext, private, binding).written for value in read.sealed} == {"415-555-0132"}
    assert "415" not in read.text.value
    assert {context.scope.seal for context in harness.contexts} == {None}
