"""What the workers say about themselves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata

from ray_tasks.types import WorkerConfig
from ray_tasks.worker_runtime import log


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a worker says about itself once it is up.

    Attributes:
        device: ``cpu`` or ``cuda``.
        fingerprint: Of the settings and the code that it was built from.
        detail: One sentence for the operator, or empty.
    """

    engine: str
    device: str
    fingerprint: str
    detail: str = ""


def fingerprint(config: WorkerConfig, *arguments: object) -> str:
    """Equal for equal settings and code, so that a second server on the same cluster replaces nothing."""
    return hashlib.sha256(repr((metadata.version("vestibule"), config, arguments)).encode()).hexdigest()[:16]


def on_cpu(kind: str, device: str, wanted: str) -> str:
    """What to say, and log once, when there is no GPU for an engine that would take one."""
    if device != "cpu" or wanted == "cpu":
        return ""
    detail = "No GPU that this engine can use was found; it runs on the CPU."
    log.info("%s: %s", kind, detail)
    return detail
