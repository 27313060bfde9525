"""What the tests of Ray share: a small cluster, its processes, and what the test data hold."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import platformdirs
import psutil
import pytest

from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from ray_tasks.processes import lives
from ray_tasks.types import ClusterConfig, EngineInfo, WorkerConfig

DATA = Path(__file__).parent.parent / "data"
WEIGHTS = platformdirs.user_cache_path("vestibule") / "weights"

INSTALLATION = "0123456789ab"
HEALTHY_AFTER = 20
"""Questions after which a worker that is told to be unhealthy is so."""
POLICIES = "clients: {hashing-app: {operators: {NAME: hash, PHONE: mask, EMAIL: keep}}}"
"""Everybody else has the strict default."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts Ray and needs the weights."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ray)
            item.add_marker(pytest.mark.models)


def small_config(folder: Path, **changes: Any) -> ClusterConfig:
    """The three workers with few resources. As many pictures at a time are read as in a server; the queue for more of
    them is short, so that a test can fill it.
    """
    return ClusterConfig(
        **{
            "speech": WorkerConfig(engine="ctranslate2", weights="whisper-base", device="cpu", cpus=0.2),
            "vision": WorkerConfig(device="cpu", cpus=0.2, max_ongoing=4, max_queued=1),
            "redaction": WorkerConfig(engine="ctranslate2", threads=1, cpus=0.2, max_ongoing=16, max_queued=256),
            "weights_dir": str(WEIGHTS),
            "state_key_path": str(folder / "workers" / "carry.key"),
            "installation": INSTALLATION,
            "state_dir": str(folder),
            "num_cpus": 2,
            "dashboard_port": 0,
            "redaction_policies": POLICIES,
            **changes,
        }
    )


async def healthy_engines(gateway: RayGateway) -> list[EngineInfo]:
    """The state of all workers, once they are healthy. Serve's controller answers late on a busy machine."""
    for _ in range(HEALTHY_AFTER):
        found = await gateway.engines()
        if all(info.healthy for info in found):
            return found
        await asyncio.sleep(1.0)
    raise AssertionError(found)


def truth(name: str) -> dict[str, Any]:
    """What a clip or picture of the test data contains."""
    described: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return described


def replicas(cluster: Cluster, kind: str) -> list[psutil.Process]:
    """The processes of all replicas of a kind."""
    title = f"ray::ServeReplica:{cluster.application(kind).name}:"
    return [p for p in cluster.processes() if lives(p) and "".join(p.cmdline()).startswith(title)]


def replica(cluster: Cluster, kind: str) -> psutil.Process:
    """The process of the one replica of a kind."""
    (process,) = replicas(cluster, kind)
    return process


def types_within(value: object) -> set[type]:
    """The types of a value and of everything in it."""
    found = {type(value)}
    inside: list[object] = []
    if is_dataclass(value):
        inside = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, dict):
        inside = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inside = list(value)
    for part in inside:
        found |= types_within(part)
    return found
