"""The endpoint for analysts as the server runs it, with its token and its state."""

from __future__ import annotations

import secrets
from pathlib import Path

from models.errors import VestibuleError
from models.private_files import read_or_create
from server.analytics.quack import QuackEndpoint
from server.ledger.writer import Ledger
from server.observability.log import describe, get_logger
from server.records.status import Component
from server.setting_groups import QuackSettings

log = get_logger("analysts")

TOKEN_FILE = "quack.token"  # noqa: S105 - the name of a file, not a token


class AnalystEndpoint:
    """Starts and stops the endpoint. If it cannot start, the server runs without it, and its state says so.

    Args:
        state_dir: Where a generated token is written, readable by its owner alone.
    """

    def __init__(self, ledger: Ledger, settings: QuackSettings, state_dir: Path) -> None:
        self._settings = settings
        self._state_dir = state_dir
        self._ledger = ledger
        self._endpoint: QuackEndpoint | None = None
        self._detail = "Turned off." if not settings.enabled else "Not started yet."

    @property
    def component(self) -> Component:
        """Its state, for the status report."""
        return Component("quack", self._endpoint is not None or not self._settings.enabled, self._detail)

    def start(self) -> None:
        """Listen, unless turned off. Blocking."""
        if not self._settings.enabled:
            return
        endpoint = QuackEndpoint(
            self._ledger,
            self._settings.port,
            self._token(),
            on_refused=lambda reason: log.warning("query_refused", reason=reason),
        )
        try:
            endpoint.start()
        except VestibuleError as error:
            self._detail = error.message
            log.error("quack_failed", **describe(error))
            return
        self._endpoint = endpoint
        self._detail = f"Analysts attach on port {self._settings.port} of loopback."

    def stop(self) -> None:
        """Stop listening. Blocking."""
        if self._endpoint is not None:
            self._endpoint.stop()
            self._endpoint = None

    def _token(self) -> str:
        given = self._settings.token.get_secret_value()
        path = self._state_dir / TOKEN_FILE
        if given:
            path.unlink(missing_ok=True)  # or the command line would use an old one
            return given
        return read_or_create(path, f"{secrets.token_urlsafe(32)}\n".encode()).decode("ascii").strip()
