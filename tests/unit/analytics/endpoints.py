"""Endpoints for analysts, as tests start them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from server.analytics.endpoint import mark_between_commits
from server.analytics.endpoint_config import DEFAULT_LIMITS, EndpointConfig, QueryLimits
from server.analytics.snapshot import LedgerMark
from server.analytics.supervisor import Decisions, Supervisor
from server.cli.demo.processes import free_ports
from server.ledger.embedded import EmbeddedLedger
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import migrated_file, open_ledger


def endpoint_of(
    ledger: EmbeddedLedger,
    port: int,
    token: str,
    *,
    limits: QueryLimits = DEFAULT_LIMITS,
    on_decision: Decisions = lambda door, denied: None,
    on_ended: Callable[[str], None] = lambda reason: None,
) -> Supervisor:
    """An endpoint on an open ledger, with its snapshots beside the ledger."""
    folder = str(ledger.path.parent / "analysts")
    config = EndpointConfig(str(ledger.path), folder, port, token, limits)
    return Supervisor(config, partial(mark_between_commits, ledger), on_decision=on_decision, on_ended=on_ended)


class OneEndpoint:
    """An endpoint for many tests, each with a ledger of its own. To start one takes more than 2 s of CPU time.

    Each ledger is put in the place of the last one, as an erasure does with the file that it wrote anew.

    Args:
        folder: Where the ledger is.
        token: What analysts present.
    """

    def __init__(self, folder: Path, token: str) -> None:
        self.folder = folder
        self.path = folder / "ledger.duckdb"
        [self.port] = free_ports(1)
        self._ledger = self._opened()
        config = EndpointConfig(str(self.path), str(folder / "analysts"), self.port, token)
        self._endpoint = Supervisor(config, self._mark)
        self._endpoint.start()

    def new_ledger(self) -> EmbeddedLedger:
        """An empty ledger, which the endpoint serves from now on."""
        self._ledger.close()
        self._ledger = self._opened()
        return self._ledger

    def stop(self) -> None:
        """End the endpoint and close the ledger."""
        self._endpoint.stop()
        self._ledger.close()

    def _opened(self) -> EmbeddedLedger:
        # Made while the last one is still there, so that it is another file to the endpoint.
        migrated_file(self.folder / "next").replace(self.path)
        self.path.with_name(f"{self.path.name}.wal").unlink(missing_ok=True)
        return open_ledger(self.path, lambda: NOW)

    def _mark(self) -> LedgerMark:
        return mark_between_commits(self._ledger)
