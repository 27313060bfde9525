"""Tells an operator when the Ray cluster is lost and comes back: a log line for each step, metrics, and the status."""

from __future__ import annotations

from typing import Protocol

from ray_tasks.supervisor import ClusterPhase, ClusterState
from server.observability.log import get_logger
from server.observability.metrics import Metrics
from server.records.status import Component

log = get_logger("cluster")


class HasState(Protocol):
    """``ray_tasks.supervisor.ClusterSupervisor``."""

    @property
    def state(self) -> ClusterState:
        """The state now."""
        ...


class ClusterReport:
    """Reports on one cluster. ``follow`` it before it starts."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._cluster: HasState | None = None
        self._seen = ClusterState(ClusterPhase.STARTING)

    def follow(self, cluster: HasState) -> None:
        """Report on this cluster from now on."""
        self._cluster = cluster
        self._metrics.cluster_down_seconds.set_function(lambda: cluster.state.down_s)

    @property
    def component(self) -> Component:
        """The state now, for the status report."""
        state = self._cluster.state if self._cluster else self._seen
        return Component("ray", state.phase is ClusterPhase.UP, sentence(state))

    def observe(self, state: ClusterState) -> None:
        """See ``ray_tasks.supervisor.ClusterObserver``."""
        before, self._seen = self._seen, state
        up = state.phase is ClusterPhase.UP
        self._metrics.cluster_up.set(up)
        if up:
            if state.restarts > before.restarts:
                self._metrics.cluster_restarts.inc()
                log.warning("cluster_restarted", restarts=state.restarts, down_s=round(state.last_outage_s, 1))
        elif before.phase is not ClusterPhase.RESTARTING:
            self._metrics.cluster_losses.inc()
            log.error("cluster_lost", reason=state.reason, cause=state.cause)
        elif state.retry_in_s:
            retry_in_s = round(state.retry_in_s, 1)
            log.error("cluster_not_restarted", reason=state.reason, attempt=state.attempt, retry_in_s=retry_in_s)
        else:
            log.warning("cluster_restarting", attempt=state.attempt, down_s=round(state.down_s, 1))


def sentence(state: ClusterState) -> str:
    """The state in a sentence or two."""
    restarts = f"Restarted {state.restarts} time(s)." if state.restarts else ""
    match state.phase:
        case ClusterPhase.UP:
            return " ".join(part for part in ("It runs.", restarts) if part)
        case ClusterPhase.STARTING:
            return "It is starting."
        case ClusterPhase.STOPPED:
            return "It was stopped."
        case ClusterPhase.RESTARTING:
            going = f"Next attempt in {state.retry_in_s:.0f} s." if state.retry_in_s else f"Attempt {state.attempt}."
            lost = f"Lost {state.down_s:.0f} s ago ({state.reason}), restarting."
            return " ".join(part for part in (lost, state.why, going, restarts) if part)
