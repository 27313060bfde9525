"""The workers as Ray Serve deployments. Each is its own application, so that it can be replaced without the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from models.errors import Overloaded, RedactionFailed, VestibuleError, WorkersMismatch
from models.redaction.types import Redaction, RedactionContext
from models.retry import RetryPolicy
from models.text import RawText
from models.tracing.spans import trace_argument
from ray_tasks.bind_address import bind_replica_to_node_address
from ray_tasks.engine_info import fingerprint
from ray_tasks.freed_memory import give_back_large_blocks_at_once
from ray_tasks.redaction_worker import RedactionWorker
from ray_tasks.serve_client import call
from ray_tasks.speech_worker import SpeechWorker
from ray_tasks.types import ClusterConfig, WorkerConfig
from ray_tasks.vision_worker import VisionWorker
from ray_tasks.worker_runtime import RedactAsync

DEPLOYMENTS: Final = {"redaction": "Redaction", "speech": "Speech", "vision": "Vision"}
"""Name of the deployment of each kind of worker, in the order in which they are needed."""

APPLICATION_PREFIX: Final = "vestibule-"
"""Prefix of the names of all applications, of every installation."""

HEALTH_PERIOD_S: Final = 1.0
"""How often Serve checks a replica. A dead replica is noticed after at most this time."""
HEALTH_TIMEOUT_S: Final = 15.0
STOP_TIMEOUT_S: Final = 20.0
"""How long a replica that is being replaced may take to finish its calls."""


def application_name(installation: str, kind: str) -> str:
    """Name of the Serve application of a kind of worker. It is unique to the installation."""
    return f"{APPLICATION_PREFIX}{installation}-{kind}"


def handle_of(installation: str, kind: str) -> Any:
    """A handle to the deployment of a kind of worker. The deployment need not exist yet."""
    return DeploymentHandle(DEPLOYMENTS[kind], application_name(installation, kind))


class RedactionDeployment(RedactionWorker):
    """Redaction of text."""

    def __init__(self, config: ClusterConfig) -> None:
        bind_replica_to_node_address()
        super().__init__(config)


class SpeechDeployment(SpeechWorker):
    """Speech recognition, with redaction of the transcript."""

    def __init__(self, config: ClusterConfig) -> None:
        bind_replica_to_node_address()
        super().__init__(config, _redaction_from_inside(config))


class VisionDeployment(VisionWorker):
    """Reading of pictures, with redaction of text and picture."""

    def __init__(self, config: ClusterConfig) -> None:
        bind_replica_to_node_address()
        give_back_large_blocks_at_once()
        super().__init__(config, _redaction_from_inside(config))


def applications(config: ClusterConfig) -> dict[str, serve.RunTarget]:
    """The three applications by kind. They have no routes, because there is no HTTP proxy."""
    workers: dict[str, tuple[Callable[..., object], WorkerConfig]] = {
        "redaction": (RedactionDeployment, config.redaction),
        "speech": (SpeechDeployment, config.speech),
        "vision": (VisionDeployment, config.vision),
    }
    return {
        kind: serve.RunTarget(
            deployment(name, *workers[kind], config.retry).bind(config),
            name=application_name(config.installation, kind),
            route_prefix=None,
        )
        for kind, name in DEPLOYMENTS.items()
    }


def deployment(name: str, worker: Callable[..., object], config: WorkerConfig, retry: RetryPolicy) -> Any:
    """A Serve deployment with the resources and queue bounds that ``config`` sets.

    Serve starts a replica that died again without end, and takes neither ``max_restarts`` nor ``max_task_retries`` for
    it. A call whose replica died is sent again by ``serve_client``, under the same policy as here.
    """
    return serve.deployment(
        worker,
        name=name,
        num_replicas=config.replicas,
        ray_actor_options={"num_cpus": config.cpus, "num_gpus": config.gpus},
        max_ongoing_requests=config.max_ongoing,
        max_queued_requests=config.max_queued,
        health_check_period_s=HEALTH_PERIOD_S,
        health_check_timeout_s=HEALTH_TIMEOUT_S,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=STOP_TIMEOUT_S,
        max_constructor_retry_count=max(1, retry.retries),  # Serve takes no 0
        logging_config=LoggingConfig(log_level="INFO", enable_access_log=False),
    )


def _redaction_from_inside(config: ClusterConfig) -> RedactAsync:
    """A function with which another worker has texts redacted. It fails closed: if there is no answer, it raises."""
    handle = handle_of(config.installation, "redaction")
    expected = fingerprint(config)

    async def ask(texts: list[RawText], context: RedactionContext, timeout_s: float) -> list[Redaction]:
        traced = trace_argument()
        try:
            return await call(
                lambda left_s: handle.redact.remote(expected, left_s, texts, context, **traced),
                timeout_s=timeout_s,
                policy=config.retry,
            )
        except (Overloaded, RedactionFailed, WorkersMismatch):
            raise
        except VestibuleError as exc:
            raise RedactionFailed(f"The redaction workers did not answer ({exc.reason}).") from None

    return ask
