"""The redaction worker with a model of one's own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import WeightsError
from models.redaction.types import RedactionContext
from models.text import RawText
from ray_tasks import redaction_worker
from ray_tasks.engine_info import fingerprint
from ray_tasks.redaction_worker import RedactionWorker
from ray_tasks.types import ClusterConfig, WorkerConfig
from tests.fakes.classifier import WordListClassifier


@pytest.fixture
def config(hives_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterConfig:
    """Of workers that have the trained model, and a list of words for the classifier."""
    monkeypatch.setattr(redaction_worker, "build_classifier", lambda *_: WordListClassifier())
    idle = WorkerConfig()
    key = str(tmp_path / "carry.key")
    return ClusterConfig(idle, idle, WorkerConfig(weights="hives"), str(hives_cache), key, "0123456789ab", "state")


async def redacted(config: ClusterConfig) -> str:
    worker = RedactionWorker(config)
    texts = [RawText("please check the colony falcon before friday")]
    (redaction,) = await worker.redact(fingerprint(config), math.inf, texts, RedactionContext())
    return redaction.text.value


async def test_it_hides_what_the_chosen_model_finds(config: ClusterConfig) -> None:
    assert await redacted(config) == "please check the colony [REDACTED_NAME] before friday"
    none = replace(config, redaction=WorkerConfig())
    assert await redacted(none) == "please check the colony falcon before friday"


def test_it_does_not_start_without_the_chosen_model(config: ClusterConfig) -> None:
    with pytest.raises(WeightsError):
        RedactionWorker(replace(config, redaction=WorkerConfig(weights="nobody")))
