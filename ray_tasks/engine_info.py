"""The workers' descriptions of themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import models
from models.errors import WorkersMismatch
from models.speech.engines import DEFAULT_WEIGHTS
from models.weights.added import added_model
from ray_tasks.types import ClusterConfig
from ray_tasks.worker_runtime import log

MISMATCH: Final = "The workers run with other settings or another redaction policy than this server."

CODE_SUFFIXES: Final = frozenset({".py", ".yaml", ".npz", ".onnx"})


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
    """Hash of everything that an installation's workers have in common. Every call carries it.

    A worker with another fingerprint could redact by another policy or by older code, so it refuses the call. The
    weights of speech are no part of it: they may be changed while calls go on, and redaction works for all of them.
    """
    built_from = (
        code_hash(Path(models.__file__).parent, Path(__file__).parent),
        config.installation,
        (replace(config.speech, weights="", partial_weights=""), config.vision, config.redaction),
        (config.weights_dir, config.state_key_path),
        config.image_pixels,
        config.redaction_policies,
        # A model that replaced another of its name.
        added_model(config.redaction.weights, Path(config.weights_dir)),
        (config.traces.endpoint, config.traces.headers),
    )
    return hashlib.sha256(repr(built_from).encode()).hexdigest()[:16]


def speech_weights(config: ClusterConfig) -> tuple[str, str]:
    """Names of the weights for finals, and of those for partials."""
    weights = config.speech.weights or DEFAULT_WEIGHTS
    return weights, config.speech.partial_weights or weights


def speech_identity(config: ClusterConfig) -> str:
    """Short hash of the weights that a speech worker loads. It is a part of the name of its application.

    Raises:
        WeightsError: WEIGHTS_INVALID, the record of an added model cannot be read.
    """
    names = speech_weights(config)
    # A model may have replaced another of its name.
    built_from = (names, [added_model(name, Path(config.weights_dir)) for name in names])
    return hashlib.sha256(repr(built_from).encode()).hexdigest()[:8]


def speech_fingerprint(config: ClusterConfig, identity: str = "") -> str:
    """What a call to a speech worker carries: its weights, too, as another model may have got their name meanwhile.

    Args:
        config: What the worker is built from.
        identity: Of its weights, where it is known.
    """
    return f"{fingerprint(config)}-{identity or speech_identity(config)}"


@cache
def code_hash(*packages: Path) -> str:
    """Hash of the files that workers run: code, lexicons and fitted models, without ``training``.

    Cached, because a process keeps the code that it has imported.

    Args:
        packages: Folders of the packages.
    """
    digest = hashlib.sha256()
    for package in packages:
        for name in sorted(_code_files(package)):
            content = (package / name).read_bytes()
            digest.update(f"{package.name}/{name} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def _code_files(package: Path) -> Iterator[str]:
    for path in package.rglob("*"):
        name = path.relative_to(package)
        if path.suffix in CODE_SUFFIXES and name.parts[0] != "training":
            yield name.as_posix()


def on_cpu(kind: str, device: str, wanted: str) -> str:
    """The sentence for the operator when an engine could use a GPU but none was found; it is also logged once."""
    if device != "cpu" or wanted == "cpu":
        return ""
    detail = "No GPU that this engine can use was found; it runs on the CPU."
    log.info("%s: %s", kind, detail)
    return detail
