"""What the workers say about themselves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from models.errors import WorkersMismatch
from ray_tasks.types import ClusterConfig
from ray_tasks.worker_runtime import log

MISMATCH: Final = "The workers run with other settings or another redaction policy than this server."


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a worker says about itself once it is up.

    Attributes:
        device: ``cpu`` or ``cuda``.
        fingerprint: Of the settings, the redaction policies and the code that it was built from.
        detail: One sentence for the operator, or empty.
    """

    engine: str
    device: str
    fingerprint: str
    detail: str = ""

    def require(self, expected: str) -> None:
        """Refuse a call that was meant for a worker with other settings or another redaction policy.

        Raises:
            WorkersMismatch: It was.
        """
        if self.fingerprint != expected:
            raise WorkersMismatch(MISMATCH)


def fingerprint(config: ClusterConfig) -> str:
    """Hash of all that the workers of an installation are built from; every call carries it.

    A worker with another fingerprint could redact by another policy, so it refuses the call.
    """
    built_from = (
        metadata.version("vestibule"),
        config.installation,
        (config.speech, config.vision, config.redaction),
        (config.weights_dir, config.carry_key_path),
        config.image_pixels,
        config.redaction_policies,
    )
    return hashlib.sha256(repr(built_from).encode()).hexdigest()[:16]


def on_cpu(kind: str, device: str, wanted: str) -> str:
    """What to say, and log once, when there is no GPU for an engine that would take one."""
    if device != "cpu" or wanted == "cpu":
        return ""
    detail = "No GPU that this engine can use was found; it runs on the CPU."
    log.info("%s: %s", kind, detail)
    return detail
