"""The node of a joined cluster that a server starts where its machine has none. It runs no workers.

Ray connects a program to a cluster only through a node on the program's own machine, or in its own container.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ray._private.services import find_node_ids
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # a native module without a stub
from ray.core.generated.gcs_pb2 import GcsNodeInfo  # type: ignore[attr-defined]  # generated, without a stub

from models.child_python import child_python
from models.errors import Unavailable
from models.reasons import Reason
from ray_tasks.processes import free_port

OUTPUT: Final = "node.log"
"""What the command that starts the node says, in the folder of the node."""
ANSWER_S: Final = 10.0
STARTS_S: Final = 60.0
"""How long a node may take to join. It takes 3 s on an idle machine."""
POLL_S: Final = 0.5
_OF_ONE_SERVER: Final = "vestibule-server"
"""Label of a node that ends with the server that started it, so that no other server joins through it."""


def has_node(address: str) -> bool:
    """Whether a node of a cluster is on this machine, visible from this container, and not that of another server.

    A cluster that has no node yet is waited for: its head comes first, and it may be on this machine.

    Args:
        address: ``host:port`` of its head.

    Raises:
        RuntimeError, RayError: The cluster does not answer, or the token is not its own.
    """
    give_up_at = time.monotonic() + STARTS_S
    while not (nodes := _nodes(address)) and time.monotonic() < give_up_at:
        time.sleep(POLL_S)
    return any(_OF_ONE_SERVER not in node.labels for node in _here(nodes))


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
        *("--include-log-monitor=false", "--disable-usage-stats", f"--labels={_OF_ONE_SERVER}=true"),
    )
    with (folder / OUTPUT).open("wb") as output:
        # A session of its own: Ctrl-C in a terminal must not end it before the server's calls are done.
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def wait_until_joined(node: subprocess.Popen[bytes], address: str, folder: Path) -> None:
    """Wait until the node of ``start_node`` belongs to the cluster.

    Raises:
        RuntimeError, RayError: The cluster does not answer.
        Unavailable: CLUSTER_UNAVAILABLE, the node does not come up.
    """
    give_up_at = time.monotonic() + STARTS_S
    while not any(one.temp_dir == str(folder) for one in _here(_nodes(address))):
        if node.poll() is not None or time.monotonic() > give_up_at:
            raise Unavailable(
                "The node of Ray with which this server joins the cluster did not come up.",
                reason=Reason.CLUSTER_UNAVAILABLE,
                hint=f"{folder / OUTPUT} says why. The release of Ray has to be the cluster's, and "
                "VESTIBULE_RAY__OBJECT_STORE_BYTES has to fit into /dev/shm.",
            )
        time.sleep(POLL_S)


def _nodes(address: str) -> dict[Any, Any]:
    """What a cluster knows of its running nodes, by their ids."""
    client = GcsClient(address=address)
    return dict(client.get_all_node_info(timeout=ANSWER_S, state_filter=GcsNodeInfo.GcsNodeState.ALIVE))


def _here(nodes: dict[Any, Any]) -> Iterator[Any]:
    """Those on this machine."""
    here = set(find_node_ids())  # type: ignore[no-untyped-call]  # Ray has no annotations here
    return (info for node, info in nodes.items() if node.hex() in here)
