"""What Ray says when it does not start becomes an error of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

from models.errors import Unavailable
from ray_tasks import ray_runtime
from ray_tasks.ray_runtime import RayRuntime
from ray_tasks.types import ClusterConfig, WorkerConfig


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RayRuntime:
    """A local Ray that changes nothing of this process."""
    for prepares in ("_quiet", "_start_nothing_unasked", "turn_exporters_off", "keep_cluster_on_loopback"):
        monkeypatch.setattr(ray_runtime, prepares, lambda: None)
    workers = WorkerConfig(), WorkerConfig(), WorkerConfig()
    made = RayRuntime(ClusterConfig(*workers, "weights", "carry.key", "0123456789ab", str(tmp_path)))
    monkeypatch.setattr(made._token, "use", lambda: None)
    return made


@pytest.mark.parametrize("raised", [Exception("The current node timed out during startup."), RuntimeError(), OSError()])
def test_a_ray_that_does_not_start_is_unavailable(
    runtime: RayRuntime, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    def init(**_: object) -> None:
        raise raised

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(Unavailable, match="Ray could not be started") as caught:
        runtime.start()
    assert caught.value.reason == "CLUSTER_UNAVAILABLE"
    assert "busy" in caught.value.hint
    runtime.close(keep_folder=False)


def test_a_mistake_of_ours_is_not_taken_for_a_busy_machine(
    runtime: RayRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: object) -> None:
        raise TypeError

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(TypeError):
        runtime.start()
    runtime.close(keep_folder=False)
