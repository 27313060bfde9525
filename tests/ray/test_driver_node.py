"""A server whose machine has no node of the cluster joins it through a node of its own.

A process in a namespace of its own sees no other processes, as in a container. Only root may make one.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.child_python import child_python, import_path
from models.reasons import Reason
from ray_tasks.types import ClusterConfig
from tests.ray.joined_nodes import STARTS_S, Nodes, config_of, two_nodes

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root makes namespaces")

ALONE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """The cluster, whose processes the server does not see."""
    with two_nodes() as running:
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    """The state folder; its path is short, as those of sockets must be."""
    with tempfile.TemporaryDirectory(prefix="vst-", dir="/tmp") as made:
        yield Path(made)


def _config(nodes: Nodes, folder: Path) -> ClusterConfig:
    return config_of(nodes, state_dir=str(folder))


async def _serve(config: ClusterConfig, **environment: str) -> dict[str, Any]:
    server = await asyncio.create_subprocess_exec(
        *(*ALONE, *child_python("-m", "tests.ray.lone_server")),
        env=os.environ | import_path() | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(server.communicate(pickle.dumps(config)), 2 * STARTS_S)
    told: dict[str, Any] = json.loads(output)
    return told


async def test_it_starts_a_node_again_when_that_is_lost_and_leaves_nothing(nodes: Nodes, folder: Path) -> None:
    told = await _serve(_config(nodes, folder))
    assert told == {"redacted": ["I am [REDACTED_NAME]"] * 2, "nodes": 1}
    assert not (folder / "ray").exists()


async def test_a_wrong_token_is_told(nodes: Nodes, folder: Path) -> None:
    told = await _serve(_config(nodes, folder), RAY_AUTH_TOKEN="f" * 64)
    assert told == {"reason": Reason.CLUSTER_UNAVAILABLE}
