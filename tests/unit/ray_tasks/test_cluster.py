"""The start waits for workers that were built from this server's settings; no Ray is started."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import Unavailable, VestibuleError
from ray_tasks import cluster as cluster_module
from ray_tasks.cluster import Cluster
from ray_tasks.deployments import application_name
from ray_tasks.engine_info import EngineFacts
from ray_tasks.types import ClusterConfig, WorkerConfig
from ray_tasks.worker_ends import WorkerEnds

CONFIG = ClusterConfig(WorkerConfig(), WorkerConfig(), WorkerConfig(), "weights", "carry.key", "0123456789ab", "state")
OURS = f"SERVE_REPLICA::{application_name(CONFIG.installation, 'vision')}#Vision#a1b2c3"


class Described:
    """The answer of a worker."""

    def __init__(self, fingerprint: str) -> None:
        self.facts = EngineFacts("engine", "cpu", fingerprint)

    def __await__(self) -> Generator[Any, None, EngineFacts]:
        yield from asyncio.sleep(0).__await__()
        return self.facts

    def cancel(self) -> None:
        return None


class ScriptedApplications:
    """Applications whose status and fingerprint a test sets."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.built_from = dict.fromkeys(("redaction", "speech", "vision"), fingerprint)
        self.status = dict.fromkeys(self.built_from, "RUNNING")
        self.handles = {kind: self._handle(kind) for kind in self.built_from}

    def _handle(self, kind: str) -> Any:
        return SimpleNamespace(describe=SimpleNamespace(remote=lambda: Described(self.built_from[kind])))

    def statuses(self) -> dict[str, Any]:
        return {kind: SimpleNamespace(status=status, deployments={}) for kind, status in self.status.items()}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(cluster_module, "POLL_S", 0.001)
    cluster = Cluster(CONFIG)
    scripted: Any = ScriptedApplications(cluster.fingerprint)
    monkeypatch.setattr(cluster, "_applications", scripted)
    return cluster


async def test_the_start_waits_until_old_workers_are_replaced(cluster: Cluster) -> None:
    scripted: Any = cluster._applications
    scripted.built_from["redaction"] = "of an earlier server"
    done: list[str] = []
    two = asyncio.Event()

    def on_done(kind: str) -> None:
        done.append(kind)
        if len(done) == 2:
            two.set()

    waiting = asyncio.create_task(cluster._wait_for_workers(on_done))
    await asyncio.wait_for(two.wait(), 10)
    assert not waiting.done()
    assert sorted(done) == ["speech", "vision"]
    scripted.built_from["redaction"] = cluster.fingerprint
    await asyncio.wait_for(waiting, 10)
    assert done[2:] == ["redaction"]


@pytest.mark.parametrize(("status", "reason"), [("RUNNING", "WORKERS_MISMATCH"), ("DEPLOYING", "WORKERS_NOT_READY")])
async def test_a_start_that_takes_too_long_names_another_release_as_the_cause(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, status: str, reason: str
) -> None:
    async def nothing(*_: object) -> None:
        return

    monkeypatch.setattr(cluster, "connect", nothing)
    monkeypatch.setattr(cluster, "_on_ray_thread", nothing)
    scripted: Any = cluster._applications
    scripted.built_from["vision"] = "another release"
    scripted.status["vision"] = status
    with pytest.raises(Unavailable) as late:
        await cluster.start(timeout_s=0.05)
    assert late.value.reason == reason
    assert not cluster.ready


async def test_workers_replaced_after_the_start_are_noticed(cluster: Cluster) -> None:
    await cluster._wait_for_workers(lambda _: None)
    scripted: Any = cluster._applications
    scripted.built_from["speech"] = "weaker"
    await cluster.refresh_facts(["speech"])
    assert cluster.facts["speech"].fingerprint == "weaker"


async def test_a_worker_that_fails_to_start_fails_the_server_start(cluster: Cluster) -> None:
    scripted: Any = cluster._applications
    scripted.status["vision"] = "DEPLOY_FAILED"
    with pytest.raises(Unavailable, match="vision worker did not start"):
        await asyncio.wait_for(cluster._wait_for_workers(lambda _: None), 10)


@pytest.mark.parametrize(
    "row", [{}, {"Name": None}, {"Name": OURS, "DeathCause": None}], ids=["key", "type", "attribute"]
)
async def test_a_dead_actor_of_a_form_that_is_not_known_does_not_end_the_looks(cluster: Cluster, row: Any) -> None:
    table: dict[str, Any] = {}
    cluster._ends = WorkerEnds(CONFIG.installation, lambda: dict(table))
    assert await cluster.worker_ends() == []
    table["a"] = row
    with pytest.raises(VestibuleError):
        await cluster.worker_ends()
    assert await cluster.worker_ends() == []
