"""Whether the workers fit is known before Ray starts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from models.errors import InvalidInput
from ray_tasks.resources import check_fit, most_gpus
from ray_tasks.types import WorkerConfig

WORKERS = (WorkerConfig(cpus=0.5), WorkerConfig(cpus=0.5, gpus=0.5), WorkerConfig(cpus=0.25, replicas=2))


def test_workers_that_fit_are_accepted() -> None:
    check_fit(WORKERS, cpus=1.5, gpus=0.5)
    check_fit([WorkerConfig(replicas=10, cpus=0.1)], cpus=1.0, gpus=0.0)


@pytest.mark.parametrize(("cpus", "gpus", "scarce"), [(1.4, 1.0, "CPUs"), (8.0, 0.0, "GPUs"), (0.0, 0.0, "CPUs")])
def test_workers_that_do_not_fit_are_refused(cpus: float, gpus: float, scarce: str) -> None:
    with pytest.raises(InvalidInput, match=scarce) as caught:
        check_fit(WORKERS, cpus=cpus, gpus=gpus)
    assert caught.value.reason == "WORKERS_DO_NOT_FIT"


def test_the_largest_number_of_workers_must_fit_where_no_node_can_be_added() -> None:
    grows = (WorkerConfig(cpus=0.5, most_replicas=4), WorkerConfig(cpus=0.5, replicas=2, most_replicas=1))
    check_fit(grows, cpus=3.0, gpus=0.0)
    check_fit(grows, cpus=1.5, gpus=0.0, grows=True)
    for cpus, more_nodes in ((2.9, False), (1.4, True)):
        with pytest.raises(InvalidInput, match="CPUs"):
            check_fit(grows, cpus=cpus, gpus=0.0, grows=more_nodes)


@pytest.mark.parametrize(
    ("devices", "count"),
    [
        ([], 0.0),
        (["nvidiactl", "nvidia-uvm", "nvidia0"], 1.0),
        (["nvidia0", "nvidia1", "nvidia10"], 3.0),
        (["dxg"], math.inf),
        (["kfd"], math.inf),
    ],
)
def test_gpus_are_counted_by_their_device_files(tmp_path: Path, devices: list[str], count: float) -> None:
    for name in devices:
        (tmp_path / name).touch()
    assert most_gpus(tmp_path) == count
