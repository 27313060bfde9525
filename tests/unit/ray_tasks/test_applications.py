"""What an operator learns about a worker that did not start, and how long a deletion takes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from models.errors import Unavailable, VestibuleError, WeightsError
from ray_tasks import applications as applications_module
from ray_tasks.applications import LONGEST_CAUSE, Applications, why_it_did_not_start
from ray_tasks.deployments import application_name
from ray_tasks.types import ClusterConfig, WorkerConfig

CONFIG = ClusterConfig(WorkerConfig(), WorkerConfig(), WorkerConfig(), "weights", "carry.key", "0123456789ab", "state")


@pytest.mark.parametrize(
    ("message", "kind", "said"),
    [
        ("Traceback\n  File x\nRuntimeError: CUDA is out of memory\n", Unavailable, "RuntimeError: CUDA is out of"),
        ("Traceback\nmodels.errors.WeightsError: whisper-base\nThe deployment failed.", WeightsError, "its weights"),
        ("", Unavailable, "Ray does not say why"),
        ("x" * 2 * LONGEST_CAUSE, Unavailable, "x" * LONGEST_CAUSE),
    ],
)
def test_the_error_of_a_failed_worker_states_its_cause(message: str, kind: type[VestibuleError], said: str) -> None:
    app = SimpleNamespace(deployments={"Speech": SimpleNamespace(message=message)})
    error = why_it_did_not_start("speech", app)
    assert type(error) is kind
    assert said in error.message
    assert len(error.message) < LONGEST_CAUSE + 60


def test_a_deletion_that_hurries_waits_for_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    unused = application_name(CONFIG.installation, "speech", "0a1b2c3d")
    deleted: list[str] = []
    slept: list[float] = []

    def delete(name: str, *, _blocking: bool) -> None:
        deleted.append(name)

    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(applications_module, "serve", SimpleNamespace(delete=delete))
    monkeypatch.setattr(applications_module, "time", clock)
    applications = Applications(CONFIG)
    monkeypatch.setattr(applications, "known", lambda: {unused: SimpleNamespace(status="RUNNING")})
    applications.delete_speech_except(set(), lambda: len(slept) == 2)
    assert (deleted, len(slept)) == ([unused], 2)
