"""One client's files do not open the breaker of the workers for everybody; workers that are broken still do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from models.errors import BreakerOpen, DeadlineExceeded, InternalError, VestibuleError, WorkerLost
from models.redaction.types import RedactionScope
from server.breakers.client_pauses import REPLACED_S, RETRY_AFTER_S, ClientPauses
from server.breakers.guarded_gateway import GuardedGateway, WorkerProbes, judge_worker_error
from server.breakers.prober import HealthProbe, HealthProber
from server.breakers.registry import Breakers
from server.breakers.types import BreakerState
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from server.setting_groups.breakers import BreakersSettings
from server.settings import Settings
from server.wiring.upstreams import build_upstreams
from tests.clocks import HandSeconds
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.migrated import open_ledger

FAILURES = BreakersSettings().vision_worker.failures
LOST = WorkerLost("It died.")


class World:
    """Scripted workers with the breakers and probes of the server, and its default numbers."""

    def __init__(self, ledger: EmbeddedLedger, *, probed: bool = True) -> None:
        self.clock = HandSeconds()
        self.workers = FakeGateway()
        self.breakers = Breakers(ledger, Metrics(), utc_now)
        settings = BreakersSettings()
        speech, vision = (
            ClientPauses(
                self.breakers.build(name, each.bounds, judge_worker_error, self.clock), probed=probed, clock=self.clock
            )
            for name, each in (("speech_worker", settings.speech_worker), ("vision_worker", settings.vision_worker))
        )
        self.gateway = GuardedGateway(self.workers, speech, vision, self.clock)
        self.vision = vision.breaker
        ask = WorkerProbes(self.workers).vision
        every_s = settings.vision_worker.probe_s if probed else 0.0
        self.prober = HealthProber(self.breakers, [HealthProbe(self.vision, ask, every_s, vision)], self.clock)

    async def read(self, client: str, error: VestibuleError | None = None) -> None:
        if error is not None:
            self.workers.will("read_picture", error)
        scope = RedactionScope(client, f"session of {client}")
        await self.gateway.read_picture(b"picture", document_type="", timeout_s=5, scope=scope)

    async def fail(self, client: str, times: int = 1, error: VestibuleError = LOST) -> None:
        for _ in range(times):
            with pytest.raises(type(error)):
                await self.read(client, error)

    async def die_together(self, *clients: str) -> None:
        """Have the worker die while it reads a picture of each of these."""
        self.workers.will("read_picture", *[LOST] * len(clients))
        held = self.workers.hold("read_picture")
        reading = [asyncio.create_task(self.read(client)) for client in clients]
        await asyncio.sleep(0)
        held.set()
        assert {type(one) for one in await asyncio.gather(*reading, return_exceptions=True)} == {WorkerLost}
        self.workers._holds.clear()

    async def probe(self, *errors: VestibuleError) -> None:
        """Let the server probe once; the probe fails with the error, if there is one."""
        self.workers.will("read_picture", *errors)
        self.clock.advance(2)
        await self.prober.tick()

    @property
    def is_open(self) -> bool:
        return self.vision.state is BreakerState.OPEN

    async def detail(self) -> str:
        [vision] = [info for info in await self.gateway.engines() if info.kind == "vision"]
        return vision.detail


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb")
    yield opened
    opened.close()


@pytest_asyncio.fixture
async def world(ledger: EmbeddedLedger) -> AsyncIterator[World]:
    built = World(ledger)
    yield built
    await built.breakers.drain()


@pytest.mark.parametrize("error", [LOST, DeadlineExceeded("Late."), InternalError("A defect.")], ids=lambda e: e.reason)
async def test_files_of_one_client_pause_that_client_and_nobody_else(world: World, error: VestibuleError) -> None:
    await world.fail("poisoner", FAILURES, error)
    assert not world.is_open
    asked = len(world.workers.calls)
    with pytest.raises(BreakerOpen, match="while this client used it") as refused:
        await world.read("poisoner")
    assert (refused.value.retry_after_s, len(world.workers.calls)) == (RETRY_AFTER_S, asked)
    assert "The calls of 1 client(s) failed 5 times in a row" in await world.detail()
    await world.read("other")


async def test_the_pause_ends_when_the_workers_pass_a_check(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await world.fail("poisoner", FAILURES)
    assert "clients_paused" in capsys.readouterr().out
    await world.probe(LOST)
    with pytest.raises(BreakerOpen):
        await world.read("poisoner")
    await world.probe()
    assert "clients_resumed" in capsys.readouterr().out
    await world.read("poisoner")
    assert not await world.detail()
    await world.probe()
    assert len(world.workers.called("read_picture")) == FAILURES + 2 + 1, "nothing is left to check"
    await world.fail("poisoner", FAILURES)
    assert not world.is_open


async def test_an_answer_to_another_client_ends_it_too(world: World) -> None:
    await world.fail("poisoner", FAILURES)
    await world.read("other")
    await world.read("poisoner")


async def test_workers_that_fail_the_checks_as_well_are_broken(world: World) -> None:
    """Also when a single client uses the server."""
    await world.fail("only one", FAILURES)
    world.clock.advance(REPLACED_S)
    for failures in range(1, FAILURES + 1):
        assert not world.is_open
        await world.probe(LOST)
        assert world.vision.failure_count == failures
    assert world.is_open
    assert "vision_worker is open" in await world.detail()
    world.clock.advance(world.vision.bounds.reset_s)
    for _ in range(world.vision.bounds.successes):
        await world.read("only one")
    assert not world.is_open


async def test_a_check_before_a_dead_worker_can_be_replaced_counts_only_if_it_is_answered(world: World) -> None:
    """Otherwise one client's file opens a breaker of few failures."""
    await world.fail("poisoner", FAILURES)
    for _ in range(int(REPLACED_S / 2) - 1):
        await world.probe(LOST)
        assert world.vision.failure_count == 0
    await world.probe(LOST)
    assert world.vision.failure_count == 1, "the worker had its time"
    await world.probe()
    await world.read("poisoner")


@pytest.mark.parametrize("calls", [1, 4, 5, 9])
async def test_a_call_that_hangs_does_not_hide_broken_workers(world: World, calls: int) -> None:
    """It is under way in each failure, and could be the cause of each. That the checks fail shows that it is not."""
    world.workers.hold("read_picture")
    hanging = asyncio.create_task(world.read("hanging"))
    await asyncio.sleep(0)
    world.workers._holds.clear()
    await world.fail("first", FAILURES)
    began = world.clock()
    while not world.is_open:
        await world.probe(LOST)
        for n in range(calls):
            if not world.is_open:
                await world.fail(f"client {world.clock()} {n}")
        assert world.clock() - began <= REPLACED_S + 2 * FAILURES
    hanging.cancel()


async def test_after_a_check_that_was_answered_one_client_is_paused_again(world: World) -> None:
    await world.fail("poisoner", FAILURES)
    world.clock.advance(REPLACED_S)
    await world.probe(LOST)
    await world.probe()
    await world.fail("poisoner", FAILURES)
    assert not world.is_open
    await world.probe(LOST)
    assert world.vision.failure_count == 0, "a new pause, a new time to replace the worker"


async def test_failures_of_two_clients_open_it(world: World) -> None:
    await world.fail("one", FAILURES - 1)
    await world.fail("other")
    assert world.is_open


async def test_calls_that_die_beside_those_of_one_client_are_explained_by_it(world: World) -> None:
    await world.die_together("poisoner", "a", "b")
    await world.die_together("c", "poisoner")
    assert not world.is_open
    with pytest.raises(BreakerOpen):
        await world.read("poisoner")
    for client in ("a", "b", "c"):
        await world.read(client)


async def test_a_worker_that_dies_under_calls_of_others_is_broken(world: World) -> None:
    await world.die_together("a", "b")
    await world.die_together("c", "d")
    await world.fail("e")
    assert world.is_open


async def test_calls_without_a_client_explain_nothing(world: World) -> None:
    await world.fail("", FAILURES)
    assert world.is_open


async def test_a_change_by_hand_ends_a_pause(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await world.fail("poisoner", FAILURES)
    world.vision.reset()
    await world.prober.tick()
    assert "clients_resumed" in capsys.readouterr().out
    await world.read("poisoner")
    await world.fail("poisoner", FAILURES)
    world.vision.trip()
    with pytest.raises(BreakerOpen, match="Calls to vision_worker are paused"):
        await world.read("poisoner")


async def test_without_probes_every_failure_counts(ledger: EmbeddedLedger) -> None:
    world = World(ledger, probed=False)
    await world.fail("only one", FAILURES)
    assert world.is_open
    await world.breakers.drain()


async def test_the_server_shows_how_many_clients_are_paused(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    settings, metrics, workers = Settings(data_dir=tmp_path, state_dir=tmp_path), Metrics(), FakeGateway()

    def paused(breaker: str) -> float | None:
        return metrics.registry.get_sample_value("vestibule_paused_clients", {"breaker": breaker})

    async def read(client: str) -> None:
        scope = RedactionScope(client, "session")
        await upstreams.gateway.read_picture(b"picture", document_type="", timeout_s=5, scope=scope)

    async with AsyncExitStack() as stack:
        upstreams = await build_upstreams(settings, ledger, metrics, workers, stack, utc_now)
        workers.will("read_picture", *[LOST] * FAILURES)
        for _ in range(FAILURES):
            assert paused("vision_worker") == 0
            with pytest.raises(WorkerLost):
                await read("poisoner")
        assert (paused("vision_worker"), paused("speech_worker")) == (1, 0)
        upstreams.breakers.get("vision_worker").reset()
        assert paused("vision_worker") == 0


async def test_a_call_from_before_a_change_pauses_nobody(world: World) -> None:
    held = world.workers.hold("read_picture")
    early = asyncio.create_task(world.read("busy"))
    await asyncio.sleep(0)
    world.workers._holds.clear()
    world.vision.reset()
    await world.fail("busy", FAILURES - 1)
    world.workers.will("read_picture", LOST)
    held.set()
    assert isinstance((await asyncio.gather(early, return_exceptions=True))[0], WorkerLost)
    await world.read("busy")
