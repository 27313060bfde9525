"""The Serve applications of one installation: deployed, watched and deleted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ray import serve
from ray.serve.schema import ApplicationStatusOverview, LoggingConfig

from models.errors import Unavailable, VestibuleError, WeightsError
from models.reasons import Reason
from ray_tasks.deployments import (
    APPLICATION_PREFIX,
    DEPLOYMENTS,
    application_name,
    handle_of,
    kind_of,
    run_target,
)
from ray_tasks.engine_info import EngineFacts, fingerprint, speech_fingerprint, speech_identity
from ray_tasks.serve_client import RAY_ERRORS, call
from ray_tasks.types import ClusterConfig

DESCRIBE_S: Final = 5.0
DELETE_S: Final = 2.0
"""How long the controller may take to acknowledge a deletion; the replicas then end by themselves."""
POLL_S: Final = 0.1
KEPT: Final = frozenset({"DEPLOYING", "RUNNING", "UNHEALTHY"})
"""States of an application that Serve brings up, or up again, by itself."""
_SERVE: Final = threading.Lock()
"""Held while Serve's configurations are made, which a question for the status does, too. Serve changes a table of this
process meanwhile, so two threads at a time end with a ValueError."""
LONGEST_CAUSE: Final = 300
"""Most characters of a constructor's error that are repeated."""


class Application:
    """One Serve application, and the calls of this server that it has.

    Args:
        config: What its workers are built from.
        kind: Of worker.

    Attributes:
        identity: Of the weights, for speech; else empty.
        fingerprint: What each call carries.
        handle: For its calls, once it was deployed.
        facts: Its workers' description of themselves, once they gave one.
        open_calls: Calls that ``calling`` is open for.

    Raises:
        WeightsError: WEIGHTS_INVALID, the record of an added model cannot be read.
    """

    def __init__(self, config: ClusterConfig, kind: str) -> None:
        self.config = config
        self.kind = kind
        self.identity = speech_identity(config) if kind == "speech" else ""
        self.name = application_name(config.installation, kind, self.identity)
        self.fingerprint = speech_fingerprint(config, self.identity) if self.identity else fingerprint(config)
        self.handle: Any = None
        self.facts: EngineFacts | None = None
        self.open_calls = 0
        self._ended = asyncio.Event()

    @property
    def fits(self) -> bool:
        """Whether its workers said that they are built from this configuration."""
        return self.facts is not None and self.facts.fingerprint == self.fingerprint

    @contextlib.contextmanager
    def calling(self) -> Iterator[Any]:
        """The handle, for one call. This server does not delete the application while one is open."""
        self.open_calls += 1
        try:
            yield self.handle
        finally:
            self.open_calls -= 1
            self._ended.set()

    async def until_idle(self) -> None:
        """Return once no call is open."""
        while self.open_calls:
            self._ended.clear()
            await self._ended.wait()

    async def describe(self, timeout_s: float) -> None:
        """Ask its workers to describe themselves. Without an answer the old description stays."""
        with contextlib.suppress(VestibuleError):
            self.facts = await call(
                lambda _left_s: self.handle.describe.remote(), timeout_s=timeout_s, policy=self.config.retry
            )


class Applications:
    """All applications of an installation. Its methods block.

    Args:
        config: What they are built from; their names carry its installation id.

    Attributes:
        fingerprint: Of what all of them have in common.
        current: Those that take the calls of this server, by kind of worker.
        candidate: The one whose finals are only compared, if there is one.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._installation = config.installation
        self.fingerprint = fingerprint(config)
        self.current = {kind: Application(config, kind) for kind in DEPLOYMENTS}
        self.candidate: Application | None = None
        self._opened: set[Application] = set()

    def start(self) -> None:
        """Start Serve, or find it running."""
        serve.start(proxy_location="Disabled", logging_config=LoggingConfig(log_level="WARNING"))

    def deploy(self, wanted: Iterable[Application], *, in_use: bool) -> None:
        """Deploy those that do not run yet; returns before they are up.

        Args:
            wanted: The applications.
            in_use: A server uses them, this one or one like it, so those that are there are kept: Serve brings them up.
                Otherwise an earlier server of this installation left them. Then one is kept if it runs and was built
                from the same settings, and else replaced.
        """
        wanted = list(wanted)
        for application in wanted:
            if application.handle is None:
                application.handle = handle_of(application.name, application.kind)
                self._opened.add(application)
        known = self.known()
        usable = {one.name for one in wanted if one.name in known and _usable(one, known[one.name].status, in_use)}
        missing = [one for one in wanted if one.name not in usable]
        if not missing:
            return
        with _SERVE:
            targets = [run_target(one.config, one.kind, one.name) for one in missing]
            serve.run_many(targets, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)

    def known(self) -> Mapping[str, ApplicationStatusOverview]:
        """Serve's view of the applications of this installation, by name."""
        known = _status()
        return {name: app for name, app in known.items() if kind_of(name, self._installation)}

    def delete(self) -> None:
        """Have the controller delete all of them; returns once it has begun."""
        self._delete(set(self.known()))

    def delete_speech_except(self, identities: set[str], hurry: Callable[[], bool] = lambda: False) -> None:
        """The same for those of speech whose weights have none of these identities.

        Args:
            identities: Of the weights whose applications are kept.
            hurry: Whether to return at once, without knowing that it has begun.
        """
        kept = {application_name(self._installation, "speech", identity) for identity in identities}
        speech = {name for name in self.known() if kind_of(name, self._installation) == "speech"}
        self._delete(speech - kept, hurry)

    def abandoned(self, living: set[str]) -> list[str]:
        """Applications of installations that have no living server."""
        ours = [name for name in _status() if name.startswith(APPLICATION_PREFIX)]
        return sorted(name for name in ours if name.removeprefix(APPLICATION_PREFIX).partition("-")[0] not in living)

    def close(self, application: Application) -> None:
        """End the router behind the handle of an application that is not called any more."""
        self._opened.discard(application)
        if application.handle is not None:
            application.handle.shutdown()

    def shut_down_handles(self) -> None:
        """End the routers behind the handles."""
        for application in list(self._opened):
            self.close(application)

    def _delete(self, names: set[str], hurry: Callable[[], bool] = lambda: False) -> None:
        for name in names:
            serve.delete(name, _blocking=False)
        give_up_at = time.monotonic() + DELETE_S
        while names and time.monotonic() < give_up_at and not hurry():
            known = self.known()
            if all(known[name].status == "DELETING" for name in names & known.keys()):
                return
            time.sleep(POLL_S)


def _status() -> dict[str, ApplicationStatusOverview]:
    with _SERVE:
        return serve.status().applications


def _usable(application: Application, status: str, in_use: bool) -> bool:
    return status in KEPT if in_use else status == "RUNNING" and _fits(application)


def _fits(application: Application) -> bool:
    try:
        application.facts = application.handle.describe.remote().result(timeout_s=DESCRIBE_S)
    except (TimeoutError, *RAY_ERRORS):  # a worker that cannot describe itself is replaced
        return False
    return application.fits


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
