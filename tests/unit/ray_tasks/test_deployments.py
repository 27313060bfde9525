"""What Ray Serve is told about a kind of worker; no Ray is started."""

from __future__ import annotations

from typing import Any

import pytest

from models.retry import POLICIES
from ray_tasks.deployments import DRAIN_S, STOP_TIMEOUT_S, deployment
from ray_tasks.types import WorkerConfig
from server.jobs.read_recording import RECORDING_TIMEOUT_S


class Worker:
    """Any."""


def told(config: WorkerConfig) -> Any:
    return deployment("Speech", Worker, config, POLICIES["interactive"])._deployment_config


@pytest.mark.parametrize("most", [0, 3])
def test_a_number_that_is_not_above_the_least_is_fixed(most: int) -> None:
    config = told(WorkerConfig(replicas=3, most_replicas=most))
    assert (config.num_replicas, config.autoscaling_config) == (3, None)
    assert config.graceful_shutdown_timeout_s == STOP_TIMEOUT_S


def test_the_number_follows_the_calls_between_the_least_and_the_most() -> None:
    config = told(WorkerConfig(replicas=2, most_replicas=5, ongoing_per_replica=1.5))
    scaling = config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (2, 5, 1.5)
    assert config.graceful_shutdown_timeout_s == DRAIN_S > RECORDING_TIMEOUT_S, "a recording is read to its end"
