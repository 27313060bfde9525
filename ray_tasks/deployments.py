"""The workers as Ray Serve deployments: one application each, so that each is replaced without touching the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from models.errors import Overloaded, RedactionFailed, VestibuleError
from models.redaction.types import Redaction, RedactionContext
from models.retry import get_retry_policy
from models.text import RawText
from ray_tasks.engine_info import fingerprint
from ray_tasks.redaction_worker import RedactionWorker
from ray_tasks.serve_client import call
from ray_tasks.speech_worker import SpeechWorker
from ray_tasks.types import ClusterConfig, WorkerConfig
from ray_tasks.vision_worker import VisionWorker
from ray_tasks.worker_runtime import REDACTION_TIMEOUT_S, RedactAsync

DEPLOYMENTS: Final = {"redaction": "Redaction", "speech": "Speech", "vision": "Vision"}
"""Kind of worker to the name of its deployment, in the order in which they are needed."""

HEALTH_PERIOD_S: Final = 1.0
"""How often Serve looks after a replica; a dead one is missed for so long before it is replaced."""
HEALTH_TIMEOUT_S: Final = 15.0
STOP_TIMEOUT_S: Final = 20.0
"""How long a replica that is replaced may go on with the calls it holds."""
BUILD_ATTEMPTS: Final = 2
"""A replica that cannot be built is not built for ever: Serve's own bound is 20."""


def application_of(kind: str) -> str:
    """Name of the Serve application of a kind of worker."""
    return f"vestibule-{kind}"


def handle_of(kind: str) -> Any:
    """A handle to the deployment of a kind of worker, which need not be there yet."""
    return DeploymentHandle(DEPLOYMENTS[kind], application_of(kind))


class Speech(SpeechWorker):
    """Speech recognition, with the redaction that goes with it."""

    def __init__(self, config: WorkerConfig, weights_dir: str, carry_key_path: str) -> None:
        super().__init__(config, weights_dir, carry_key_path, _redaction_from_inside())


class Vision(VisionWorker):
    """Reading of pictures, with the redaction that goes with it."""

    def __init__(self, config: WorkerConfig, weights_dir: str, image_pixels: int) -> None:
        super().__init__(config, weights_dir, image_pixels, _redaction_from_inside())


@dataclass(frozen=True, slots=True)
class Application:
    """One kind of worker, ready to be deployed.

    Attributes:
        fingerprint: Equal for equal settings and code; the worker tells its own in ``EngineFacts``.
    """

    kind: str
    target: serve.RunTarget
    fingerprint: str


def applications(config: ClusterConfig) -> list[Application]:
    """The three applications, in the order of ``DEPLOYMENTS``; none has a route, because there is no HTTP proxy."""
    parts: dict[str, tuple[Callable[..., object], WorkerConfig, tuple[object, ...]]] = {
        "redaction": (
            RedactionWorker,
            config.redaction,
            (config.weights_dir, config.carry_key_path, config.redaction_policies),
        ),
        "speech": (Speech, config.speech, (config.weights_dir, config.carry_key_path)),
        "vision": (Vision, config.vision, (config.weights_dir, config.image_pixels)),
    }
    built = []
    for kind, name in DEPLOYMENTS.items():
        worker, resources, arguments = parts[kind]
        bound = deployment(name, worker, resources).bind(resources, *arguments)
        target = serve.RunTarget(bound, name=application_of(kind), route_prefix=None)
        built.append(Application(kind, target, fingerprint(resources, *arguments)))
    return built


def deployment(name: str, worker: Callable[..., object], config: WorkerConfig) -> Any:
    """One deployment with the resources, queues and restarts that its settings ask for."""
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
        max_constructor_retry_count=BUILD_ATTEMPTS,
        logging_config=LoggingConfig(log_level="INFO", enable_access_log=False),
    )


def _redaction_from_inside() -> RedactAsync:
    """How a worker asks for redaction. Fails closed: without an answer the text goes nowhere."""
    handle = handle_of("redaction")
    policy = get_retry_policy("interactive")

    async def ask(texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        try:
            return await call(
                lambda: handle.redact.remote(texts, context), timeout_s=REDACTION_TIMEOUT_S, policy=policy
            )
        except (Overloaded, RedactionFailed):
            raise
        except VestibuleError as exc:
            raise RedactionFailed(f"The redaction workers did not answer ({exc.reason}).") from None

    return ask
