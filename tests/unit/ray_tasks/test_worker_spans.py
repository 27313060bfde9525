"""A worker's spans are below the span that its caller names, also those of its threads and of what it asks itself."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from opentelemetry.trace import SpanKind

from models.cancellation import Cancellation
from models.errors import VestibuleError
from models.media.samples import SAMPLE_RATE_HZ
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from models.tracing.names import SpanName
from models.tracing.spans import NO_SPAN, Span, current_span, trace_argument
from ray_tasks import redaction_worker, speech_worker
from ray_tasks.engine_info import fingerprint, speech_fingerprint
from ray_tasks.redaction_worker import RedactionWorker
from ray_tasks.types import ClusterConfig, SpeechWindow, TraceExport, WorkerConfig
from ray_tasks.worker_runtime import BoundedExecutor, RemoteRedactor
from tests.fakes.classifier import WordListClassifier
from tests.fakes.spans import MemoryTraces
from tests.fakes.speech import ScriptedSpeech, ScriptedVad

CALLER = f"00-{'a' * 32}-{'b' * 16}-01"
SECRET = "my name is Tarn Brevalgrund"


class MemoryWorkerTraces:
    """In the place of ``WorkerTraces``."""

    traces = MemoryTraces()

    def __init__(self, export: TraceExport, kind: str) -> None:
        self.kind = kind

    def call(self, name: SpanName, traceparent: str) -> Span:
        if not traceparent:
            return NO_SPAN
        return self.traces.tracer.root(name, SpanKind.SERVER, traceparent=traceparent)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> MemoryTraces:
    kept = MemoryTraces()
    monkeypatch.setattr(MemoryWorkerTraces, "traces", kept)
    monkeypatch.setattr(redaction_worker, "WorkerTraces", MemoryWorkerTraces)
    monkeypatch.setattr(speech_worker, "WorkerTraces", MemoryWorkerTraces)
    monkeypatch.setattr(redaction_worker, "build_classifier", lambda *_: WordListClassifier({"tarn": "GIVEN_NAME"}))
    monkeypatch.setattr(speech_worker, "build_engine", lambda *_: ScriptedSpeech([SECRET, SECRET]))
    monkeypatch.setattr(speech_worker, "build_vad", lambda *_: ScriptedVad())
    return kept


def config_of(folder: Path) -> ClusterConfig:
    workers = (WorkerConfig(engine="scripted"), WorkerConfig(), WorkerConfig())
    return ClusterConfig(*workers, str(folder), str(folder / "carry.key"), "installation", str(folder))


async def test_a_spoken_utterance_is_one_tree_through_both_workers(traces: MemoryTraces, tmp_path: Path) -> None:
    config = config_of(tmp_path)
    redaction = RedactionWorker(config)

    async def ask(texts: list[RawText], context: RedactionContext, timeout_s: float) -> list[Redaction]:
        return await redaction.redact(fingerprint(config), timeout_s, texts, context, **trace_argument())

    speech = speech_worker.SpeechWorker(config, ask)
    window = SpeechWindow(np.zeros(SAMPLE_RATE_HZ, "<f4").tobytes(), final=True)
    step = await speech.step(speech_fingerprint(config), 60.0, window, traceparent=CALLER)
    assert "[REDACTED_NAME]" in step.text.value
    assert traces.path(traces.one("redaction.detect")) == ["redaction.detect", "redaction", "speech.step"]
    assert traces.path(traces.one("speech.recognition")) == ["speech.recognition", "speech.step"]
    above = traces.one("speech.step").parent
    assert above is not None and f"{above.span_id:016x}" == "b" * 16
    assert {f"{span.context.trace_id:032x}" for span in traces.spans if span.context} == {"a" * 32}
    assert all("Brevalgrund" not in span.to_json() for span in traces.spans)
    spans = len(traces.spans)
    await speech.step(speech_fingerprint(config), 60.0, window)
    assert len(traces.spans) == spans, "its caller is not recorded"


async def test_a_worker_that_fails_leaves_only_the_reason(
    traces: MemoryTraces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path)
    worker = RedactionWorker(config)

    def fail(*_: object) -> None:
        raise MemoryError(SECRET)

    monkeypatch.setattr(worker._redactor, "redact_many", fail)
    with pytest.raises(VestibuleError):
        await worker.redact(fingerprint(config), 60.0, [RawText(SECRET)], RedactionContext(), traceparent=CALLER)
    assert traces.values("redaction") == {"vestibule.redaction.texts": 1, "error.type": "WORKER_FAILED"}
    assert "Brevalgrund" not in traces.one("redaction").to_json()


async def test_a_thread_of_a_worker_asks_for_redaction_below_its_own_span() -> None:
    traces, asked = MemoryTraces(), list[str]()

    async def ask(texts: list[RawText], context: RedactionContext, timeout_s: float) -> list[Redaction]:
        asked.append(current_span().traceparent)
        return LocalRedactor(WordListClassifier()).redact_many(texts, context)

    redactor = RemoteRedactor(ask, asyncio.get_running_loop())
    with traces.tracer.root(SpanName.PICTURE, SpanKind.SERVER) as span:
        pages = BoundedExecutor("vision", 1)
        await pages.run(Cancellation(60.0), redactor.redact, RawText(SECRET), RedactionContext())
    assert asked == [span.traceparent]


def test_where_spans_go_reaches_a_worker_whole() -> None:
    export = TraceExport("http://127.0.0.1:4318", (("x-key", "s3cret"),))
    sent = replace(config_of(Path("folder")), traces=export)
    assert pickle.loads(pickle.dumps(sent)).traces == export
    assert fingerprint(sent) != fingerprint(config_of(Path("folder")))
