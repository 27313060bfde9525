"""What an operator is told while the Ray cluster is away."""

from __future__ import annotations

from ray_tasks.supervisor import ClusterPhase, ClusterState
from server.observability.metrics import Metrics
from server.records.cluster_report import ClusterReport, sentence

UP = ClusterState(ClusterPhase.UP)
LOST = ClusterState(ClusterPhase.RESTARTING, "A process of Ray ended: raylet.", "CLUSTER_LOST", "raylet", down_s=3.0)
TRYING = ClusterState(ClusterPhase.RESTARTING, LOST.why, LOST.reason, LOST.cause, attempt=1, down_s=4.0)
FAILED = ClusterState(
    ClusterPhase.RESTARTING, "Nobody listens.", "CLUSTER_UNAVAILABLE", "raylet", 1, down_s=14.0, retry_in_s=7.6
)
BACK = ClusterState(ClusterPhase.UP, restarts=1, last_outage_s=22.0)


class Cluster:
    """A cluster whose state the test sets."""

    state = ClusterState(ClusterPhase.STARTING)


def test_the_status_says_what_happened_and_what_is_done() -> None:
    assert sentence(ClusterState(ClusterPhase.STARTING)) == "It is starting."
    assert sentence(UP) == "It runs."
    assert sentence(TRYING) == "Lost 4 s ago (CLUSTER_LOST), restarting. A process of Ray ended: raylet. Attempt 1."
    assert sentence(FAILED) == ("Lost 14 s ago (CLUSTER_UNAVAILABLE), restarting. Nobody listens. Next attempt in 8 s.")
    assert sentence(BACK) == "It runs. Restarted 1 time(s)."


def test_metrics_count_losses_and_restarts_once() -> None:
    metrics, cluster = Metrics(), Cluster()
    report = ClusterReport(metrics)
    report.follow(cluster)

    def values() -> dict[str, float | None]:
        names = ("up", "losses_total", "restarts_total", "down_seconds")
        return {name: metrics.registry.get_sample_value(f"vestibule_cluster_{name}") for name in names}

    for state in (UP, LOST, TRYING, FAILED, TRYING):
        cluster.state = state
        report.observe(state)
    assert not report.component.healthy
    assert values() == {"up": 0.0, "losses_total": 1.0, "restarts_total": 0.0, "down_seconds": 4.0}
    cluster.state = BACK
    report.observe(BACK)
    assert report.component.healthy
    assert values() == {"up": 1.0, "losses_total": 1.0, "restarts_total": 1.0, "down_seconds": 0.0}
