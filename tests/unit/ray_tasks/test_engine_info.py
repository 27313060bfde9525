"""Every call names the settings and policies that the worker must have; a worker with others refuses it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from models.errors import WorkersMismatch
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext
from models.speech.engines import DEFAULT_WEIGHTS
from models.text import RawText
from models.weights.added import AddedFile, AddedModel, record
from ray_tasks import engine_info, redaction_worker, speech_worker, vision_worker
from ray_tasks.engine_info import code_hash, fingerprint, speech_fingerprint, speech_identity
from ray_tasks.types import ClusterConfig, SpeechWindow, WorkerConfig
from tests.fakes.classifier import WordListClassifier
from tests.fakes.speech import ScriptedSpeech, ScriptedVad
from tests.unit.weights.test_added import kept

SOUND = np.frombuffer(b"sound", np.uint8)
CONFIG = ClusterConfig(WorkerConfig(), WorkerConfig(), WorkerConfig(), "weights", "carry.key", "0123456789ab", "state")
KEEPS_NAMES = "clients: {app: {operators: {NAME: keep}}}"

Call = Callable[[str], Awaitable[object]]


@pytest.mark.parametrize(
    "change",
    [
        {"redaction_policies": KEEPS_NAMES},
        {"installation": "ba9876543210"},
        {"speech": WorkerConfig(threads=1)},
        {"vision": WorkerConfig(threads=1)},
        {"redaction": WorkerConfig(replicas=2)},
        {"redaction": WorkerConfig(weights="hives")},
        {"weights_dir": "elsewhere"},
        {"state_key_path": "another.key"},
        {"image_pixels": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_fingerprint_changes_with_every_setting_of_the_workers(change: dict[str, Any]) -> None:
    assert fingerprint(replace(CONFIG, **change)) != fingerprint(CONFIG)


def test_the_fingerprint_changes_with_a_model_that_replaced_another_of_its_name(tmp_path: Path) -> None:
    config = replace(CONFIG, weights_dir=str(tmp_path), redaction=WorkerConfig(weights="mine"))
    before = fingerprint(config)
    kept(tmp_path)
    assert fingerprint(config) != before


def test_the_fingerprint_ignores_settings_that_workers_do_not_get() -> None:
    assert fingerprint(replace(CONFIG, address="127.0.0.1:6379", dashboard_port=1)) == fingerprint(CONFIG)


def speech(weights: str = "", partial_weights: str = "", config: ClusterConfig = CONFIG) -> ClusterConfig:
    return replace(config, speech=WorkerConfig(weights=weights, partial_weights=partial_weights))


TINY = speech("whisper-tiny.en")


def test_redaction_works_for_speech_of_any_weights_but_a_call_to_speech_names_its_weights() -> None:
    assert fingerprint(TINY) == fingerprint(CONFIG)
    assert speech_identity(TINY) != speech_identity(CONFIG)
    assert speech_fingerprint(TINY, "a") == f"{fingerprint(CONFIG)}-a"


def test_the_same_weights_have_one_identity_however_they_were_chosen() -> None:
    assert speech_identity(speech(DEFAULT_WEIGHTS, DEFAULT_WEIGHTS)) == speech_identity(CONFIG), "as in the settings"
    swapped = replace(TINY, speech=replace(TINY.speech, weights=DEFAULT_WEIGHTS))
    assert speech_identity(swapped) == speech_identity(CONFIG)
    assert speech_identity(speech(partial_weights="whisper-tiny.en")) != speech_identity(CONFIG)


@pytest.mark.parametrize("weights", [("ours", ""), ("whisper-tiny.en", "ours")], ids=["finals", "partials"])
def test_a_model_that_replaces_another_of_its_name_has_another_identity(
    tmp_path: Path, weights: tuple[str, str]
) -> None:
    config = speech(*weights, replace(CONFIG, weights_dir=str(tmp_path)))
    before = speech_identity(config)
    (tmp_path / "ours").mkdir()
    identities = [before]
    for digit in "12":
        file = AddedFile("model.bin", 1, digit * 64)
        record(AddedModel("ours", "CTranslate2 folder", "speech", (file,), (file,), "", "2026-11-30"), tmp_path)
        identities.append(speech_identity(config))
    assert len(set(identities)) == 3


@pytest.fixture(scope="module")
def installed_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of ``models/``, as another installation has it."""
    copy = tmp_path_factory.mktemp("installed") / "models"
    shutil.copytree(Path(models.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_two_installations_of_the_same_code_have_one_hash(installed_code: Path) -> None:
    assert code_hash.__wrapped__(installed_code) == code_hash.__wrapped__(Path(models.__file__).parent)


@pytest.mark.parametrize(
    "file",
    [
        "redaction/recognizers/person/introduced_name.py",
        "redaction/lexicons/en/spoken.yaml",
        "redaction/ner/name_head.npz",
        "vision/register.onnx",
    ],
)
def test_the_code_hash_changes_with_every_file_that_workers_run(installed_code: Path, file: str) -> None:
    before = code_hash.__wrapped__(installed_code)
    content = (installed_code / file).read_bytes()
    (installed_code / file).write_bytes(content + b" ")
    changed = code_hash.__wrapped__(installed_code)
    (installed_code / file).write_bytes(content)
    assert changed != before


def test_the_code_hash_changes_with_the_name_of_a_file(installed_code: Path) -> None:
    before = code_hash.__wrapped__(installed_code)
    (installed_code / "text.py").rename(installed_code / "texts.py")
    changed = code_hash.__wrapped__(installed_code)
    (installed_code / "texts.py").rename(installed_code / "text.py")
    assert changed != before


@pytest.mark.parametrize("file", ["training/fit_heads.py", "__pycache__/text.cpython-312.pyc"])
def test_the_code_hash_ignores_files_that_workers_do_not_run(installed_code: Path, file: str) -> None:
    before = code_hash.__wrapped__(installed_code)
    (installed_code / file).parent.mkdir(exist_ok=True)
    (installed_code / file).write_bytes(b"changed")
    assert code_hash.__wrapped__(installed_code) == before


def test_the_fingerprint_changes_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(CONFIG)
    monkeypatch.setattr(engine_info, "code_hash", lambda *_: "of a fixed recognizer")
    assert fingerprint(CONFIG) != before


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Call]:
    """Every method of the workers that takes a user's data, as a function of the fingerprint that the caller expects.

    The engines fail the test when they are reached.
    """
    reached: list[str] = []

    async def ask(texts: list[RawText], context: RedactionContext, _timeout_s: float) -> list[Redaction]:
        reached.append("redaction")
        return []

    def decode(*_: Any) -> Any:
        reached.append("decoder")

    config = replace(CONFIG, state_key_path=str(tmp_path / "carry.key"), weights_dir=str(tmp_path))
    monkeypatch.setattr(speech_worker, "build_engine", lambda *_: ScriptedSpeech(["John Carter"]))
    monkeypatch.setattr(speech_worker, "build_vad", lambda *_: ScriptedVad())
    monkeypatch.setattr(speech_worker, "EncodedRecording", decode)
    monkeypatch.setattr(vision_worker, "YunetFaceDetector", decode)
    monkeypatch.setattr(vision_worker, "read_and_redact", decode)
    monkeypatch.setattr(redaction_worker, "build_classifier", lambda *_: WordListClassifier({}))
    listening, vision = speech_worker.SpeechWorker(config, ask), vision_worker.VisionWorker(config, ask)
    redaction = redaction_worker.RedactionWorker(config)
    reached.clear()
    window = SpeechWindow(bytes(64_000), final=True)
    return {
        "step": lambda expected: listening.step(expected, 60.0, window),
        "recording": lambda expected: listening.recording(expected, 60.0, "en", NO_SCOPE, False, SOUND),
        "picture": lambda expected: vision.picture(expected, 60.0, b"picture", ""),
        "redact": lambda expected: redaction.redact(expected, 60.0, [RawText("John Carter")], RedactionContext()),
        "reached": lambda _: asyncio.sleep(0, reached),
    }


@pytest.mark.parametrize("method", ["step", "recording", "picture", "redact"])
async def test_a_worker_refuses_a_call_for_another_policy(calls: dict[str, Call], method: str) -> None:
    elsewhere = fingerprint(replace(CONFIG, redaction_policies=KEEPS_NAMES))
    with pytest.raises(WorkersMismatch) as caught:
        await calls[method](elsewhere)
    assert caught.value.reason == "WORKERS_MISMATCH"
    assert "restart the server" in caught.value.hint
    assert await calls["reached"]("") == []
