"""Ray itself, started on this machine or joined. Workers are deployed elsewhere."""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import ray
from ray._private import auto_init_hook, ray_constants
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from ray.exceptions import RayError
from ray.job_config import JobConfig

from models.child_python import SAFE_PATH
from models.errors import Unavailable
from models.reasons import Reason
from ray_tasks.auth_token import FILE, LocalToken, require_token
from ray_tasks.bind_address import LOOPBACK, is_on_loopback_alone, keep_cluster_on_loopback, turn_exporters_off
from ray_tasks.driver_node import has_node, start_node, wait_until_joined
from ray_tasks.processes import children, free_port, lives, orphans_of, raylet_at, with_descendants
from ray_tasks.session_folder import SessionFolder
from ray_tasks.types import BUSY_HINT, ClusterConfig

NODE_PROCESS: Final = "raylet"
HEAD_PROCESS: Final = "gcs_server"

HEAD_LOST_S: Final = 1_000_000
"""By default Ray ends every process of a cluster, including the server, 60 s after the head process died. But the
server must keep running: it still answers, keeps accepted work and closes its ledger. So this is set to eleven days.
"""


class RayRuntime:
    """Starts or joins Ray, knows its processes, and shuts it down. All methods block.

    Args:
        config: Address, resources and dashboard.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._folder = SessionFolder(Path(config.state_dir), config.installation)
        self._token = LocalToken(Path(config.state_dir).absolute() / FILE)
        self._before: set[psutil.Process] | None = None
        self._roots: set[psutil.Process] = set()
        self._essential: dict[str, psutil.Process] = {}
        self._node: subprocess.Popen[bytes] | None = None
        self.dashboard_url = ""
        self.address = ""

    @property
    def local(self) -> bool:
        """Whether this process starts and ends Ray."""
        return not self._config.address

    @property
    def _starts_node(self) -> bool:
        """Whether this process starts the node of this machine: that of a local cluster, or one that joins another."""
        return self.local or self._node is not None

    def start(self) -> None:
        """Start or join Ray. Where this machine has no node of the cluster that is to be joined, start one.

        Raises:
            InvalidInput: RAY_WITHOUT_TOKEN, the token is turned off, or a cluster to be joined asks for none.
            Unavailable: Ray cannot be started or joined.
        """
        _quiet()
        _start_nothing_unasked()
        if self.local:
            self._token.use()
            turn_exporters_off()
        elif not self._config.allow_no_token:
            require_token(self._config.address)
        if self.local or is_on_loopback_alone(self._config.address):
            keep_cluster_on_loopback()
        self._before = children()
        try:
            with _nothing_of_the_working_folder():
                context = ray.init(
                    address=self._config.address or "local",
                    namespace="vestibule",
                    job_config=_ModulesOfTheNodes(),
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **(self._local_options() if self.local else self._joining_options()),
                )
        # What ray.init raises when it cannot start or join a cluster.
        except (OSError, RuntimeError, ValueError, RayError) as exc:
            raise Unavailable(
                f"Ray could not be {'started' if self.local else 'joined'} ({type(exc).__name__}).",
                reason=Reason.CLUSTER_UNAVAILABLE,
                hint=BUSY_HINT if self.local else _token_hint(),
            ) from exc
        finally:
            self._roots = self._started()
        self.narrow_folder()
        self._essential = self._local_essential() if self.local else _joined_essential()
        if self._config.dashboard and context.dashboard_url:
            self.dashboard_url = f"http://{context.dashboard_url}"
        self.address = str(ray.get_runtime_context().gcs_address)

    def processes(self) -> list[psutil.Process]:
        """All processes of Ray that this process started, also while it starts. Those of others are not ours to end."""
        family = with_descendants(self._roots or self._started())
        if self._starts_node and NODE_PROCESS in self.lost():
            family += orphans_of(self._essential[NODE_PROCESS].pid)
        return family

    def lost(self) -> set[str]:
        """Names of the essential processes that have died. Of a joined cluster it is the node of this machine."""
        return {name for name, process in self._essential.items() if not lives(process)}

    @property
    def folder(self) -> str:
        """Where the node that this process started keeps its sockets and logs; empty if it started none."""
        return str(self._folder.path) if self._starts_node else ""

    def narrow_folder(self) -> None:
        """Make everything in that folder private."""
        if self._starts_node:
            self._folder.narrow()

    def close(self, *, keep_folder: bool) -> None:
        """Release the folder, and the token of a local cluster, after all processes have ended."""
        self._folder.close(keep=keep_folder)
        self._token.forget()

    def shutdown(self) -> None:
        """Stop a local cluster, or leave a joined one.

        After the node process died, a call of Ray ends this process. Then ``Cluster.stop`` kills what is left.
        """
        if self.lost():
            atexit.unregister(ray.shutdown)
            return
        ray.shutdown(wait_for_processes=True)
        if self._node is not None:
            self._node.terminate()

    def _started(self) -> set[psutil.Process]:
        return children() - self._before if self._starts_node and self._before is not None else set()

    def _local_essential(self) -> dict[str, psutil.Process]:
        return {p.name(): p for p in self._roots if p.name() in {NODE_PROCESS, HEAD_PROCESS}}

    def _joining_options(self) -> dict[str, Any]:
        """The node through which to join. What a killed server left of its own is ended first."""
        address, folder = self._config.address, self._folder.open()
        if has_node(address):
            self._folder.close(keep=False)
            return {}
        self._node = start_node(address, folder, self._config.object_store_bytes)
        wait_until_joined(self._node, address, folder)
        return {"_temp_dir": str(folder)}

    def _local_options(self) -> dict[str, Any]:
        return {
            "include_dashboard": self._config.dashboard,
            "_temp_dir": str(self._folder.open()),
            "dashboard_host": LOOPBACK,
            "dashboard_port": self._config.dashboard_port or free_port(),
            "num_cpus": self._config.num_cpus,
            "num_gpus": self._config.num_gpus,
            "object_store_memory": self._config.object_store_bytes,
            "_metrics_export_port": self._config.metrics_port or None,
            "_system_config": {
                "gcs_rpc_server_reconnect_timeout_s": HEAD_LOST_S,
                "enable_metrics_collection": bool(self._config.metrics_port),  # the exporter asks for no token
            },
        }


class _ModulesOfTheNodes(JobConfig):
    """Has workers find modules where their nodes do.

    Ray would have every worker look for modules in the working folder of this process first. It has no option against
    that. It adds the folder just before it serializes.
    """

    def _serialize(self) -> Any:
        self._py_driver_sys_path: list[str] = []
        return super()._serialize()


def _joined_essential() -> dict[str, psutil.Process]:
    """The node through which this process is connected. Calls hang when it is stopped in order."""
    node = raylet_at(vars(ray._private.worker)["_global_node"].raylet_socket_name)
    return {NODE_PROCESS: node} if node is not None else {}


def _token_hint() -> str:
    """The hint when a cluster that listens could not be joined. Ray does not say when its token is the cause."""
    if is_token_auth_enabled():
        return "Is the token the one of the cluster? `ray get-auth-token` prints the one that was used."
    return (
        "If the cluster asks for a token, start the server with RAY_AUTH_MODE=token and name the file of the token in "
        "RAY_AUTH_TOKEN_PATH; `ray get-auth-token` prints it on the cluster, and a server that started one has it in "
        "ray.token of its state folder."
    )


def _start_nothing_unasked() -> None:
    """Keep Ray from starting or joining a cluster by itself, with its own settings, when a call comes too late.

    A late call is one of Serve's threads, while the server ends. It then fails.
    """
    vars(auto_init_hook)["enable_auto_connect"] = False


@contextmanager
def _nothing_of_the_working_folder() -> Iterator[None]:
    """Keep Ray's own Pythons from looking for modules in the folder in which the server was started. Under `uv run` Ray
    would also copy that folder to every worker.

    The processes that start meanwhile, and all that these start, inherit it. What this process starts later does not.
    """
    vars(ray_constants)["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = False
    os.environ.update(SAFE_PATH)
    try:
        yield
    finally:
        for name in SAFE_PATH:
            del os.environ[name]


def _quiet() -> None:
    """Keep Ray's messages off the standard output of this process, which is the server's own."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    # Ray prints every error of the cluster with its traceback to standard output, apart from the workers' output
    # (log_to_driver). Only this flag of its debugger turns that off.
    vars(ray._private.worker)["_worker_logs_enabled"] = False
