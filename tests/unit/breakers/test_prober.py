"""Health probes: they find out that an upstream works again, without a person who is the first to try."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from models.errors import BreakerOpen, UpstreamFailed
from server.breakers.prober import HealthProbe, HealthProber
from server.breakers.registry import Breakers
from server.breakers.types import BreakerBounds, BreakerState
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from tests.clocks import HandSeconds
from tests.unit.ledger.migrated import open_ledger


class World:
    """One upstream with a breaker and a probe."""

    def __init__(self, ledger: EmbeddedLedger, every_s: float = 15.0) -> None:
        self.clock = HandSeconds()
        self.works = False
        self.asked = 0
        self.breakers = Breakers(ledger, Metrics(), utc_now)
        self.breaker = self.breakers.build("llm_api", BreakerBounds(3, 120, 2), clock=self.clock)
        probe = HealthProbe(self.breaker, self.ask, every_s)
        self.prober = HealthProber(self.breakers, [probe], self.clock)

    async def ask(self) -> None:
        self.asked += 1
        if not self.works:
            raise UpstreamFailed("It does not answer.")

    async def fail(self) -> None:
        for _ in range(3):
            with suppress(UpstreamFailed):
                async with self.breaker.guard():
                    raise UpstreamFailed("It does not answer.")

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            await self.prober.tick()


@pytest.fixture
async def ledger(tmp_path: Path) -> EmbeddedLedger:
    return open_ledger(tmp_path / "ledger.duckdb")


@pytest.fixture
async def world(ledger: EmbeddedLedger) -> World:
    return World(ledger)


async def test_nothing_is_asked_while_it_is_closed(world: World) -> None:
    await world.pass_time(100)
    assert world.asked == 0


async def test_recovery_is_noticed_before_the_reset_time_and_no_person_tries_first(world: World) -> None:
    await world.fail()
    await world.pass_time(60)
    assert (world.asked, world.breaker.state) == (3, BreakerState.OPEN)
    world.works = True
    await world.pass_time(15)
    assert world.breaker.state is BreakerState.CLOSED
    assert world.asked == 3 + 1 + 2, "one probe, then as many as must succeed"
    await world.breakers.drain()


async def test_probes_that_fail_do_not_keep_it_open_for_longer(world: World) -> None:
    await world.fail()
    before_s = world.breaker.snapshot().open_for_more_s
    await world.pass_time(45)
    assert world.breaker.snapshot().open_for_more_s <= before_s
    with pytest.raises(BreakerOpen):
        async with world.breaker.guard():
            raise AssertionError("The call must not be made.")
    await world.breakers.drain()


async def test_an_upstream_that_answers_once_and_fails_again_opens_it_again(world: World) -> None:
    await world.fail()
    await world.pass_time(14)

    async def once() -> None:
        world.works = world.asked == 0
        await World.ask(world)

    world.prober = HealthProber(world.breakers, [HealthProbe(world.breaker, once, 1.0)], world.clock)
    await world.pass_time(2)
    assert world.breaker.state is BreakerState.OPEN
    assert world.breaker.snapshot().open_for_more_s == pytest.approx(120, abs=5)
    await world.breakers.drain()


async def test_a_breaker_that_was_opened_by_hand_stays_open_for_its_whole_reset_time(world: World) -> None:
    world.works = True
    world.breaker.trip()
    await world.pass_time(119)
    assert (world.asked, world.breaker.state) == (0, BreakerState.OPEN)
    await world.pass_time(20)
    assert world.breaker.state is BreakerState.CLOSED
    await world.breakers.drain()


async def test_probes_can_be_turned_off(ledger: EmbeddedLedger) -> None:
    world = World(ledger, every_s=0.0)
    await world.fail()
    await world.pass_time(300)
    assert world.asked == 0
    await world.breakers.drain()


async def test_a_blocked_upstream_is_probed_once_soon_and_then_rarely(world: World) -> None:
    world.breaker.block("UPSTREAM_KEY_REFUSED")
    await world.pass_time(16)
    assert world.asked == 1, "the refusal may have been for one call alone"
    await world.pass_time(600)
    assert world.asked == 1
    world.works = True
    await world.pass_time(300)
    assert world.breaker.state is BreakerState.CLOSED
    await world.breakers.drain()


async def test_a_block_is_not_kept_over_a_restart(ledger: EmbeddedLedger) -> None:
    """The restart may have brought another key."""
    first = World(ledger)
    first.breaker.block("UPSTREAM_KEY_REFUSED")
    await first.breakers.drain()
    second = World(ledger)
    await second.breakers.restore()
    assert second.breaker.state is BreakerState.CLOSED
