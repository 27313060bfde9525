"""What the workers record, with a recorder by hand; no Ray runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.errors import DeadlineExceeded, InternalError, WorkersMismatch
from models.reasons import Reason
from models.text import RawText
from ray_tasks.worker_metrics import (
    AUDIO_SECONDS,
    BATCH_TEXTS,
    BATCH_WINDOWS,
    BATCHES,
    CALL_SECONDS,
    COMPUTE_SECONDS,
    ERRORS,
    SPEECH_BATCHES,
    WORKER_METRICS,
    CallMetrics,
    RayRecorder,
    Work,
    WorkerMetric,
)
from ray_tasks.worker_runtime import ErrorBoundary
from tests.unit.ray_tasks.test_speech_worker import WorkerHarness

SECRET = "John Carter"


class Recorded:
    """A recorder that keeps what it is given."""

    def __init__(self) -> None:
        self.values: list[tuple[WorkerMetric, float, dict[str, str]]] = []

    def record(self, metric: WorkerMetric, value: float, tags: Mapping[str, str]) -> None:
        assert set(tags) == set(metric.tags), metric.name
        self.values.append((metric, value, dict(tags)))

    def of(self, metric: WorkerMetric) -> list[tuple[float, dict[str, str]]]:
        return [(value, tags) for found, value, tags in self.values if found is metric]


class Clock:
    """Seconds by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def tags(work: Work, **more: str) -> dict[str, str]:
    return {"engine": "an-engine", "model": "a-model", "work": work.value, **more}


def test_a_call_is_timed_by_model_and_work(recorded: Recorded) -> None:
    clock = Clock()
    metrics = CallMetrics("an-engine", "a-model", recorded, clock)
    with metrics.call(Work.PICTURE):
        clock.now = 2.5
    assert recorded.values == [(CALL_SECONDS, 2.5, tags(Work.PICTURE))]


def test_a_call_that_fails_is_timed_and_counted_by_its_reason(recorded: Recorded) -> None:
    metrics = CallMetrics("an-engine", "a-model", recorded)
    with pytest.raises(InternalError), metrics.call(Work.TEXTS), ErrorBoundary("redaction"):
        raise ValueError(SECRET)
    with pytest.raises(DeadlineExceeded), metrics.call(Work.TEXTS), ErrorBoundary("redaction"):
        raise DeadlineExceeded("Too late.")
    assert len(recorded.of(CALL_SECONDS)) == 2
    assert recorded.of(ERRORS) == [
        (1.0, tags(Work.TEXTS, reason="WORKER_FAILED")),
        (1.0, tags(Work.TEXTS, reason="DEADLINE_EXCEEDED")),
    ]
    assert SECRET not in repr(recorded.values)


def test_a_call_whose_caller_gave_up_is_not_recorded(recorded: Recorded) -> None:
    metrics = CallMetrics("an-engine", "a-model", recorded)
    with pytest.raises(asyncio.CancelledError), metrics.call(Work.FINAL), ErrorBoundary("speech"):
        raise asyncio.CancelledError
    assert recorded.values == []


def test_sums_of_which_one_is_nothing_are_left_out(recorded: Recorded) -> None:
    metrics = CallMetrics("an-engine", "a-model", recorded)
    metrics.recognized(Work.FINAL, 0.0, 1.0)
    metrics.recognized(Work.FINAL, 1.0, 0.0)
    metrics.batch(0)
    assert recorded.values == []
    metrics.batch(3)
    assert [value for value, _tags in recorded.of(BATCHES) + recorded.of(BATCH_TEXTS)] == [1.0, 3.0]
    for together in (4, 2):
        metrics.windows(together)
    assert [value for value, _tags in recorded.of(SPEECH_BATCHES) + recorded.of(BATCH_WINDOWS)] == [1.0, 1.0, 4.0, 2.0]


async def test_the_speech_worker_records_its_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: Recorded
) -> None:
    harness = WorkerHarness(tmp_path, ["The pump is loud.", RawText("It is Tarn.")], monkeypatch, recorded)
    await harness.step(final=False)
    await harness.step()
    with pytest.raises(WorkersMismatch):
        await harness.worker.step("another", 60.0, harness.window())
    works = [found["work"] for _value, found in recorded.of(CALL_SECONDS)]
    assert works == ["partial", "final", "final"]
    assert [value for value, _tags in recorded.of(AUDIO_SECONDS)] == [1.0, 1.0]
    assert {found["model"] for _m, _v, found in recorded.values} == {"whisper-base"}
    assert len(recorded.of(COMPUTE_SECONDS)) == 2
    assert [found["reason"] for _value, found in recorded.of(ERRORS)] == [Reason.WORKERS_MISMATCH.value]
    assert "Tarn" not in repr(recorded.values)


def test_ray_takes_every_metric_without_a_cluster() -> None:
    recorder = RayRecorder()
    for metric in WORKER_METRICS:
        recorder.record(metric, 0.5, dict.fromkeys(metric.tags, "x"))


def test_names_have_units_and_tags_are_few() -> None:
    names = [metric.name for metric in WORKER_METRICS]
    assert len(set(names)) == len(names)
    for metric in WORKER_METRICS:
        assert metric.name.startswith("vestibule_")
        assert not metric.name.endswith("_total"), "Ray adds it"
        assert set(metric.tags) <= {"work", "engine", "model", "reason"}
        assert metric.kind == "counter" or metric.name.endswith("_seconds")
        assert list(metric.buckets) == sorted(metric.buckets)
