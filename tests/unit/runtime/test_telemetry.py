"""No library reports usage to its maker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
{first}
import onnxruntime
from onnx import TensorProto, helper
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


def stored_by_telemetry(first: str, home: Path) -> list[Path]:
    """What ONNX Runtime stores for its telemetry in the home folder of a process that loads a model."""
    environment = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    subprocess.run([sys.executable, "-c", LOAD.format(first=first)], env=environment, check=True, capture_output=True)
    return [file for file in home.rglob("*") if "Microsoft" in str(file)]


@pytest.mark.parametrize(
    "first",
    ["import ray_tasks", "from server.settings import prepare_process; prepare_process()"],
    ids=["worker", "server"],
)
def test_onnx_runtime_sends_nothing(first: str, tmp_path: Path) -> None:
    assert stored_by_telemetry(first, tmp_path) == []
