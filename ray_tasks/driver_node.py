"""The node of a joined cluster that a server starts where its machine has none. It runs no workers.

Ray connects a program to a cluster only through a node on the program's own machine, or in its own container.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Final

from ray._private.services import find_node_ids
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # a native module without a stub
from ray.core.generated.gcs_pb2 import GcsNodeInfo  # type: ignore[attr-defined]  # generated, without a stub

from models.child_python import child_python
from ray_tasks.processes import free_port

ANSWER_S: Final = 10.0
STARTS_S: Final = 60.0
"""How long a node may take to join. It takes 3 s on an idle machine."""
POLL_S: Final = 0.5


def has_node(address: str) -> bool:
    """Whether a running node of a cluster is on this machine, and visible from this container.

    Args:
        address: ``host:port`` of its head.

    Raises:
        RuntimeError, AuthenticationError: As ``ray.init``, where the cluster does not answer.
    """
    here = set(find_node_ids())  # type: ignore[no-untyped-call]  # Ray has no annotations here
    if not here:
        return False
    alive = GcsClient(address=address).get_all_node_info(timeout=ANSWER_S, state_filter=GcsNodeInfo.GcsNodeState.ALIVE)
    return any(node.hex() in here for node in alive)


def start_node(address: str, folder: Path, object_store_bytes: int) -> subprocess.Popen[bytes]:
    """Start a node without CPUs and GPUs. SIGTERM has it leave the cluster, with all its processes.

    Call ``wait_until_joined`` next.

    Args:
        address: ``host:port`` of the head.
        folder: For its sockets and logs.
        object_store_bytes: Shared memory for what this server sends.
    """
    command = child_python(
        *("-m", "ray.scripts.scripts", "start", "--block", f"--address={address}", f"--temp-dir={folder}"),
        *("--num-cpus=0", "--num-gpus=0", f"--object-store-memory={object_store_bytes}"),
        *(f"--dashboard-agent-listen-port={free_port()}", "--min-worker-port=0", "--max-worker-port=0"),
        *("--include-log-monitor=false", "--disable-usage-stats"),
    )
    nothing = subprocess.DEVNULL
    # A session of its own: Ctrl-C in a terminal must not end it before the server's calls are done.
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


def wait_until_joined(node: subprocess.Popen[bytes], address: str) -> None:
    """Wait until the node of ``start_node`` belongs to the cluster.

    Raises:
        RuntimeError, AuthenticationError: It does not come up, or the cluster does not answer.
    """
    give_up_at = time.monotonic() + STARTS_S
    while not has_node(address):
        if node.poll() is not None:
            raise RuntimeError("the node ended")
        if time.monotonic() > give_up_at:
            raise RuntimeError("the node takes too long")
        time.sleep(POLL_S)
