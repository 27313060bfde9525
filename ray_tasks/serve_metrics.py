"""Metrics of Ray itself that the dashboards show. A test compares the list with what a cluster exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class ServeMetric:
    """A metric that Ray exports.

    Attributes:
        name: As it is exported.
        what: One sentence.
        tags: Names of the labels that are of use; Ray adds others.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    what: str
    tags: tuple[str, ...] = ("deployment", "application")


SERVE_METRICS: Final = (
    ServeMetric("ray_serve_deployment_queued_queries", "gauge", "Calls that wait in front of a deployment: the queue."),
    ServeMetric("ray_serve_replica_processing_queries", "gauge", "Calls that replicas have taken and not answered."),
    ServeMetric(
        "ray_serve_replica_utilization_percent", "gauge", "Share of the calls that a replica may have at a time."
    ),
    ServeMetric("ray_serve_deployment_replica_healthy", "gauge", "1 for a replica that passes its health check."),
    ServeMetric("ray_serve_deployment_replica_starts_total", "counter", "Starts of replicas."),
    ServeMetric("ray_serve_deployment_error_counter_total", "counter", "Calls that raised, or whose caller gave up."),
    ServeMetric(
        "ray_serve_deployment_processing_latency_ms", "histogram", "From the arrival of a call at a replica to its end."
    ),
    ServeMetric(
        "ray_component_rss_bytes",
        "gauge",
        "Resident memory, by process: `ray::ServeReplica:APPLICATION:DEPLOYMENT` is a worker.",
        ("Component",),
    ),
)
