"""The vision worker. A plain class: Serve runs it as the replicas of a deployment (see ``deployments``)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from models.cancellation import Cancellation
from models.media.clean import CLEAN_BYTES
from models.media.images import ImageLimits
from models.redaction.sealing import Sealer, sealer_of
from models.redaction.streaming.sealed_state import load_or_create_key
from models.redaction.types import NO_SCOPE, RedactionScope
from models.tracing.attributes import COMPUTE_S, LINES
from models.tracing.names import SpanName
from models.vision.barcodes import ZxingBarcodeReader
from models.vision.faces import YunetFaceDetector
from models.vision.ocr import RapidOcrEngine
from models.vision.ocr_models import RECOGNIZER, OcrOptions
from models.vision.redact import Detectors, read_and_redact
from models.vision.types import RedactedPage
from ray_tasks.engine_info import EngineFacts, fingerprint, on_cpu
from ray_tasks.freed_memory import give_back_freed_memory
from ray_tasks.tracing import WorkerTraces
from ray_tasks.types import ClusterConfig
from ray_tasks.worker_metrics import CallMetrics, Recorder, Work
from ray_tasks.worker_runtime import BoundedExecutor, ErrorBoundary, RedactAsync, RemoteRedactor


class VisionWorker:
    """Pictures to redacted text and pictures with the personal parts painted over.

    Args:
        config: Of the whole cluster; ``config.vision`` has the device, the threads and the calls at a time.
        ask_redaction: Has a batch redacted by the Redaction workers.
        recorder: Takes the metrics; Ray if None.
    """

    def __init__(self, config: ClusterConfig, ask_redaction: RedactAsync, recorder: Recorder | None = None) -> None:
        vision = config.vision
        cuda = {"cpu": False, "cuda": True}.get(vision.device)
        options = OcrOptions(
            threads=vision.threads,
            cuda=cuda,
            reserve_memory=True,
            page_lines=config.page_lines,
            page_cpu_s=config.page_cpu_s,
        )
        engine = RapidOcrEngine(options)
        self._detectors = Detectors(engine, YunetFaceDetector(Path(config.weights_dir)), ZxingBarcodeReader())
        self._facts = EngineFacts(
            engine.name, engine.device, fingerprint(config), on_cpu("Vision", engine.device, vision.device)
        )
        self._metrics = CallMetrics(engine.name, Path(RECOGNIZER).stem, recorder)
        self._limits = replace(ImageLimits(), pixels=config.image_pixels, file_bytes=CLEAN_BYTES)
        self._key = load_or_create_key(Path(config.state_key_path))
        self._ask = ask_redaction
        # Every call has a thread, so that a small picture need not wait for large ones: the engine lets it go first.
        self._pages = BoundedExecutor("vision", vision.max_ongoing)
        self._traces = WorkerTraces(config.traces, "vision")

    async def describe(self) -> EngineFacts:
        """The worker's description of itself."""
        return self._facts

    async def check_health(self) -> None:
        """Called by Serve every few seconds; an error makes it replace the replica."""
        self._pages.check()

    async def picture(
        self,
        expected: str,
        left_s: float,
        data: bytes,
        document_type: str,
        scope: RedactionScope = NO_SCOPE,
        *,
        traceparent: str = "",
    ) -> RedactedPage:
        """Decode, read and redact a picture; see ``Gateway.read_picture``."""
        cancellation = Cancellation(left_s)
        call = self._traces.call(SpanName.PICTURE, traceparent)
        with self._metrics.call(Work.PICTURE), call as span, ErrorBoundary("vision"):
            self._facts.require(expected)
            redactor = RemoteRedactor(self._ask, asyncio.get_running_loop(), scope, cancellation)
            sealer = sealer_of(scope, self._key)
            page = await self._pages.run(cancellation, self._read, data, redactor, document_type, cancellation, sealer)
            span.set(LINES, len(page.lines))
            span.set(COMPUTE_S, page.compute_s)
            return page

    def _read(
        self,
        data: bytes,
        redactor: RemoteRedactor,
        document_type: str,
        cancellation: Cancellation,
        sealer: Sealer | None,
    ) -> RedactedPage:
        try:
            return read_and_redact(data, self._limits, self._detectors, redactor, document_type, cancellation, sealer)
        finally:
            give_back_freed_memory()
