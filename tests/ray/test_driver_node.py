"""A server whose machine has no node of the cluster joins it through a node of its own.

A process in a namespace of its own sees no other processes, as in a container.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from models.child_python import child_python, import_path
from models.reasons import Reason
from ray_tasks.types import ClusterConfig
from tests.ray.joined_nodes import STARTS_S, Nodes, config_of, two_nodes

_AS_ROOT: Final = () if os.geteuid() == 0 else ("--user", "--map-root-user")
ALONE: Final = ("unshare", *_AS_ROOT, "--pid", "--fork", "--mount-proc", "--kill-child")
MISSING: Final = "this system lets nobody make a namespace of processes"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """The cluster, whose processes the server does not see."""
    try:
        subprocess.run([*ALONE, "true"], check=True)
    except (OSError, subprocess.CalledProcessError):
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with two_nodes() as running:
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    """The state folder; its path is short, as those of sockets must be."""
    with tempfile.TemporaryDirectory(prefix="vst-", dir="/tmp") as made:
        yield Path(made)


def _config(nodes: Nodes, folder: Path) -> ClusterConfig:
    return config_of(nodes, state_dir=str(folder))


async def _serve(config: ClusterConfig, *words: str, **environment: str) -> dict[str, Any]:
    server = await asyncio.create_subprocess_exec(
        *(*ALONE, *child_python("-m", "tests.ray.lone_server", *words)),
        env=os.environ | import_path() | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        output, _ = await asyncio.wait_for(server.communicate(pickle.dumps(config)), 3 * STARTS_S)
    finally:
        if server.returncode is None:
            server.kill()  # and so everything in the namespace
            await server.wait()
    told: dict[str, Any] = json.loads(output)
    return told


async def test_it_starts_a_node_again_when_that_is_lost_and_leaves_nothing(nodes: Nodes, folder: Path) -> None:
    told = await _serve(_config(nodes, folder), "twice")
    assert told.pop("left_by_the_first") == 1, "what the second start has to end"
    assert told == {"redacted": ["I am [REDACTED_NAME]"] * 2, "nodes": 1}
    assert not (folder / "ray").exists()


async def test_a_wrong_token_is_told(nodes: Nodes, folder: Path) -> None:
    told = await _serve(_config(nodes, folder), "join", RAY_AUTH_TOKEN="f" * 64)
    assert told["reason"] == Reason.CLUSTER_UNAVAILABLE
    assert told["hint"].startswith("Is the token the one of the cluster?")


async def test_a_node_that_does_not_come_up_is_told_with_its_log(nodes: Nodes, folder: Path) -> None:
    """Ray refuses so small an object store."""
    told = await _serve(replace(_config(nodes, folder), object_store_bytes=1), "join")
    assert told["reason"] == Reason.CLUSTER_UNAVAILABLE
    assert told["hint"].startswith(f"{folder}/ray/node.log says why.")
    assert "object store" in (folder / "ray" / "node.log").read_text()
