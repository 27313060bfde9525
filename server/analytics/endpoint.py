"""The endpoint for analysts as the server runs it, with its token and its state."""

from __future__ import annotations

import secrets
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from models.errors import VestibuleError
from models.private_files import read_or_create
from server.access.doors import Door
from server.analytics.endpoint_config import EndpointConfig, QueryLimits
from server.analytics.quack import free_port
from server.analytics.snapshot import LedgerMark, delete_snapshots, mark_of
from server.analytics.supervisor import Decisions, Supervisor
from server.ledger.embedded import EmbeddedLedger
from server.observability.log import describe, get_logger
from server.records.status import Component
from server.setting_groups import QuackSettings

log = get_logger("analysts")

TOKEN_FILE = "quack.token"  # noqa: S105 - the name of a file, not a token
SNAPSHOT_FOLDER = "analysts"
MARK_TIMEOUT_S = 4.0


def mark_between_commits(ledger: EmbeddedLedger) -> LedgerMark:
    """A mark of now, made on the writer's thread.

    Raises:
        VestibuleError: The ledger is busy or closed.
        TimeoutError: A write takes too long.
    """
    future: Future[LedgerMark] = ledger.submit_between_commits(partial(mark_of, ledger.path))
    try:
        return future.result(MARK_TIMEOUT_S)
    finally:
        future.cancel()


class AnalystEndpoint:
    """Starts and stops the endpoint. If it cannot start, the server runs without it, and its state says so.

    Args:
        ledger: None to be turned off.
        state_dir: Where a generated token is written, readable by its owner alone, and where snapshots are.
        on_decision: Counts decisions about access, for the audit.
        least_free_bytes: What copies of the ledger must leave free on the disk.
    """

    def __init__(
        self,
        ledger: EmbeddedLedger | None,
        settings: QuackSettings,
        state_dir: Path,
        on_decision: Decisions = lambda door, denied: None,
        least_free_bytes: int = 0,
    ) -> None:
        self._least_free_bytes = least_free_bytes
        self._settings = settings
        self._state_dir = state_dir
        self._snapshots = state_dir / SNAPSHOT_FOLDER
        self._ledger = ledger
        self._on_decision = on_decision
        self._endpoint: Supervisor | None = None
        self._off = ledger is None or not settings.enabled
        self._detail = "Turned off." if self._off else "Not started yet."

    @property
    def component(self) -> Component:
        """Its state, for the status report."""
        if self._endpoint is None:
            return Component("quack", self._off, self._detail)
        healthy = self._endpoint.alive
        return Component("quack", healthy, self._detail if healthy else "It is started again.")

    def start(self, *, required: bool = False) -> None:
        """Listen, unless turned off. Blocking.

        Args:
            required: Whether to raise what goes wrong.

        Raises:
            VestibuleError: See ``Supervisor.start``.
        """
        delete_snapshots(self._snapshots)  # of a server that was killed
        settings, ledger = self._settings, self._ledger
        if ledger is None or not settings.enabled:
            return
        config = EndpointConfig(
            ledger=str(ledger.path),
            folder=str(self._snapshots),
            port=settings.port or free_port(),
            token=self._token(),
            limits=QueryLimits(settings.query_s, settings.query_bytes, settings.total_bytes),
            least_free_bytes=self._least_free_bytes,
        )
        endpoint = Supervisor(
            config,
            partial(mark_between_commits, ledger),
            on_decision=self._decided,
            on_ended=lambda reason: log.warning("analysts_restarted", reason=reason),
        )
        try:
            endpoint.start()
        except VestibuleError as error:
            self._detail = error.message
            log.error("quack_failed", **describe(error))
            if required:
                raise
            return
        self._endpoint = endpoint
        self._detail = f"Analysts attach on port {config.port} of loopback."

    def stop(self) -> None:
        """Stop listening. Queries that run end. Blocking."""
        if self._endpoint is not None:
            self._endpoint.stop()
            self._endpoint = None
            delete_snapshots(self._snapshots)

    def forget_snapshot(self) -> None:
        """End everything that holds earlier content of the ledger, after something was erased from it. Blocking.

        The process that starts next deletes what lies in the folder too, but an erasure does not wait for it.
        """
        if self._endpoint is not None:
            self._endpoint.restart()
        delete_snapshots(self._snapshots)

    def _decided(self, door: Door, denied: str) -> None:
        if denied:
            log.warning("query_refused" if door is Door.SQL else "analyst_refused", reason=denied)
        self._on_decision(door, denied)

    def _token(self) -> str:
        given = self._settings.token.get_secret_value()
        path = self._state_dir / TOKEN_FILE
        if given:
            path.unlink(missing_ok=True)  # or the command line would use an old one
            return given
        return read_or_create(path, f"{secrets.token_urlsafe(32)}\n".encode()).decode("ascii").strip()
