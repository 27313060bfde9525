"""The workers' descriptions of themselves."""

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
    """A worker's description of itself.

    Attributes:
        device: ``cpu`` or ``cuda``.
        fingerprint: Hash of the settings, the redaction policies and the code that it was built from.
        detail: One sentence for the operator, or empty.
    """

    engine: str
    device: str
    fingerprint: str
    detail: str = ""

    def require(self, expected: str) -> None:
        """Refuse a call whose fingerprint differs: the caller expects other settings or another redaction policy.

        Raises:
            WorkersMismatch: The fingerprints differ.
        """
        if self.fingerprint != expected:
            raise WorkersMismatch(MISMATCH)


def fingerprint(config: ClusterConfig) -> str:
    """Hash of everything that an installation's workers are built from. Every call carries it.

    A worker with another fingerprint could redact by another policy, so it refuses the call.
    """
    built_from = (
        metadata.version("vestibule"),
        config.installation,
        (config.speech, config.vision, config.redaction),
        (config.weights_dir, config.state_key_path),
        config.image_pixels,
        config.redaction_policies,
    )
    return hashlib.sha256(repr(built_from).encode()).hexdigest()[:16]


def on_cpu(kind: str, device: str, wanted: str) -> str:
    """The sentence for the operator when an engine could use a GPU but none was found; it is also logged once."""
    if device != "cpu" or wanted == "cpu":
        return ""
    detail = "No GPU that this engine can use was found; it runs on the CPU."
    log.info("%s: %s", kind, detail)
    return detail
