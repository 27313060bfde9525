"""Whether the workers of each kind work, under a name of its own in gRPC health.

The services stay SERVING while a kind of worker does not work: they still take streams, uploads and texts. A load
balancer that took them for down would turn all of that away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from ray_tasks.supervised_gateway import KINDS
from server.breakers.guarded_gateway import SPEECH_WORKER, VISION_WORKER
from server.breakers.registry import Breakers
from server.breakers.types import BreakerState

WORKER_SERVICES: Final = {kind: f"vestibule.worker.{kind}" for kind in KINDS}
"""The name of each kind in gRPC health."""


class HasRunning(Protocol):
    """``ray_tasks.supervisor.ClusterSupervisor``."""

    @property
    def running(self) -> Mapping[str, int]:
        """Replicas that take calls, by kind of worker."""
        ...


class WorkerHealth:
    """Calls to a kind of worker are made while it has a replica and its breaker is closed.

    Args:
        cluster: Says which replicas run.
        breakers: Those of the workers among them.
    """

    def __init__(self, cluster: HasRunning, breakers: Breakers) -> None:
        self._cluster = cluster
        self._breakers = {"speech": breakers.get(SPEECH_WORKER), "vision": breakers.get(VISION_WORKER)}

    def __call__(self) -> dict[str, bool]:
        """Whether each kind works, by its name in gRPC health."""
        running = self._cluster.running
        refused = {kind for kind, breaker in self._breakers.items() if breaker.state is not BreakerState.CLOSED}
        return {name: running.get(kind, 0) > 0 and kind not in refused for kind, name in WORKER_SERVICES.items()}
