from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from tests.unit.jobs.conftest import World
from tests.unit.ledger.conftest import cursor
from tests.unit.sealed.release_helpers import FLOW, NAME, PHONE, Desk

__all__ = ["cursor"]


@pytest.fixture
async def empty_booking(tmp_path: Path) -> AsyncIterator[Desk]:
    """A session of a flow that seals two fields."""
    desk = Desk(World(tmp_path, flows=Flows([parse_flow(FLOW, "booking.yaml")], "site_visit")))
    yield desk
    desk.world.ledger.close()


@pytest.fixture
async def booking(empty_booking: Desk) -> Desk:
    """The same with a value of each field from one turn."""
    desk = empty_booking
    turn = await desk.world.say("I am [REDACTED_NAME], call me on [REDACTED_PHONE].")
    await desk.store(PHONE, NAME, source=turn.id)
    return desk
