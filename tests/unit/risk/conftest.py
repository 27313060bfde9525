"""A ledger, and a model that was learnt from a simulated quarter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from server.ledger.types import SessionState
from server.risk import fitting
from server.risk.features import STAGES
from server.risk.fitting import Rules, fit
from server.risk.model import RiskModel
from server.risk.reading import PastSessions, read_past
from tests.unit.funnel.quarter import BEGIN, DAYS, Quarter
from tests.unit.ledger.conftest import cursor, ledger
from tests.unit.ledger.migrated import open_ledger

__all__ = ["cursor", "ledger"]

IDLE_S = 1800.0
END = BEGIN.replace(tzinfo=UTC) + timedelta(days=DAYS + 1)
CAUSES = {1: lambda drawn: 2.0 * drawn["no_speech"], 2: lambda drawn: 1.5 * drawn["refused"]}


def past_of(quarter: Quarter, path: object, now: datetime = END) -> PastSessions:
    """The sessions of a quarter, through a ledger."""
    kept = open_ledger(path)  # type: ignore[arg-type]
    try:
        asyncio.run(kept.write(quarter.store))
        return asyncio.run(kept.read(lambda reader: read_past(reader, now, DAYS + 10, IDLE_S)))
    finally:
        kept.close()


def learnt(
    past: PastSessions,
    least: int = 100,
    *,
    stages: Sequence[SessionState] = STAGES,
    again: int = 8,
    most: int = fitting.MOST_MOMENTS,
) -> RiskModel:
    """What the server learns, but from fewer models with other weights.

    Args:
        past: What to learn from.
        least: See ``Rules``.
        stages: To learn; each costs seconds.
        again: How often all is learnt again with other weights, at least 2. Only intervals and calibration need it.
        most: Moments to draw. With half as many, the time is half, and what one cause adds is known less well.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "MOST_MOMENTS", most)
        patch.setattr(fitting, "STAGES", tuple(stages))
        patch.setattr(fitting, "AGAIN", again)
        patch.setattr(fitting, "AGAIN_TREES", max(2, again // 2))
        return fit(past, Rules(IDLE_S, least), END)


@cache
def simulated(seed: int = 1) -> PastSessions:
    """A quarter with causes."""
    with TemporaryDirectory() as folder:
        return past_of(Quarter(2500, seed=seed, causes=CAUSES), Path(folder) / "ledger.duckdb")


@cache
def simulated_model() -> RiskModel:
    """What was learnt from the first. Tests of several folders share it."""
    return learnt(simulated())


@pytest.fixture(scope="session")
def past() -> PastSessions:
    return simulated()


@pytest.fixture(scope="session")
def model() -> RiskModel:
    return simulated_model()
