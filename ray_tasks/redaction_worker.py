"""The redaction worker. A plain class: Serve runs it as the replicas of a deployment (see ``deployments``)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from models.cancellation import Cancellation
from models.redaction.ner.engine_choice import TRANSFORMERS, Device
from models.redaction.ner.engines import WEIGHTS_NAME, build_classifier
from models.redaction.streaming.sealed_state import load_or_create_key
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from models.tracing.attributes import TEXTS
from models.tracing.names import SpanName
from ray_tasks.engine_info import EngineFacts, fingerprint, on_cpu
from ray_tasks.tracing import WorkerTraces
from ray_tasks.types import ClusterConfig
from ray_tasks.worker_metrics import CallMetrics, Recorder, Work
from ray_tasks.worker_runtime import BoundedExecutor, ErrorBoundary


class RedactionWorker:
    """Raw text to redacted text.

    Args:
        config: Of the whole cluster; ``config.redaction`` has the engine, its device, threads and calls at a time, and
            the name of a model of the operator's own.
        recorder: Takes the metrics; Ray if None.
    """

    def __init__(self, config: ClusterConfig, recorder: Recorder | None = None) -> None:
        # Imported here: it takes seconds, and the processes that deploy and watch this class need none of it.
        from models.redaction.own_model.tagger import load_own_model
        from models.redaction.policy.loader import parse_policies
        from models.redaction.redactor import LocalRedactor

        redaction = config.redaction
        device = cast(Device, redaction.device)
        classifier = build_classifier(Path(config.weights_dir), redaction.engine, device, redaction.threads)
        key = load_or_create_key(Path(config.state_key_path))
        policies = parse_policies(config.redaction_policies)
        own_model = None
        if redaction.weights:
            own_model = load_own_model(redaction.weights, Path(config.weights_dir), redaction.threads)
        self._redactor = LocalRedactor(classifier, policies=policies, worker_key=key, own_model=own_model)
        may_use_gpu = redaction.engine == TRANSFORMERS
        self._facts = EngineFacts(
            classifier.name,
            classifier.device,
            fingerprint(config),
            on_cpu("Redaction", classifier.device, device) if may_use_gpu else "",
        )
        self._metrics = CallMetrics(classifier.name, WEIGHTS_NAME, recorder)
        self._texts = BoundedExecutor("redaction", redaction.max_ongoing)
        self._traces = WorkerTraces(config.traces, "redaction")

    async def describe(self) -> EngineFacts:
        """The worker's description of itself."""
        return self._facts

    async def check_health(self) -> None:
        """Called by Serve every few seconds; an error makes it replace the replica."""
        self._texts.check()

    async def redact(
        self, expected: str, left_s: float, texts: list[RawText], context: RedactionContext, *, traceparent: str = ""
    ) -> list[Redaction]:
        """Redact a batch; see ``Gateway.redact``."""
        cancellation = Cancellation(left_s)
        call = self._traces.call(SpanName.REDACTION, traceparent)
        with self._metrics.call(Work.TEXTS), call as span, ErrorBoundary("redaction"):
            span.set(TEXTS, len(texts))
            self._facts.require(expected)
            self._metrics.batch(len(texts))
            return await self._texts.run(cancellation, self._redactor.redact_many, texts, context, cancellation)
