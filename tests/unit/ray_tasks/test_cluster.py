"""The start waits for workers that were built from this server's settings; no Ray is started."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import InvalidInput, Unavailable, VestibuleError
from ray_tasks import cluster as cluster_module
from ray_tasks.applications import Applications
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


class ScriptedApplications(Applications):
    """Applications whose status and fingerprint a test sets."""

    def __init__(self) -> None:
        super().__init__(CONFIG)
        self.built_from = {kind: application.fingerprint for kind, application in self.current.items()}
        self.status = dict.fromkeys(self.current, "RUNNING")
        for kind, application in self.current.items():
            application.handle = self._handle(kind)

    def _handle(self, kind: str) -> Any:
        return SimpleNamespace(describe=SimpleNamespace(remote=lambda: Described(self.built_from[kind])))

    def known(self) -> dict[str, Any]:
        return {
            self.current[kind].name: SimpleNamespace(status=status, deployments={})
            for kind, status in self.status.items()
        }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(cluster_module, "POLL_S", 0.001)
    cluster = Cluster(CONFIG)
    monkeypatch.setattr(cluster, "_applications", ScriptedApplications())
    return cluster


async def until_up(cluster: Cluster, done: Callable[[str], None] = lambda _: None) -> None:
    await cluster._until_up(cluster._applications.current.values(), done)


async def test_the_start_waits_until_old_workers_are_replaced(cluster: Cluster) -> None:
    scripted: Any = cluster._applications
    scripted.built_from["redaction"] = "of an earlier server"
    done: list[str] = []
    two = asyncio.Event()

    def on_done(kind: str) -> None:
        done.append(kind)
        if len(done) == 2:
            two.set()

    waiting = asyncio.create_task(until_up(cluster, on_done))
    await asyncio.wait_for(two.wait(), 10)
    assert not waiting.done()
    assert sorted(done) == ["speech", "vision"]
    scripted.built_from["redaction"] = scripted.current["redaction"].fingerprint
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
    await until_up(cluster)
    scripted: Any = cluster._applications
    scripted.built_from["speech"] = "weaker"
    await cluster.refresh_facts(["speech"])
    assert not cluster.application("speech").fits
    assert cluster.application("vision").fits


async def test_a_worker_that_fails_to_start_fails_the_server_start(cluster: Cluster) -> None:
    scripted: Any = cluster._applications
    scripted.status["vision"] = "DEPLOY_FAILED"
    with pytest.raises(Unavailable, match="vision worker did not start"):
        await asyncio.wait_for(until_up(cluster), 10)


@pytest.mark.parametrize(("speech", "fits"), [(1, True), (3, True), (4, False)])
async def test_weights_that_do_not_fit_beside_those_in_use_are_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, speech: int, fits: bool
) -> None:
    """The machine with two cores has room for a candidate while weights are changed."""
    monkeypatch.setattr(cluster_module, "ray", SimpleNamespace(cluster_resources=lambda: {"CPU": 1.6}))
    if fits:
        await cluster._check_room(speech)
        return
    with pytest.raises(InvalidInput) as refused:
        await cluster._check_room(speech)
    assert refused.value.reason == "WORKERS_DO_NOT_FIT"
    assert "beside each other" in refused.value.hint


@pytest.mark.parametrize("error", [RuntimeError("The GCS is away."), ValueError("The GCS is away.")])
async def test_what_ray_cannot_tell_during_a_change_of_weights_is_an_error_of_ours(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def away() -> None:
        raise error

    monkeypatch.setattr(cluster_module, "ray", SimpleNamespace(cluster_resources=away))
    with pytest.raises(VestibuleError):
        await cluster._check_room(1)
    monkeypatch.setattr(cluster._switch._applications, "known", away)
    with pytest.raises(VestibuleError):
        await cluster._switch._gone(())


@pytest.mark.parametrize(
    "row", [{}, {"Name": None}, {"Name": OURS, "DeathCause": None}], ids=["key", "type", "attribute"]
)
async def test_a_dead_actor_of_a_form_that_is_not_known_does_not_end_the_looks(cluster: Cluster, row: Any) -> None:
    table: dict[str, Any] = {}
    cluster._ends = WorkerEnds(CONFIG.installation, lambda: "", lambda: dict(table))
    assert await cluster.worker_ends() == []
    table["a"] = row
    with pytest.raises(VestibuleError):
        await cluster.worker_ends()
    assert await cluster.worker_ends() == []


@pytest.mark.parametrize(("local", "left", "warned"), [(True, 0, []), (True, 2, [2]), (False, 0, [0]), (False, 1, [1])])
async def test_a_ray_that_does_not_stop_in_time_is_a_warning_only_if_something_may_be_left(
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    local: bool,
    left: int,
    warned: list[int],
) -> None:
    """As during the start, which has the thread of Ray and cannot be broken off."""
    family = ["raylet", "gcs_server", "worker"]
    ended: list[list[str]] = []
    monkeypatch.setattr(cluster_module, "STOP_S", 0.0)
    monkeypatch.setattr(cluster_module, "end", lambda processes, _timeout_s: ended.append(list(processes)))
    monkeypatch.setattr(cluster_module, "lives", family[:left].__contains__)
    runtime = SimpleNamespace(local=local, processes=lambda: family, close=lambda keep_folder: None)
    monkeypatch.setattr(cluster, "_runtime", runtime)
    busy: concurrent.futures.Future[None] = concurrent.futures.Future()
    monkeypatch.setattr(cluster, "_thread", SimpleNamespace(submit=lambda _work: busy, close=lambda: None))
    await cluster.stop()
    assert [(line.msg, vars(line)["values"]["processes"]) for line in caplog.records] == [
        ("ray_did_not_stop", number) for number in warned
    ]
    assert ended == [family, family], "also those that were started meanwhile"
