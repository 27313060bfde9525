"""What gRPC health says of each kind of worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.breakers.guarded_gateway import SPEECH_WORKER, VISION_WORKER
from server.breakers.registry import Breakers
from server.breakers.types import BreakerBounds
from server.breakers.worker_health import WorkerHealth
from server.ledger.embedded import EmbeddedLedger
from server.observability.metrics import Metrics
from tests.clocks import HandSeconds
from tests.unit.ledger.migrated import open_ledger

ALL = {"redaction": 1, "speech": 1, "vision": 1}
NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


class Cluster:
    """Its replicas are as the test says."""

    def __init__(self) -> None:
        self.running = dict(ALL)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb")
    yield opened
    opened.close()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def breakers(ledger: EmbeddedLedger) -> Breakers:
    return Breakers(ledger, Metrics(), lambda: NOW)


@pytest.fixture
def health(cluster: Cluster, breakers: Breakers, clock: HandSeconds) -> WorkerHealth:
    for name in (SPEECH_WORKER, VISION_WORKER):
        breakers.build(name, BreakerBounds(), clock=clock)
    return WorkerHealth(cluster, breakers)


@pytest.fixture
def clock() -> HandSeconds:
    return HandSeconds()


def down(health: WorkerHealth) -> set[str]:
    return {name.removeprefix("vestibule.worker.") for name, works in health().items() if not works}


async def test_a_kind_works_while_it_has_a_replica(cluster: Cluster, health: WorkerHealth) -> None:
    assert down(health) == set()
    cluster.running["redaction"] = 0
    assert down(health) == {"redaction"}
    cluster.running = {}
    assert down(health) == {"redaction", "speech", "vision"}, "the cluster is away"


async def test_a_kind_does_not_work_until_its_breaker_is_closed(
    breakers: Breakers, health: WorkerHealth, clock: HandSeconds
) -> None:
    vision = breakers.get(VISION_WORKER)
    vision.trip()
    assert down(health) == {"vision"}
    clock.advance(121)
    for left in ({"vision"}, set()):
        async with vision.guard():
            assert down(health) == {"vision"}, "half open"
        assert down(health) == left
    await breakers.drain()
