"""A ledger, and a model that was learnt from a simulated quarter."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from server.ledger.writer import Ledger
from server.risk import fitting
from server.risk.fitting import Rules, fit
from server.risk.model import RiskModel
from server.risk.reading import PastSessions, read_past
from tests.unit.funnel.quarter import BEGIN, DAYS, Quarter
from tests.unit.ledger.conftest import cursor, ledger

__all__ = ["cursor", "ledger"]

IDLE_S = 1800.0
END = BEGIN.replace(tzinfo=UTC) + timedelta(days=DAYS + 1)
CAUSES = {1: lambda drawn: 2.0 * drawn["no_speech"], 2: lambda drawn: 1.5 * drawn["refused"]}


def past_of(quarter: Quarter, path: object, now: datetime = END) -> PastSessions:
    """The sessions of a quarter, through a ledger."""
    kept = Ledger.open(path)  # type: ignore[arg-type]
    try:
        asyncio.run(kept.write(quarter.store))
        return asyncio.run(kept.read(lambda reader: read_past(reader, now, DAYS + 10, IDLE_S)))
    finally:
        kept.close()


def learnt(past: PastSessions, least: int = 100) -> RiskModel:
    """What the server learns, but from fewer models with other weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "AGAIN", 8)
        patch.setattr(fitting, "AGAIN_TREES", 4)
        return fit(past, Rules(IDLE_S, least), END)


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> PastSessions:
    return past_of(Quarter(2500, causes=CAUSES), tmp_path_factory.mktemp("risk") / "ledger.duckdb")


@pytest.fixture(scope="session")
def model(past: PastSessions) -> RiskModel:
    return learnt(past)
