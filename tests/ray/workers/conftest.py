"""The cluster of all tests of this folder. It starts with the first of them, and ends with the last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks._dense_pages import columns
from models.media.clean import MediaLimits, clean
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from ray_tasks.processes import free_port
from tests.ray.conftest import small_config


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Ray with the real workers; it exports its metrics."""
    running = Cluster(small_config(tmp_path_factory.mktemp("cluster"), metrics_port=free_port()))
    try:
        asyncio.run(running.start())
        yield running
    finally:
        asyncio.run(running.stop())


@pytest.fixture(scope="package")
def dense() -> bytes:
    """A page of small print. It takes so long to read that a test can surely do something meanwhile."""
    return clean(columns(4, points=6.0), MediaLimits()).content


@pytest.fixture
def gateway(cluster: Cluster) -> RayGateway:
    """A new gateway, so that calls which another test left open do not count."""
    return RayGateway(cluster)
