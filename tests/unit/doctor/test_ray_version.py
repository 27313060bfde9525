"""The release of Ray that is installed, and that of a cluster to be joined."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from models.errors import Unavailable
from ray_tasks.tested_ray import TESTED
from server.doctor import ray_version
from server.doctor.ray_version import check_ray, compare_versions
from tests.source_tree import ROOT
from tests.unit.doctor.situations import only, situation


def test_the_tested_release_is_that_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.search(rf"^ray(\[\w+\])?=={re.escape(TESTED)}\b", lock, re.MULTILINE)


@pytest.mark.parametrize(("installed", "level"), [(TESTED, "ok"), ("2.99.0", "warning")])
def test_another_release_than_the_tested_one_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: str, level: str
) -> None:
    monkeypatch.setattr(ray_version, "version", lambda _name: installed)
    assert only(check_ray, situation(tmp_path)).level == level


def test_a_cluster_that_nobody_serves_is_unavailable(tmp_path: Path) -> None:
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        looked_at = situation(tmp_path, ray={"address": f"127.0.0.1:{bound_only.getsockname()[1]}"})
        with pytest.raises(Unavailable) as caught:
            list(check_ray(looked_at))
    assert caught.value.reason == "CLUSTER_UNAVAILABLE"


def test_a_cluster_that_does_not_answer_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_version, "child_python", lambda *_arguments: ("/bin/false",))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        looked_at = situation(tmp_path, ray={"address": f"127.0.0.1:{listening.getsockname()[1]}"})
        assert only(check_ray, looked_at, "Ray cluster").level == "problem"


@pytest.mark.parametrize(
    ("cluster", "level"),
    [
        ({"ray": "2.60.0", "python": "3.11.7"}, "ok"),
        ({"ray": "2.59.0", "python": "3.11.7"}, "problem"),
        ({"ray": "2.60.0", "python": "3.11.8"}, "problem"),
    ],
)
def test_a_cluster_must_run_what_is_installed_here(cluster: dict[str, str], level: str) -> None:
    assert compare_versions(cluster, {"ray": "2.60.0", "python": "3.11.7"}).level == level
