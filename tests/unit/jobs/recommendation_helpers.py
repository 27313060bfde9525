"""What tests of recommendations share."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import VestibuleError
from server.ledger.types import (
    RecommendationRow,
    RecommendationState,
)
from server.records.pubsub import Subscription
from tests.eventually import eventually
from tests.unit.jobs.conftest import World

PENDING, APPROVED = RecommendationState.PENDING, RecommendationState.APPROVED
REJECTED, SUPERSEDED = RecommendationState.REJECTED, RecommendationState.SUPERSEDED
HASH = "0" * 64


async def reason_of(call: Any) -> str:
    with pytest.raises(VestibuleError) as caught:
        await call
    return caught.value.reason


async def propose(world: World, *, wait_s: float = 0.0) -> RecommendationRow:
    return await world.recommender.propose(world.session_id, fallback=True, wait_s=wait_s)


async def until_asked(world: World, times: int) -> None:
    await eventually(lambda: len(world.assistant.asked_records) >= times)


def news_of(news: Subscription) -> list[object]:
    return list(news._waiting.values())
