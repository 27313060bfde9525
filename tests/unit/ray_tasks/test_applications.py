"""What an operator learns about a worker that did not start."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from models.errors import Unavailable, VestibuleError, WeightsError
from ray_tasks.applications import LONGEST_CAUSE, why_it_did_not_start


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
