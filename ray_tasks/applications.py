"""The Serve applications of one installation: deployed, watched and deleted. Everything here blocks."""

from __future__ import annotations

import time
from typing import Any, Final

from ray import serve
from ray.serve.schema import ApplicationStatusOverview, LoggingConfig

from models.errors import Unavailable, VestibuleError, WeightsError
from models.reasons import Reason
from ray_tasks.deployments import APPLICATION_PREFIX, DEPLOYMENTS, application_name, applications, handle_of
from ray_tasks.engine_info import EngineFacts, fingerprint
from ray_tasks.serve_client import RAY_ERRORS
from ray_tasks.types import ClusterConfig

DESCRIBE_S: Final = 5.0
DELETE_S: Final = 2.0
"""How long the controller may take to acknowledge a deletion; the replicas then end by themselves."""
POLL_S: Final = 0.1
LONGEST_CAUSE: Final = 300
"""Most characters of a constructor's error that are repeated."""


class Applications:
    """The three applications of an installation, by kind of worker.

    Args:
        config: What they are built from; their names carry its installation id.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._names = {kind: application_name(config.installation, kind) for kind in DEPLOYMENTS}
        self.fingerprint = fingerprint(config)
        self.handles: dict[str, Any] = {}

    def deploy(self) -> None:
        """Deploy those that do not run yet; returns before they are up.

        An application with one of these names was left by an earlier server of this installation. It is kept if it was
        built from the same settings, otherwise replaced.
        """
        serve.start(proxy_location="Disabled", logging_config=LoggingConfig(log_level="WARNING"))
        self.handles = {kind: handle_of(self._config.installation, kind) for kind in DEPLOYMENTS}
        usable = {kind for kind, app in self.statuses().items() if app.status == "RUNNING" and self._fits(kind)}
        targets = [target for kind, target in applications(self._config).items() if kind not in usable]
        if targets:
            serve.run_many(targets, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)

    def statuses(self) -> dict[str, ApplicationStatusOverview]:
        """Serve's view of the applications; those that it does not know are missing."""
        known = serve.status().applications
        return {kind: known[name] for kind, name in self._names.items() if name in known}

    def delete(self) -> None:
        """Have the controller delete the applications; returns once it has begun."""
        for name in self._names.values():
            serve.delete(name, _blocking=False)
        give_up_at = time.monotonic() + DELETE_S
        while time.monotonic() < give_up_at:
            if all(app.status == "DELETING" for app in self.statuses().values()):
                return
            time.sleep(POLL_S)

    def abandoned(self, living: set[str]) -> list[str]:
        """Applications of installations that have no living server."""
        ours = [name for name in serve.status().applications if name.startswith(APPLICATION_PREFIX)]
        return sorted(name for name in ours if name.removeprefix(APPLICATION_PREFIX).rpartition("-")[0] not in living)

    def shut_down_handles(self) -> None:
        """End the routers behind the handles."""
        for handle in self.handles.values():
            handle.shutdown()

    def _fits(self, kind: str) -> bool:
        try:
            facts: EngineFacts = self.handles[kind].describe.remote().result(timeout_s=DESCRIBE_S)
        except (TimeoutError, *RAY_ERRORS):  # a worker that cannot describe itself is replaced
            return False
        return facts.fingerprint == self.fingerprint


def why_it_did_not_start(kind: str, app: Any) -> VestibuleError:
    """Why the replicas of an application could not be built.

    Serve's message is the traceback of the constructor. It holds no user's text, and its last line has the cause.
    """
    lines = [line.strip() for d in app.deployments.values() for line in d.message.splitlines() if line.strip()]
    if any(WeightsError.__name__ in line for line in lines):
        return WeightsError(f"The {kind} worker does not find its weights.")
    return Unavailable(
        f"The {kind} worker did not start: {lines[-1][:LONGEST_CAUSE] if lines else 'Ray does not say why'}",
        reason=Reason.WORKERS_NOT_READY,
        hint="The log of the replica, under logs/serve in Ray's session folder, has the whole story.",
    )
