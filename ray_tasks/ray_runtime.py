"""Ray itself, started on this machine or joined. Workers are deployed elsewhere."""

from __future__ import annotations

import atexit
import contextlib
import logging
from pathlib import Path
from typing import Any, Final

import psutil
import ray
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from ray.exceptions import AuthenticationError

from models.errors import Unavailable
from models.reasons import Reason
from ray_tasks.bind_address import LOOPBACK, is_on_loopback_alone, keep_cluster_on_loopback
from ray_tasks.processes import children, free_port, lives, orphans_of, with_descendants
from ray_tasks.types import ClusterConfig

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
        self._before: set[psutil.Process] | None = None
        self._roots: set[psutil.Process] = set()
        self._essential: dict[str, psutil.Process] = {}
        self.dashboard_url = ""
        self.address = ""

    @property
    def local(self) -> bool:
        """Whether this process starts and ends Ray."""
        return not self._config.address

    def start(self) -> None:
        """Start or join Ray.

        Raises:
            Unavailable: Ray cannot be started or joined.
        """
        _quiet()
        if self.local or is_on_loopback_alone(self._config.address):
            keep_cluster_on_loopback()
        self._before = children()
        try:
            context = ray.init(
                address=self._config.address or "local",
                namespace="vestibule",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **(self._local_options() if self.local else {}),
            )
        # What ray.init raises when it cannot start or join a cluster.
        except (OSError, RuntimeError, ValueError, AuthenticationError) as exc:
            raise Unavailable(
                f"Ray could not be {'started' if self.local else 'joined'} ({type(exc).__name__}).",
                reason=Reason.CLUSTER_UNAVAILABLE,
                hint=None if self.local else _token_hint(),
            ) from exc
        finally:
            self._roots = self._started()
        if self.local:
            _protect_token()
        self._essential = {p.name(): p for p in self._roots if p.name() in {NODE_PROCESS, HEAD_PROCESS}}
        if self._config.dashboard and context.dashboard_url:
            self.dashboard_url = f"http://{context.dashboard_url}"
        self.address = str(ray.get_runtime_context().gcs_address)

    def processes(self) -> list[psutil.Process]:
        """All processes of a local cluster, also while it starts."""
        family = with_descendants(self._roots or self._started())
        if NODE_PROCESS in self.lost():
            family += orphans_of(self._essential[NODE_PROCESS].pid)
        return family

    def lost(self) -> set[str]:
        """Names of the essential processes of a local cluster that have died."""
        return {name for name, process in self._essential.items() if not lives(process)}

    def shutdown(self) -> None:
        """Stop a local cluster, or leave a joined one.

        After the node process died, a call of Ray ends this process. Then ``Cluster.stop`` kills what is left.
        """
        if self.lost():
            atexit.unregister(ray.shutdown)
            return
        ray.shutdown(wait_for_processes=True)

    def _started(self) -> set[psutil.Process]:
        return children() - self._before if self.local and self._before is not None else set()

    def _local_options(self) -> dict[str, Any]:
        return {
            "include_dashboard": self._config.dashboard,
            "dashboard_host": LOOPBACK,
            "dashboard_port": self._config.dashboard_port or free_port(),
            "num_cpus": self._config.num_cpus,
            "num_gpus": self._config.num_gpus,
            "object_store_memory": self._config.object_store_bytes,
            "_system_config": {"gcs_rpc_server_reconnect_timeout_s": HEAD_LOST_S},
        }


def _protect_token() -> None:
    """Make the file of Ray's token private. Ray makes it readable for all users, and the token allows running code in
    the workers.
    """
    with contextlib.suppress(OSError):  # the token comes from elsewhere
        (Path.home() / ".ray" / "auth_token").chmod(0o600)


def _token_hint() -> str:
    """The hint when a cluster that listens could not be joined. Ray does not say when its token is the cause."""
    if is_token_auth_enabled():
        return "Is the token the one of the cluster? `ray get-auth-token` prints the one that was used."
    return (
        "If the cluster asks for a token, start the server with RAY_AUTH_MODE=token, and with the token in "
        "~/.ray/auth_token or in RAY_AUTH_TOKEN; `ray get-auth-token` prints it on the cluster."
    )


def _quiet() -> None:
    """Keep Ray's messages off the standard output of this process, which is the server's own."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    # Ray prints every error of the cluster with its traceback to standard output, apart from the workers' output
    # (log_to_driver). Only this flag of its debugger turns that off.
    vars(ray._private.worker)["_worker_logs_enabled"] = False
