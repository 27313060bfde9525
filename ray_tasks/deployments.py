"""The workers as Ray Serve deployments. Each is its own application, so that it can be replaced without the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ray import serve
from ray.serve.config import AutoscalingConfig
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
DRAIN_S: Final = 660.0
"""The same for a kind of worker whose number changes with the load. A replica that is not needed any more finishes what
it has, and the longest call, the reading of a recording, takes up to ten minutes.
"""
GROW_AFTER_S: Final = 10.0
"""How long there must be more calls than the replicas should have until one is added."""
SHRINK_AFTER_S: Final = 300.0
"""How long there must be fewer until one is ended. It is long, because a new one needs its models loaded."""


def application_name(installation: str, kind: str, identity: str = "") -> str:
    """Name of the Serve application of a kind of worker. It is unique to the installation.

    That of speech has the identity of its weights at its end. So it always means the same weights, and applications of
    different weights run beside each other.
    """
    name = f"{APPLICATION_PREFIX}{installation}-{kind}"
    return f"{name}-{identity}" if identity else name


def kind_of(name: str, installation: str) -> str | None:
    """Kind of worker of an application of this installation; None for the name of any other application."""
    prefix = f"{APPLICATION_PREFIX}{installation}-"
    kind = name.removeprefix(prefix).partition("-")[0]
    return kind if name.startswith(prefix) and kind in DEPLOYMENTS else None


def handle_of(name: str, kind: str) -> Any:
    """A handle to the deployment of an application. The deployment need not exist yet."""
    return DeploymentHandle(DEPLOYMENTS[kind], name)


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


def run_target(config: ClusterConfig, kind: str, name: str) -> serve.RunTarget:
    """The application of a kind of worker under its name. It has no route, because there is no HTTP proxy."""
    workers: dict[str, tuple[Callable[..., object], WorkerConfig]] = {
        "redaction": (RedactionDeployment, config.redaction),
        "speech": (SpeechDeployment, config.speech),
        "vision": (VisionDeployment, config.vision),
    }
    return serve.RunTarget(
        deployment(DEPLOYMENTS[kind], *workers[kind], config.retry).bind(config),
        name=name,
        route_prefix=None,
    )


def deployment(name: str, worker: Callable[..., object], config: WorkerConfig, retry: RetryPolicy) -> Any:
    """A Serve deployment with the resources, number of replicas and queue bounds that ``config`` sets.

    Serve starts a replica that died again without end, and takes neither ``max_restarts`` nor ``max_task_retries`` for
    it. A call whose replica died is sent again by ``serve_client``, under the same policy as here.
    """
    return serve.deployment(
        worker,
        name=name,
        **_number(config),
        ray_actor_options={"num_cpus": config.cpus, "num_gpus": config.gpus},
        max_ongoing_requests=config.max_ongoing,
        max_queued_requests=config.max_queued,
        health_check_period_s=HEALTH_PERIOD_S,
        health_check_timeout_s=HEALTH_TIMEOUT_S,
        graceful_shutdown_wait_loop_s=0.2,
        max_constructor_retry_count=max(1, retry.retries),  # Serve takes no 0
        logging_config=LoggingConfig(log_level="INFO", enable_access_log=False),
    )


def _number(config: WorkerConfig) -> dict[str, Any]:
    if config.most == config.replicas:
        return {"num_replicas": config.replicas, "graceful_shutdown_timeout_s": STOP_TIMEOUT_S}
    scaling = AutoscalingConfig(
        min_replicas=config.replicas,
        max_replicas=config.most,
        target_ongoing_requests=config.ongoing_per_replica,
        upscale_delay_s=GROW_AFTER_S,
        downscale_delay_s=SHRINK_AFTER_S,
    )
    return {"autoscaling_config": scaling, "graceful_shutdown_timeout_s": DRAIN_S}


def _redaction_from_inside(config: ClusterConfig) -> RedactAsync:
    """A function with which another worker has texts redacted. It fails closed: if there is no answer, it raises."""
    handle = handle_of(application_name(config.installation, "redaction"), "redaction")
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
