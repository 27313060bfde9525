"""The redaction worker. A plain class: Serve runs it as the replicas of a deployment (see ``deployments``)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from models.redaction.ner.engine_choice import TRANSFORMERS, Device
from models.redaction.ner.engines import build_classifier
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.sealed_state import load_or_create_key
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from ray_tasks.engine_info import EngineFacts, fingerprint, on_cpu
from ray_tasks.types import WorkerConfig
from ray_tasks.worker_runtime import BoundedExecutor, ErrorBoundary


class RedactionWorker:
    """Raw text to redacted text.

    Args:
        config: Engine, device, threads and how many calls at a time.
        weights_dir: Folder of the verified weights.
        carry_key_path: Where the key is kept that the keys of hashed tags are made of.
        policies: Text of the policy file; empty for the strict defaults.
    """

    def __init__(self, config: WorkerConfig, weights_dir: str, carry_key_path: str, policies: str = "") -> None:
        device = cast(Device, config.device)
        classifier = build_classifier(Path(weights_dir), config.engine, device, config.threads)
        key = load_or_create_key(Path(carry_key_path))
        self._redactor = LocalRedactor(classifier, policies=parse_policies(policies), worker_key=key)
        may_use_gpu = config.engine == TRANSFORMERS
        self._facts = EngineFacts(
            classifier.name,
            classifier.device,
            fingerprint(config, weights_dir, carry_key_path, policies),
            on_cpu("Redaction", classifier.device, device) if may_use_gpu else "",
        )
        self._texts = BoundedExecutor("redaction", config.max_ongoing)

    async def describe(self) -> EngineFacts:
        """What runs here."""
        return self._facts

    async def check_health(self) -> None:
        """Serve asks now and then."""
        self._texts.check()

    async def redact(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        """Redact a batch; see ``Gateway.redact``."""
        with ErrorBoundary("redaction"):
            return await self._texts.run(self._redactor.redact_many, texts, context)
