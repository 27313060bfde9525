"""Scheduling, cancellation and failure on a real cluster, without the weight of the real engines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import serve
from ray.serve._private.common import ReplicaState
from ray.serve.handle import DeploymentHandle

from models.child_python import import_path
from models.errors import DeadlineExceeded, InternalError, WorkerLost
from models.retry import RetryPolicy
from ray_tasks import deployments
from ray_tasks.auth_token import require_token
from ray_tasks.cluster import Cluster
from ray_tasks.deployments import deployment
from ray_tasks.serve_client import call
from ray_tasks.types import WorkerConfig
from server.cli.demo.proof import files_below
from server.doctor.ray_version import check_ray
from tests.eventually import eventually
from tests.fakes.probe import Probe
from tests.ray.conftest import small_config
from tests.unit.doctor.situations import situation

SECRET = "John Carter"
STARTS_S = 180.0
"""Longest start of a replica, whose process yields to all others."""
ONCE = RetryPolicy("once", retries=0, first_delay_s=0.1, longest_s=0.1, factor=1.0, total_s=1.0)


def run_probe(name: str, **resources: Any) -> Any:
    """Deploy a probe without waiting for it."""
    config = WorkerConfig(**{"cpus": 0.1, **resources})
    target = serve.RunTarget(deployment("Probe", Probe, config, ONCE).bind(), name=name, route_prefix=None)
    serve.run_many([target], wait_for_applications_running=False)
    return DeploymentHandle("Probe", name)


def running(name: str) -> int:
    """Replicas of a probe that take calls."""
    return serve.status().applications[name].deployments["Probe"].replica_states.get(ReplicaState.RUNNING, 0)


def states(*names: str) -> list[str]:
    """Serve's states of applications."""
    known = serve.status().applications
    return [known[name].status.value for name in names]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Ray with one logical GPU and no workers yet. Its processes find the modules of the tests."""
    cluster = Cluster(small_config(tmp_path_factory.mktemp("bare"), num_gpus=1))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in import_path().items():
            patch.setenv(name, value)
        try:
            asyncio.run(cluster.connect())
            serve.start(proxy_location="Disabled")
            yield cluster
        finally:
            asyncio.run(cluster.stop())


@pytest.fixture(scope="module")
def probe(bare: Cluster) -> Any:
    """One probe that is up."""
    handle = run_probe("probe")
    asyncio.run(eventually(lambda: states("probe") == ["RUNNING"], STARTS_S))
    return handle


def test_a_cluster_of_ours_refuses_calls_without_its_token(bare: Cluster) -> None:
    require_token(bare.address)


def test_a_cluster_says_which_release_it_runs_to_whoever_has_its_token(
    bare: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = situation(tmp_path, ray={"address": bare.address})
    assert [(each.level, each.subject) for each in check_ray(looked_at)] == [("ok", "Ray"), ("ok", "Ray cluster")]
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    assert [each.reason for each in check_ray(looked_at)] == ["", "CLUSTER_UNAVAILABLE"]


async def test_fractions_of_a_gpu_are_scheduled(bare: Cluster) -> None:
    names = ("gpu-a", "gpu-b", "gpu-c")
    for name in names:
        run_probe(name, gpus=0.5)
    await eventually(lambda: states(*names).count("RUNNING") == 2, STARTS_S)
    assert sorted(states(*names)) == ["DEPLOYING", "RUNNING", "RUNNING"]
    [waits] = [name for name in names if states(name) == ["DEPLOYING"]]  # Ray does not say in which order they come
    first, *others = [name for name in names if name != waits]
    serve.delete(first)
    await eventually(lambda: states(waits) == ["RUNNING"], STARTS_S)
    for name in (*others, waits):
        serve.delete(name)


async def test_replicas_grow_with_the_calls_and_shrink_again_without_ending_one(
    bare: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("GROW_AFTER_S", 1.0), ("SHRINK_AFTER_S", 1.0), ("STOP_TIMEOUT_S", 0.1)):
        monkeypatch.setattr(deployments, name, seconds)
    handle = run_probe("grows", most_replicas=3, ongoing_per_replica=2.0, max_ongoing=4)
    await eventually(lambda: states("grows") == ["RUNNING"], STARTS_S)
    assert running("grows") == 1
    waiting = [
        asyncio.create_task(call(lambda _left_s: handle.wait.remote(), timeout_s=STARTS_S, policy=ONCE))
        for _ in range(8)
    ]
    await eventually(lambda: running("grows") == 3, STARTS_S)
    assert states("grows") == ["RUNNING"]
    # The first replica took as many as it may hold, so the last call is on another one.
    kept, others = (waiting[0], waiting[-1]), waiting[1:-1]
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await eventually(lambda: running("grows") == 1, STARTS_S)
    await asyncio.sleep(3.0)
    assert not any(each.done() for each in kept), "a replica that is not needed any more finishes its calls"
    for each in kept:
        each.cancel()
    await asyncio.gather(*kept, return_exceptions=True)
    serve.delete("grows")


async def reaches(count: int, counter: Any) -> None:
    """Wait for one of the probe's counters."""
    async with asyncio.timeout(60):
        while await counter.remote() < count:  # noqa: ASYNC110  # another process sets no event
            await asyncio.sleep(0.02)


async def test_a_cancellation_reaches_the_worker(probe: Any) -> None:
    waiting = asyncio.create_task(call(lambda _left_s: probe.wait.remote(), timeout_s=30, policy=ONCE))
    await reaches(1, probe.waits)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(DeadlineExceeded):
        await call(lambda _left_s: probe.wait.remote(), timeout_s=3.0, policy=ONCE)  # so long that it surely began
    await reaches(2, probe.cancellations)


async def test_the_message_of_an_engine_error_reaches_neither_the_caller_nor_the_logs(
    bare: Cluster, probe: Any
) -> None:
    with pytest.raises(InternalError) as caught:
        await call(lambda _left_s: probe.fail.remote(SECRET), timeout_s=30, policy=ONCE)
    assert caught.value.reason == "WORKER_FAILED"
    # One more call, so that what the replica wrote about the first is out; that it tells the type alone is a unit test.
    await call(lambda _left_s: probe.cancellations.remote(), timeout_s=30, policy=ONCE)
    assert not logs_with(session_dir(bare), SECRET.encode())


async def test_a_crash_without_retries_raises_worker_lost(probe: Any) -> None:
    with pytest.raises(WorkerLost):
        await call(lambda _left_s: probe.die.remote(), timeout_s=30, policy=ONCE)


def logs_with(folder: Path, words: bytes) -> list[str]:
    """Names of the log files in which something stands."""
    files = files_below([folder])
    assert files
    return [path.name for path in files if words in path.read_bytes()]


def session_dir(cluster: Cluster) -> Path:
    """Where Ray keeps its logs."""
    marks = [part for process in cluster.processes() for part in process.cmdline() if part.startswith("--session-dir=")]
    return Path(marks[0].partition("=")[2]) / "logs"
