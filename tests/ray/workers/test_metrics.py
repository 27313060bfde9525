"""What Ray exports of the workers: every metric of the lists, by model and work, and no text of a call."""

from __future__ import annotations

import asyncio
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from models.errors import MediaError
from models.media.audio_decoder import decode
from models.reasons import Reason
from models.redaction.types import RedactionContext
from models.text import RawText
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from ray_tasks.serve_metrics import SERVE_METRICS
from ray_tasks.types import SpeechWindow
from ray_tasks.worker_metrics import BATCH_WINDOWS, SPEECH_BATCHES, WORKER_METRICS, Work, WorkerMetric
from tests.ray.conftest import DATA, truth

SAID = "I am Maria Lopez"
LOOKS = 60
"""Workers report every 10 s."""
MODELS = {"whisper-base", "rampart-pii", "PP-OCRv6_rec_small"}
ENGINES = {"ctranslate2", "rapidocr"}


async def exported(cluster: Cluster) -> str:
    """The text that Prometheus would get."""
    address = f"http://127.0.0.1:{cluster.config.metrics_port}/metrics"
    with await asyncio.to_thread(urllib.request.urlopen, address, timeout=60) as answer:
        return str((await asyncio.to_thread(answer.read)).decode())


def samples_of(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def series(metric: WorkerMetric) -> str:
    """The series of a metric that counts its events."""
    return metric.exported_name + ("_count" if metric.buckets else "")


async def test_ray_exports_what_the_workers_did_and_no_text(cluster: Cluster, gateway: RayGateway) -> None:
    pcm = decode((DATA / "visit.wav").read_bytes()).tobytes()
    for final in (False, True):
        await gateway.speech_step(SpeechWindow(pcm, final=final, language="en"), timeout_s=60)
    await gateway.redact([RawText(SAID), RawText(SAID)], RedactionContext(), timeout_s=60)
    await gateway.read_picture((DATA / "meter.jpg").read_bytes(), document_type="meter", timeout_s=120)
    with pytest.raises(MediaError):
        await gateway.read_picture(b"no picture", document_type="meter", timeout_s=60)
    on_gpu = {SPEECH_BATCHES, BATCH_WINDOWS}
    wanted = {series(metric) for metric in WORKER_METRICS if metric not in on_gpu} | {
        metric.name + "_count" * (metric.kind == "histogram") for metric in SERVE_METRICS
    }
    works = {Work.PARTIAL, Work.FINAL, Work.PICTURE, Work.TEXTS}
    missing: set[str] = wanted
    for _ in range(LOOKS):
        text = await exported(cluster)
        samples = samples_of(text)
        missing = wanted - {sample.name for sample in samples}
        seen = {s.labels["work"] for s in samples if s.name == "ray_vestibule_worker_call_seconds_count"}
        if not missing and works <= seen and Reason.UNSUPPORTED_MEDIA.value in _reasons(samples):
            break  # the picture that cannot be read was the last call
        await asyncio.sleep(1.0)
    assert missing == set()
    assert works <= seen
    _check_values(samples)
    _check_labels(samples)
    personal = [str(entry["value"]) for entry in truth("visit")["personal"]]
    assert [value for value in [SAID, "Maria", "Lopez", *personal] if value in text] == []


def _reasons(samples: list[Sample]) -> set[str]:
    return {s.labels["reason"] for s in samples if s.name == "ray_vestibule_worker_errors_total"}


def _check_values(samples: list[Sample]) -> None:
    def total(name: str, **labels: str) -> float:
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    audio_s = total("ray_vestibule_speech_audio_seconds_total", work=Work.FINAL)
    compute_s = total("ray_vestibule_speech_compute_seconds_total", work=Work.FINAL)
    assert audio_s > 5.0
    assert 0.0 < compute_s / audio_s < 10.0
    texts, batches = (total(f"ray_vestibule_redaction_{name}_total") for name in ("texts", "batches"))
    assert texts > batches > 0
    assert Reason.UNSUPPORTED_MEDIA.value in _reasons(samples)
    assert _reasons(samples) <= {reason.value for reason in Reason}


def _check_labels(samples: list[Sample]) -> None:
    named = {metric.exported_name: metric.tags for metric in WORKER_METRICS if not metric.buckets}
    named |= {metric.name: metric.tags for metric in SERVE_METRICS if metric.kind != "histogram"}
    for sample in samples:
        assert set(named.get(sample.name, ())) <= sample.labels.keys(), sample.name
        if sample.name.startswith("ray_vestibule_"):
            assert sample.labels["model"] in MODELS
            assert sample.labels["engine"] in ENGINES
            assert sample.labels.get("work", Work.FINAL) in set(Work)
